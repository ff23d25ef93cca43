"""Makes a model repository whose decoder, behind the queues of the real one, answers only when it is let."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

COMMITTED = Path("model_repository")
PARTS = ("encoder", "decoder", "decoder_multi")
MODEL = """
import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as backend


class TritonPythonModel:
    def initialize(self, args):
        self._gate, self._log = Path({gate!r}), Path({log!r})

    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        x = backend.get_input_tensor_by_name(request, "point_coords").as_numpy().flat[0]
        with self._log.open("a") as log:
            print(int(x), file=log)
        while not self._gate.exists():
            time.sleep(0.001)
        answers = {{
            "best_mask": np.zeros((1, 1, 256, 256), np.float16),
            "best_iou": np.ones((1, 1), np.float32),
        }}
        wanted = request.requested_output_names()
        return backend.InferenceResponse([backend.Tensor(name, answers[name]) for name in wanted])
"""


@dataclass(frozen=True)
class HeldDecoder:
    """A decoder, one prompt at a time.

    Attributes:
        gate: While this file is there it answers.
        log: The x of each prompt that it has begun, one a line.
    """

    gate: Path
    log: Path

    @property
    def begun(self) -> list[int]:
        return list(map(int, self.log.read_text().split()))

    def hold(self) -> None:
        """Answer no more, and forget what has been."""
        self.gate.unlink(missing_ok=True)
        self.log.write_text("")

    def release(self) -> None:
        self.gate.touch()


def write_repository(folder: Path) -> HeldDecoder:
    """Write the three Triton models of `held`, with the tensors and queues of lite0's."""
    decoder = HeldDecoder(folder / "gate", folder / "log")
    decoder.log.touch()
    for part in PARTS:
        model = folder / "models" / f"held_{part}"
        (model / "1").mkdir(parents=True)
        config = (COMMITTED / f"lite0_{part}" / "config.pbtxt").read_text()
        (model / "config.pbtxt").write_text(_without_tensorrt(config).replace(f"lite0_{part}", f"held_{part}"))
        (model / "1" / "model.py").write_text(MODEL.format(gate=str(decoder.gate), log=str(decoder.log)))
    return decoder


def _without_tensorrt(config: str) -> str:
    """Keep tensors, queues and parameters; one request at a time, so that their order is seen."""
    config = config.replace('platform: "tensorrt_plan"\nbackend: "tensorrt"', 'backend: "python"')
    config = re.sub(r"instance_group .*", "instance_group [ { kind: KIND_CPU count: 1 } ]", config)
    config = re.sub(r"max_batch_size: \d+", "max_batch_size: 1", config)
    config = re.sub(r" *preferred_batch_size: .*\n|optimization .*\n", "", config)
    return re.sub(r"model_warmup \[\n.*?\n\]\n", "", config, flags=re.DOTALL)
