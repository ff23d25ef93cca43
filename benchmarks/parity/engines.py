"""What an engine is asked and what it answers; ours in torch, and the graphs in ONNX Runtime."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidGraph
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from benchmarks.parity.trials import Trial
from maskforge.sam.model import Prompts, Sam

Floats = npt.NDArray[np.float32]
Arrays = dict[str, npt.NDArray[Any]]

UNROUNDED: Final = "unrounded.onnx"
HALF, SINGLE = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT


class NotSupported(Exception):
    """An engine says that it cannot run a graph; its message is the engine's own."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Masks for N prompts.

    Attributes:
        logits: float32 [N,T,M,M], of every token.
        iou: float32 [N,T], predicted.
        mask: bool [N,M,M], the mask that was selected.
    """

    logits: Floats
    iou: Floats
    mask: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """All that is known of one trial.

    Attributes:
        embedding: float32 [1,C,E,E], the engine's.
        given: Masks decoded from the reference's embedding, rounded to fp16 as it is served.
        through: Masks decoded from the engine's own embedding.
    """

    embedding: Floats
    given: Answer
    through: Answer


class Engine(Protocol):
    """Runs one model."""

    def encode(self, trial: Trial) -> Floats:
        """Embed the trial's image: float32 [1,C,E,E]."""

    def decode(self, embedding: Floats, trial: Trial) -> Answer:
        """Decode the trial's prompts on an embedding float32 [1,C,E,E]."""


def ask(engine: Engine, trial: Trial, embedding: Floats | None) -> Outcome:
    """Put a trial to an engine; without a reference's embedding it is itself the reference."""
    own = engine.encode(trial)
    served = (own if embedding is None else embedding).astype(np.float16).astype(np.float32)
    return Outcome(own, engine.decode(served, trial), engine.decode(own, trial))


def answer_of(logits: Floats, iou: Floats, trial: Trial) -> Answer:
    """Select each prompt's mask from logits [N,T,M,M], as the graph does."""
    chosen = np.where(trial.select > 0, iou[:, 1:].argmax(-1) + 1, 0)
    return Answer(logits, iou, logits[np.arange(len(chosen)), chosen] > 0)


class TorchEngine:
    """Our modules, in the precision that they have."""

    def __init__(self, model: Sam) -> None:
        """Run `model` in evaluation mode."""
        self._model = model.eval()

    @torch.inference_mode()
    def encode(self, trial: Trial) -> Floats:
        """See `Engine`."""
        card = trial.card
        return self._model.encode(torch.from_numpy(card.image), torch.from_numpy(card.valid_hw)).float().numpy()

    @torch.inference_mode()
    def decode(self, embedding: Floats, trial: Trial) -> Answer:
        """See `Engine`."""
        prompts = Prompts(*(torch.from_numpy(array).unsqueeze(0) for array in trial.card[2:]))
        logits, iou = self._model.decode(torch.from_numpy(embedding), prompts)
        return answer_of(logits[0].float().numpy(), iou[0].numpy(), trial)


class OnnxRuntimeEngine:
    """The graphs in ONNX Runtime, without the rounding to fp16 at their borders."""

    def __init__(self, encoder: onnxruntime.InferenceSession, decoder: onnxruntime.InferenceSession) -> None:
        """Run two sessions."""
        self._encoder = encoder
        self._decoder = decoder

    def encode(self, trial: Trial) -> Floats:
        """See `Engine`."""
        inputs: Arrays = {"image": trial.card.image, "valid_hw": trial.card.valid_hw}
        return _run(self._encoder, inputs)["image_embeddings"].astype(np.float32)

    def decode(self, embedding: Floats, trial: Trial) -> Answer:
        """See `Engine`."""
        prompts = {name: array[None] for name, array in trial.prompts().items()}
        inputs: Arrays = {"image_embeddings": embedding, **prompts}
        answer = {name: array[0] for name, array in _run(self._decoder, inputs).items()}
        return Answer(answer["low_res_masks"].astype(np.float32), answer["iou_predictions"], answer["best_mask"] > 0)


@contextmanager
def onnx_runtime(repository: Path, name: str) -> Iterator[OnnxRuntimeEngine]:
    """Load a model's graphs.

    Raises:
        NotSupported: ONNX Runtime does not take a node's types, or has no kernel for them on this CPU.
    """
    yield OnnxRuntimeEngine(*(_session(repository / f"{name}_{part}" / "1") for part in ("encoder", "decoder")))


def _session(folder: Path) -> onnxruntime.InferenceSession:
    path = folder / UNROUNDED
    onnx.save(without_rounding(onnx.load(folder / "model.onnx", load_external_data=False)), path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except (InvalidGraph, NoKernel) as error:
        _, _, told = str(error).rpartition("failed:")  # before it: the path
        raise NotSupported(told.strip()) from error
    finally:
        path.unlink()


def without_rounding(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give fp32 where the graph computes it and casts it to fp16 at its border, which is coarser than the bound."""
    makers = {name: node for node in model.graph.node for name in node.output}
    for output in model.graph.output:
        maker = makers[output.name]
        if _dtype(output) == HALF and maker.op_type == "Cast":
            maker.attribute[0].i = SINGLE
            output.type.tensor_type.elem_type = SINGLE
    for tensor in model.graph.input:
        users = {node.op_type for node in model.graph.node if tensor.name in node.input}
        if _dtype(tensor) == HALF and users == {"Cast"}:
            tensor.type.tensor_type.elem_type = SINGLE
    return model


def _dtype(tensor: onnx.ValueInfoProto) -> int:
    return int(tensor.type.tensor_type.elem_type)


def _run(session: onnxruntime.InferenceSession, inputs: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """Run a session; floats are given in the type that it takes."""
    halves = {tensor.name for tensor in session.get_inputs() if tensor.type == "tensor(float16)"}
    typed = {
        name: array.astype(np.float16 if name in halves else np.float32) if array.dtype.kind == "f" else array
        for name, array in inputs.items()
    }
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, typed), strict=True))
