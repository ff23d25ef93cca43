"""A tiny model in a repository, and TensorRTs that build copies and compute what they are told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from maskforge.engines.devices import Gpu
from maskforge.engines.folders import Site
from maskforge.engines.golden import Golden, write_golden
from maskforge.engines.profiles import write_profile
from maskforge.export.triton_config import triton_models
from maskforge.sam.config import SamConfig

if TYPE_CHECKING:
    from maskforge.engines.ports import Answers, Arrays, PlanJob

TINY: Final = SamConfig(image_size=16, stride=8, embed_dim=3)
PROMPTS: Final = 2
L4: Final = Gpu("NVIDIA L4", "8.9")
SITE: Final = Site(L4, "10.13.3.9")


def golden(seed: int = 0) -> Golden:
    """Made-up masks: what matters is that they are given again."""
    rng = np.random.default_rng(seed)
    side, tokens = TINY.mask_size, TINY.mask_tokens
    return Golden(
        image=rng.integers(0, 255, (1, 3, 16, 16), dtype=np.uint8),
        valid_hw=np.array([[16, 12]], dtype=np.int32),
        image_embeddings=rng.normal(size=(1, 3, 2, 2)).astype(np.float16),
        point_coords=rng.uniform(0, 16, (PROMPTS, 8, 2)).astype(np.float32),
        point_labels=np.ones((PROMPTS, 8), dtype=np.float32),
        mask_input=np.zeros((PROMPTS, side, side), dtype=np.float16),
        has_mask_input=np.array([0, 1], dtype=np.float32),
        masks=rng.random((PROMPTS, tokens, side, side)) > 0.5,
    )


def write_model(repository: Path) -> None:
    """Write the folders of `tiny` as `maskforge build` does, with graphs that only say whose they are."""
    encoder, decoder, multi = triton_models("tiny", TINY, {})
    for model in (encoder, decoder, multi):
        (repository / model.name / "1").mkdir(parents=True)
        write_profile(repository / model.name, model)
    (repository / encoder.name / "1" / "model.onnx").write_text("encoder", encoding="utf-8")
    (repository / decoder.name / "1" / "model.onnx").write_text("decoder", encoding="utf-8")
    (repository / multi.name / "1" / "model.onnx").symlink_to(Path("..", "..", decoder.name, "1", "model.onnx"))
    (repository / encoder.name / "maskgate.json").write_text(json.dumps({"precision": "bf16"}), encoding="utf-8")
    write_golden(repository / encoder.name, golden())


def compute(inputs: Arrays, reference: Golden) -> dict[str, Any]:
    """What a model of no error gives for the golden inputs; another embedding gives the opposite masks."""
    if "image" in inputs:
        return {"image_embeddings": reference.image_embeddings.astype(np.float32)}
    logits = np.where(reference.masks, np.float32(1), np.float32(-1))
    if not np.array_equal(inputs["image_embeddings"][:1], reference.image_embeddings):
        logits = -logits
    rows = inputs["select"].shape
    side = logits.shape[2:]
    return {"low_res_masks": logits.reshape(*rows, -1, *side), "best_mask": logits[:, 0].reshape(*rows, *side)}


class FakeTensorRT:
    """A plan is a copy of its graph; `defects` changes the outputs of the plans of some graphs."""

    def __init__(self) -> None:
        self.jobs: list[PlanJob] = []
        self.measurements: list[str] = []
        self.defects: dict[str, float] = {}

    def version(self) -> str:
        return SITE.tensorrt

    def build(self, job: PlanJob) -> None:
        self.jobs.append(job)
        known = job.timing_cache.read_text(encoding="utf-8") if job.timing_cache.exists() else ""
        self.measurements.append(known)
        job.timing_cache.write_text(known + "+", encoding="utf-8")
        job.plan.write_bytes(job.onnx.read_bytes())
        job.layers.write_text("{}", encoding="utf-8")

    def run(self, plan: Path, inputs: Arrays) -> Answers:
        factor = self.defects.get(plan.read_text(encoding="utf-8"), 1.0)
        return {name: values * np.float32(factor) for name, values in compute(inputs, golden()).items()}


def install(folder: Path, name: str, script: Path) -> Path:
    """Put a Python script on a PATH of its own, as a program."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program
