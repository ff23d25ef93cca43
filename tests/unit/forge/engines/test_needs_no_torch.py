from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "onnx", "onnxruntime", "onnxscript", "openvino", "cv2", "PIL", "maskgate", "tensorrt_rtx_bindings"}


@pytest.mark.parametrize("module", ["maskforge.engines.plans", "maskforge.engines.trtexec", "maskforge.cli.plan"])
def test_plans_are_built_without_what_models_are_made_with(module: str) -> None:
    """The image that serves has Python and numpy, but neither torch nor onnx."""
    script = f"import sys, {module}\nprint(sorted({HEAVY!r} & set(sys.modules)))"

    finished = subprocess.run([sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True)

    assert "[]\n" == finished.stdout
