from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from maskforge.engines.folders import DECODER
from maskforge.engines.golden import decoder_inputs, encoder_inputs
from maskforge.engines.ports import PlanJob
from maskforge.engines.profiles import Shapes
from maskforge.engines.trtexec import (
    Limits,
    Trtexec,
    build_arguments,
    find_trtexec,
    read_outputs,
    run_arguments,
    version_in,
)
from maskforge.errors import ToolFailed
from tests.unit.forge.engines import fake_trtexec
from tests.unit.forge.engines.world import golden, install

PROFILE = {
    "image": Shapes((1, 3, 16, 16), (1, 3, 16, 16), (4, 3, 16, 16)),
    "valid_hw": Shapes((1, 2), (1, 2), (4, 2)),
}
JOB = PlanJob(Path("/models/model.onnx"), PROFILE, 3, Path("/scratch"))


@pytest.fixture(name="program")
def _program(tmp_path: Path) -> Path:
    return install(tmp_path / "bin", "trtexec", Path(str(fake_trtexec.__file__)))


@pytest.fixture(name="trtexec")
def _trtexec(program: Path) -> Trtexec:
    return Trtexec(program, Limits(seconds=60))


def test_the_arguments_of_a_build() -> None:
    """A build is strongly typed, for the profile's shapes, and does not run the plan."""
    assert [
        "--onnx=/models/model.onnx",
        "--saveEngine=/scratch/model.plan",
        "--stronglyTyped",
        "--skipInference",
        "--minShapes=image:1x3x16x16,valid_hw:1x2",
        "--optShapes=image:1x3x16x16,valid_hw:1x2",
        "--maxShapes=image:4x3x16x16,valid_hw:4x2",
        "--builderOptimizationLevel=3",
        "--timingCacheFile=/scratch/timing.cache",
        "--exportLayerInfo=/scratch/layers.json",
    ] == build_arguments(JOB, None)


def test_scratch_memory_can_be_limited() -> None:
    """A limit is given in MiB, with the unit."""
    assert "--memPoolSize=workspace:512M" == build_arguments(JOB, 512)[-1]


def test_precision_is_never_asked_for() -> None:
    """The graph says its precision; TensorRT 11 refuses the options that once said it."""
    arguments = {argument.partition("=")[0] for argument in build_arguments(JOB, 512)}

    assert not arguments & {"--fp16", "--bf16", "--int8", "--fp8", "--best", "--noTF32"}


def test_the_arguments_of_a_run() -> None:
    """A run is one inference on files in its own folder: their names hold nothing that the option's syntax uses."""
    inputs = {"image": np.zeros((1, 3, 16, 16)), "valid_hw": np.zeros((1, 2))}

    assert [
        "--loadEngine=/scratch/model.plan",
        "--shapes=image:1x3x16x16,valid_hw:1x2",
        "--loadInputs=image:image.bin,valid_hw:valid_hw.bin",
        "--exportOutput=outputs.json",
        "--iterations=1",
        "--warmUp=0",
        "--duration=0",
    ] == run_arguments(JOB.plan, inputs)


@pytest.mark.parametrize(
    ("banner", "expected"),
    [
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v100400] [b26] # trtexec --help", "10.4.0.26"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v101303] [b9] # trtexec --help", "10.13.3.9"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v110100] [b106] # trtexec --help", "11.1.0.106"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v100001] # trtexec --help", "10.0.1"),
    ],
)
def test_the_version_is_read_from_the_banner(banner: str, expected: str) -> None:
    """The number in the first line is split into its parts; the build is missing in old ones."""
    assert expected == version_in(f"{banner}\n=== Model Options ===\n")


@pytest.mark.parametrize(
    ("output", "message"),
    [("usage: …", "does not say"), ("[TensorRT v8601]", "TensorRT 10 is the oldest"), ("", "does not say")],
)
def test_a_program_that_is_no_usable_trtexec_is_refused(output: str, message: str) -> None:
    """Neither an unknown program nor TensorRT 8 builds our graphs."""
    with pytest.raises(ToolFailed, match=message):
        version_in(output)


