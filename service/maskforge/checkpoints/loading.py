"""Makes a model of a checkpoint, strictly: every name and every shape must be the model's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.overrides import TorchFunctionMode

from maskforge.checkpoints.reading import Checkpoint, read_checkpoint
from maskforge.errors import MismatchedCheckpoint
from maskforge.sam.variants import build_sam

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from maskforge.sam.model import Sam

_SHOWN = 3


def load_sam(path: Path) -> Sam:
    """Build SAM with the weights of a checkpoint, in fp32 and for inference.

    Raises:
        InvalidCheckpoint: The file cannot be read as weights of SAM.
        MismatchedCheckpoint: Some are missing, unexpected or of another shape.
    """
    return build_from(read_checkpoint(path))


def build_from(checkpoint: Checkpoint) -> Sam:
    """Build SAM with the weights of a checkpoint that has been read; raises as `load_sam`."""
    with _Unwritten():
        model = build_sam(checkpoint.vit)
    _check(model.state_dict(), checkpoint)
    model.load_state_dict(dict(checkpoint.tensors), strict=True)
    return model.eval()


class _Unwritten(TorchFunctionMode):
    """New layers keep what lies in memory, for the file holds every weight: drawing ViT-H's at random takes 8 s."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        given = dict(kwargs or {})
        if getattr(func, "__module__", None) == "torch.nn.init":
            return given["tensor"] if "tensor" in given else args[0]
        return func(*args, **given)


def _check(expected: Mapping[str, Tensor], checkpoint: Checkpoint) -> None:
    stored = checkpoint.tensors
    missing = tuple(name for name in expected if name not in stored)
    unexpected = tuple(name for name in stored if name not in expected)
    differing = tuple(name for name in expected if name in stored and not _fits(expected[name], stored[name]))
    if missing or unexpected or differing:
        shapes = [f"{name} {_told(stored[name])} instead of {_told(expected[name])}" for name in differing]
        parts = {"missing": missing, "unexpected": unexpected, "differing": shapes}
        told = "; ".join(f"{kind}: {_first(names)}" for kind, names in parts.items() if names)
        message = f"{checkpoint.files[0]} does not hold the weights of SAM: {told}"
        raise MismatchedCheckpoint(message, missing=missing, unexpected=unexpected, differing=differing)


def _fits(expected: Tensor, stored: Tensor) -> bool:
    """Integers have the right shape too, in a quantised file, and would be taken for weights."""
    return expected.shape == stored.shape and stored.is_floating_point()


def _told(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"


def _first(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
