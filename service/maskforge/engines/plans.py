"""Builds, checks and publishes the plans of a model, and tells later whether they still fit."""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from maskforge.engines.files import borrowed, digest
from maskforge.engines.folders import DECODER, ENCODER, ModelFolder, Site, model_folders
from maskforge.engines.golden import read_golden
from maskforge.engines.judge import Judge
from maskforge.engines.manifest import Manifest, objections, read_manifest, write_manifest
from maskforge.engines.ports import PlanJob, TensorRT
from maskforge.errors import PlanMismatch

log = logging.getLogger(__name__)

LAYERS_FILE: Final = "layers.json"


def verify_plans(name: str, repository: Path, site: Site) -> list[Path]:
    """Make sure that every plan of a model is the one that was checked, and is for this site; return the plans.

    Raises:
        IncompleteModel: A folder is missing or not complete.
        PlanMismatch: A plan is missing, has changed, or belongs elsewhere.
    """
    parts = model_folders(name, repository).values()
    found = {folder: "; ".join(_objections(folder, site)) for folder in parts}
    wrong = [f"{folder.path.name}'s plan: {reasons}" for folder, reasons in found.items() if reasons]
    if wrong:
        raise PlanMismatch(". ".join(wrong))
    return [folder.plan for folder in parts]


def _objections(folder: ModelFolder, site: Site) -> list[str]:
    return list(objections(read_manifest(folder.path), folder.recipe(site), folder.plan))


@dataclass(frozen=True, slots=True)
class BuildPlans:
    """Builds the plans of a model that are missing or do not fit.

    Attributes:
        tensorrt: What builds and runs them.
        site: Where this is.
        optimization_level: How hard to try, 0 to 5; a plan of another level is built again.
        cache: Folder of timing caches, one for each GPU model and TensorRT; None keeps none.
    """

    tensorrt: TensorRT
    site: Site
    optimization_level: int
    cache: Path | None = None

    def __call__(self, name: str, repository: Path) -> list[Path]:
        """Return the plans; each is published as soon as it has passed the golden check.

        Raises:
            IncompleteModel: A folder is missing or not complete.
            ToolFailed: TensorRT refused a graph, or took too long.
            GoldenMismatch: A plan computes other masks than the fp32 reference. It is not published.
        """
        parts = model_folders(name, repository)
        judge = Judge(self.tensorrt, read_golden(parts[ENCODER].path), parts[DECODER].plan)
        for folder in parts.values():
            if self._is_current(folder):
                log.info("%s: the plan is there already", folder.path.name)
            else:
                self._build(folder, judge)
        return [folder.plan for folder in parts.values()]

    def _is_current(self, folder: ModelFolder) -> bool:
        manifest = read_manifest(folder.path)
        same_effort = manifest is not None and manifest.optimization_level == self.optimization_level
        return same_effort and not _objections(folder, self.site)

    def _build(self, folder: ModelFolder, judge: Judge) -> None:
        recipe = folder.recipe(self.site)
        with tempfile.TemporaryDirectory(dir=folder.path, prefix=".plan.") as name:
            job = PlanJob(folder.onnx, recipe.profile, self.optimization_level, Path(name))
            seconds = self._compile(job)
            mask_iou = judge(folder.part, job.plan)
            manifest = Manifest(
                model=folder.path.name,
                plan=digest(job.plan),
                recipe=recipe,
                precision=folder.precision,
                optimization_level=self.optimization_level,
                mask_iou=mask_iou,
                built_at=datetime.now(UTC).isoformat(timespec="seconds"),
                build_seconds=seconds,
            )
            _publish(folder, job, manifest)

    def _compile(self, job: PlanJob) -> float:
        """Build a plan, and return how many seconds it took."""
        start = time.monotonic()
        with borrowed(self._timing_cache(), job.timing_cache):
            self.tensorrt.build(job)
        return round(time.monotonic() - start, 1)

    def _timing_cache(self) -> Path | None:
        """Name the file of measurements; TensorRT must not be given those of another GPU model or version."""
        return self.cache and self.cache / f"{self.site.gpu.slug}_tensorrt-{self.site.tensorrt}.timing"


def _publish(folder: ModelFolder, job: PlanJob, manifest: Manifest) -> None:
    """Put a plan in its place, the manifest last: between the two, the old manifest objects to the new plan."""
    job.layers.replace(folder.path / LAYERS_FILE)
    job.plan.replace(folder.plan)
    write_manifest(folder.path, manifest)
    log.info("%s: published a plan for %s", manifest.model, manifest.recipe.gpu.name)