def test_outputs_are_read_in_their_shapes() -> None:
    """The exported file's shapes and numbers become float32 arrays; TensorRT has written shapes in two ways."""
    text = """[
  { "name" : "best_iou"
  , "dimensions" : "1x2"
  , "values" : [ 0.25, -1.5e-05 ]
  }
, { "name" : "iou_predictions"
  , "dimensions" : "(2, 1)"
  , "values" : [ 1, 2 ]
  }
]
"""

    outputs = read_outputs(text)

    assert {"best_iou": [[0.25, np.float32(-1.5e-05)]], "iou_predictions": [[1], [2]]} == {
        name: values.tolist() for name, values in outputs.items()
    }
    assert {np.dtype(np.float32)} == {values.dtype for values in outputs.values()}


def test_numbers_that_json_does_not_know_are_read() -> None:
    """An overflow reaches the golden check as what it is, not as a file that cannot be read."""
    outputs = read_outputs('[ { "name" : "x", "dimensions" : "4", "values" : [ nan, -nan, inf, -inf ] } ]')

    assert [True, True, False, False] == np.isnan(outputs["x"]).tolist()
    assert [np.inf, -np.inf] == outputs["x"][2:].tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "wrote no outputs"),
        ('[ { "name" : "x", "dimensions" : "3", "values" : [ 1, 2 ] } ]', "output x cannot be read"),
        ('[ { "name" : "x", "dimensions" : "2", "values" : [ 1, two ] } ]', "output x cannot be read"),
    ],
)
def test_outputs_that_make_no_sense_are_refused(text: str, message: str) -> None:
    """An exported file that is empty, or whose values do not fill its shape, is an error with the output's name."""
    with pytest.raises(ToolFailed, match=message):
        read_outputs(text)


def test_the_program_says_its_version(trtexec: Trtexec) -> None:
    """The version is asked of the very program that builds."""
    assert "10.13.3.9" == trtexec.version()


def test_a_plan_is_built_and_run_by_the_program(trtexec: Trtexec, tmp_path: Path) -> None:
    """The program is given only options that it knows, and its outputs come back in full."""
    (tmp_path / "model.onnx").write_text(DECODER, encoding="utf-8")
    job = PlanJob(tmp_path / "model.onnx", PROFILE, 3, tmp_path)

    trtexec.build(job)
    outputs = trtexec.run(job.plan, decoder_inputs(golden()))

    assert job.layers.exists()
    assert golden().masks.tolist() == (outputs["low_res_masks"][:, 0] > 0).tolist()
    assert golden().masks[:, 0].tolist() == (outputs["best_mask"][:, 0] > 0).tolist()


def test_an_encoder_is_run_on_its_own_dtypes(trtexec: Trtexec, tmp_path: Path) -> None:
    """Inputs reach the program as raw bytes of the graph's dtypes: uint8 and int32 too."""
    (tmp_path / "plan").write_text("encoder", encoding="utf-8")

    outputs = trtexec.run(tmp_path / "plan", encoder_inputs(golden()))

    assert outputs["image_embeddings"] == pytest.approx(golden().image_embeddings.astype(np.float32), rel=1e-5)


def test_a_refused_graph_says_why(trtexec: Trtexec, tmp_path: Path) -> None:
    """The parser's own words are in the error."""
    (tmp_path / "model.onnx").write_text("refused", encoding="utf-8")

    with pytest.raises(ToolFailed, match=r"status 1: .*Error\[4\]: orig_im_size is a shape tensor$"):
        trtexec.build(PlanJob(tmp_path / "model.onnx", PROFILE, 3, tmp_path))


def test_a_build_takes_no_longer_than_allowed(tmp_path: Path) -> None:
    """A builder that hangs is stopped."""
    script = tmp_path / "hang.py"
    script.write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    trtexec = Trtexec(install(tmp_path / "bin", "trtexec", script), Limits(seconds=0.5))

    with pytest.raises(ToolFailed, match=r"had not finished after 0\.5 s"):
        trtexec.build(JOB)


def test_the_program_that_was_named_is_taken(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named program comes before the one on PATH, which is found by its name."""
    monkeypatch.setenv("PATH", str(program.parent))

    assert Path("/other/trtexec") == find_trtexec(Path("/other/trtexec"))
    assert program == find_trtexec(None)
