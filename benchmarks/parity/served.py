"""The graphs as they are served: OpenVINO in the real Triton, by the unchanged `config.pbtxt`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tritonclient import grpc as triton
from tritonclient.utils import np_to_triton_dtype

from benchmarks.parity.engines import Answer, Arrays, Floats
from benchmarks.parity.trials import Trial
from maskgate.stack import EmbeddedStack, StackConfig

CHANNEL: Final = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
]


class TritonEngine:
    """A model of a running Triton, asked as the gateway asks it: an encode, then one prompt a row."""

    def __init__(self, client: triton.InferenceServerClient, name: str) -> None:
        """Ask for `<name>_encoder` and `<name>_decoder`."""
        self._client = client
        self._name = name

    def encode(self, trial: Trial) -> Floats:
        """See `Engine`; the served embedding is fp16."""
        inputs: Arrays = {"image": trial.card.image, "valid_hw": trial.card.valid_hw}
        return self._infer("encoder", inputs, ["image_embeddings"])["image_embeddings"].astype(np.float32)

    def decode(self, embedding: Floats, trial: Trial) -> Answer:
        """See `Engine`; every row of the batch brings the embedding along."""
        prompts = {name: array[:, None] for name, array in trial.prompts().items()}
        embeddings = np.repeat(embedding.astype(np.float16), len(trial.select), axis=0)
        inputs: Arrays = {"image_embeddings": embeddings, **prompts}
        answer = self._infer("decoder", inputs, ["low_res_masks", "iou_predictions", "best_mask"])
        logits, iou, mask = (array[:, 0] for array in answer.values())
        return Answer(logits.astype(np.float32), iou, mask > 0)

    def _infer(self, part: str, inputs: Mapping[str, npt.NDArray[Any]], outputs: list[str]) -> Arrays:
        answer = self._client.infer(f"{self._name}_{part}", [_input(*item) for item in inputs.items()])
        return {name: answer.as_numpy(name) for name in outputs}


@contextmanager
def served(repository: Path, name: str) -> Iterator[TritonEngine]:
    """Start Triton with a model's three folders, and stop it again."""
    config = StackConfig(
        models=(name,), model_repository=repository, triton_grpc_port=0, triton_metrics_port=0, gateway=False
    )
    with (
        EmbeddedStack(config) as stack,
        triton.InferenceServerClient(stack.endpoints.triton_grpc, channel_args=CHANNEL) as client,
    ):
        yield TritonEngine(client, name)


def _input(name: str, array: npt.NDArray[Any]) -> triton.InferInput:
    tensor = triton.InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(np.ascontiguousarray(array))
    return tensor
