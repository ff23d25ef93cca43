from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maskforge.engines.devices import Gpu
from maskforge.engines.folders import PARTS
from maskforge.engines.manifest import read_manifest
from maskforge.engines.plans import BuildPlans, verify_plans
from maskforge.errors import ForgeError, GoldenMismatch, IncompleteModel, PlanMismatch, ToolFailed
from tests.unit.forge.engines.world import SITE, FakeTensorRT, write_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from maskforge.engines.ports import PlanJob

MODELS = ["tiny_decoder", "tiny_decoder_multi", "tiny_encoder"]


@pytest.fixture(name="repository")
def _repository(tmp_path: Path) -> Path:
    write_model(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture(name="tensorrt")
def _tensorrt() -> FakeTensorRT:
    return FakeTensorRT()


def build(tensorrt: FakeTensorRT, repository: Path, **changes: object) -> list[Path]:
    return replace(BuildPlans(tensorrt, SITE, 3), **changes)("tiny", repository)  # type: ignore[arg-type]


def plans_in(repository: Path) -> list[str]:
    return sorted(path.parents[1].name for path in repository.glob("*/1/model.plan"))


# Building


def test_each_model_gets_a_plan_of_its_own(tensorrt: FakeTensorRT, repository: Path) -> None:
    """The three plans lie where Triton looks for them, beside their graphs; the decoders come first."""
    assert [repository / name / "1" / "model.plan" for name in MODELS] == build(tensorrt, repository)
    assert MODELS == plans_in(repository)


def test_the_decoders_are_built_from_one_graph_for_different_shapes(tensorrt: FakeTensorRT, repository: Path) -> None:
    """The multi decoder's graph is a link; what it points to is built, since weights outside a graph lie there."""
    build(tensorrt, repository)
    decoder, multi, _ = tensorrt.jobs

    assert repository / "tiny_decoder" / "1" / "model.onnx" == decoder.onnx == multi.onnx
    assert ((32, 1), (2, 64)) == (decoder.profile["select"].max, multi.profile["select"].max)


def test_a_manifest_says_what_a_plan_is(tensorrt: FakeTensorRT, repository: Path) -> None:
    """The manifest names what the plan was built from, where, how, and how well it does."""
    build(tensorrt, repository)
    manifest = json.loads((repository / "tiny_encoder" / "plan.json").read_text(encoding="utf-8"))

    assert "tiny_encoder" == manifest["model"]
    assert {"name": "NVIDIA L4", "compute_capability": "8.9"} == manifest["recipe"]["gpu"]
    assert "10.13.3.9" == manifest["recipe"]["tensorrt"]
    assert {"min": [1, 2], "opt": [1, 2], "max": [4, 2]} == manifest["recipe"]["profile"]["valid_hw"]
    assert ("bf16", 3, 1.0) == (manifest["precision"], manifest["optimization_level"], manifest["mask_iou"])
    assert manifest["plan"].startswith("sha256:")
    assert manifest["recipe"]["onnx"].startswith("sha256:")
    assert manifest["built_at"].endswith("+00:00")
    assert manifest["build_seconds"] >= 0


def test_nothing_but_the_plan_its_manifest_and_its_layers_stays(tensorrt: FakeTensorRT, repository: Path) -> None:
    """The builder's scratch files are gone."""
    before = set(repository.rglob("*"))
    build(tensorrt, repository)

    new = {str(path.relative_to(repository)) for path in set(repository.rglob("*")) - before}
    assert {f"{name}/{file}" for name in MODELS for file in ("1/model.plan", "plan.json", "layers.json")} == new


def test_plans_that_fit_are_not_built_again(tensorrt: FakeTensorRT, repository: Path) -> None:
    """A second run finds everything there, and asks TensorRT for nothing."""
    first = build(tensorrt, repository)
    tensorrt.jobs.clear()

    assert first == build(tensorrt, repository)
    assert [] == tensorrt.jobs


def other_graph(repository: Path) -> None:
    (repository / "tiny_encoder" / "1" / "model.onnx").write_text("encoder 2", encoding="utf-8")


def other_shapes(repository: Path) -> None:
    path = repository / "tiny_encoder" / "profile.json"
    path.write_text(path.read_text(encoding="utf-8").replace("4", "2"), encoding="utf-8")


def damaged_plan(repository: Path) -> None:
    (repository / "tiny_encoder" / "1" / "model.plan").write_text("enc", encoding="utf-8")


def no_plan(repository: Path) -> None:
    (repository / "tiny_encoder" / "1" / "model.plan").unlink()


def no_manifest(repository: Path) -> None:
    (repository / "tiny_encoder" / "plan.json").unlink()


def foreign_manifest(repository: Path) -> None:
    (repository / "tiny_encoder" / "plan.json").write_text('{"recipe": {}}', encoding="utf-8")


CHANGES = {
    other_graph: "it was built from another graph",
    other_shapes: "it was built for other shapes",
    damaged_plan: "its bytes are not those that were checked",
    no_plan: "there is none",
    no_manifest: "there is no plan.json that tells what it is",
    foreign_manifest: "there is no plan.json that tells what it is",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_plan_that_does_not_fit_any_more_is_built_again(
    change: Callable[[Path], None], tensorrt: FakeTensorRT, repository: Path
) -> None:
    """Only the part that changed is built again, and then everything fits."""
    build(tensorrt, repository)
    tensorrt.jobs.clear()
    change(repository)

    build(tensorrt, repository)

    assert [repository / "tiny_encoder" / "1" / "model.onnx"] == [job.onnx for job in tensorrt.jobs]
    assert 3 == len(verify_plans("tiny", repository, SITE))


def test_another_effort_is_another_plan(tensorrt: FakeTensorRT, repository: Path) -> None:
    """Who asks for a higher level gets it, but a plan of any level may be served."""
    build(tensorrt, repository)
    build(tensorrt, repository, optimization_level=5)

    assert [3, 3, 3, 5, 5, 5] == [job.optimization_level for job in tensorrt.jobs]
    assert 3 == len(verify_plans("tiny", repository, SITE))


# The golden check


@pytest.mark.parametrize(("graph", "published"), [("encoder", MODELS[:2]), ("decoder", [])])
def test_a_plan_that_computes_other_masks_is_not_published(
    graph: str, published: list[str], tensorrt: FakeTensorRT, repository: Path
) -> None:
    """The build fails, and of the plan at fault nothing is left; those before it stay."""
    tensorrt.defects[graph] = -1.0

    with pytest.raises(GoldenMismatch):
        build(tensorrt, repository)

    assert published == plans_in(repository)
    assert [] == list(repository.glob("*/.plan*"))


def test_a_failed_build_leaves_the_plan_that_was_there(tensorrt: FakeTensorRT, repository: Path) -> None:
    """A working plan is replaced by a checked one only."""
    build(tensorrt, repository)
    plan = repository / "tiny_encoder" / "1" / "model.plan"
    before = (plan.read_bytes(), read_manifest(plan.parents[1]))
    other_graph(repository)
    tensorrt.defects["encoder 2"] = -1.0

    with pytest.raises(GoldenMismatch):
        build(tensorrt, repository)

    assert before == (plan.read_bytes(), read_manifest(plan.parents[1]))


# The timing cache


def test_measurements_are_kept_for_the_next_build(tensorrt: FakeTensorRT, repository: Path, tmp_path: Path) -> None:
    """Each build starts from what the builds before it measured, for this GPU model and TensorRT."""
    cache = tmp_path / "cache"
    build(tensorrt, repository, cache=cache)

    assert ["", "+", "++"] == tensorrt.measurements
    assert ["nvidia-l4_tensorrt-10.13.3.9.timing"] == [path.name for path in cache.iterdir()]


def test_measurements_of_another_gpu_are_not_used(tensorrt: FakeTensorRT, repository: Path, tmp_path: Path) -> None:
    """Another GPU model starts with none."""
    build(tensorrt, repository, cache=tmp_path / "cache")
    tensorrt.measurements.clear()
    build(tensorrt, repository, cache=tmp_path / "cache", site=replace(SITE, gpu=Gpu("NVIDIA L40S", "8.9")))

    assert ["", "+", "++"] == tensorrt.measurements


def test_without_a_cache_nothing_is_kept(tensorrt: FakeTensorRT, repository: Path) -> None:
    """Each build measures for itself."""
    build(tensorrt, repository)

    assert ["", "", ""] == tensorrt.measurements


def test_a_failed_build_does_not_touch_the_cache(repository: Path, tmp_path: Path) -> None:
    """A builder that was killed has left half a cache, which would fail the builds after it."""

    class Killed(FakeTensorRT):
        def build(self, job: PlanJob) -> None:
            super().build(job)
            raise ToolFailed("killed")

    with pytest.raises(ToolFailed):
        build(Killed(), repository, cache=tmp_path / "cache")

    assert not (tmp_path / "cache").exists()


# Verifying


def test_plans_that_fit_are_verified(tensorrt: FakeTensorRT, repository: Path) -> None:
    """What was just built fits the place where it was built."""
    assert build(tensorrt, repository) == verify_plans("tiny", repository, SITE)


@pytest.mark.parametrize(("change", "reason"), CHANGES.items())
def test_a_change_is_found(
    change: Callable[[Path], None], reason: str, tensorrt: FakeTensorRT, repository: Path
) -> None:
    """A plan that is not the one that was checked, or not of its graph, is named with the reason."""
    build(tensorrt, repository)
    change(repository)

    with pytest.raises(PlanMismatch) as caught:
        verify_plans("tiny", repository, SITE)

    assert f"tiny_encoder's plan: {reason}" == str(caught.value)


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        (
            replace(SITE, gpu=Gpu("NVIDIA L40S", "8.9")),
            "it was built on NVIDIA L4 (8.9), and this is NVIDIA L40S (8.9)",
        ),
        (replace(SITE, gpu=Gpu("NVIDIA L4", "9.9")), "it was built on NVIDIA L4 (8.9), and this is NVIDIA L4 (9.9)"),
        (replace(SITE, tensorrt="10.4.0.26"), "it was built by TensorRT 10.13.3.9, and this is 10.4.0.26"),
    ],
)
def test_another_place_is_found(site: object, reason: str, tensorrt: FakeTensorRT, repository: Path) -> None:
    """A plan serves only the GPU model and the TensorRT that it was built with."""
    build(tensorrt, repository)

    with pytest.raises(PlanMismatch) as caught:
        verify_plans("tiny", repository, site)  # type: ignore[arg-type]

    assert ". ".join(f"{name}'s plan: {reason}" for name in MODELS) == str(caught.value)


# Models that are not complete


@pytest.mark.parametrize(
    "missing",
    [
        "tiny_encoder/maskgate.json",
        "tiny_encoder/golden.npz",
        "tiny_encoder/profile.json",
        "tiny_decoder/1/model.onnx",
    ],
)
def test_a_model_that_is_not_complete_is_refused(missing: str, tensorrt: FakeTensorRT, repository: Path) -> None:
    """What `maskforge build` should have written is named."""
    (repository / missing).unlink()

    with pytest.raises(IncompleteModel, match="`maskforge build`"):
        build(tensorrt, repository)


def test_a_model_that_is_not_there_is_refused(tensorrt: FakeTensorRT, tmp_path: Path) -> None:
    """A misspelt name is an error of ours, whether building or verifying."""
    for attempt in (lambda: build(tensorrt, tmp_path), lambda: verify_plans("tiny", tmp_path, SITE)):
        with pytest.raises(ForgeError, match="tiny_encoder"):
            attempt()


def test_all_parts_are_known() -> None:
    """The suffixes of the folders are those of the configurations' generator."""
    assert [f"tiny_{part}" for part in PARTS] == MODELS
