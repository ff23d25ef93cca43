"""Keeps Triton's models going: says which could not be loaded, and loads those anew whose process has ended.

Since 24.06 Triton leaves a model of its Python backend alone when the model's process, a stub, ends: it still calls the
model ready, and refuses every call after a second. Unloading and loading it mends that, while others are served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import grpc

from maskgate.stack.model_control import in_one_line
from maskgate.stack.restarts import CrashHistory, RestartPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maskgate.stack.model_control import Loading

RELOADS = RestartPolicy()


class Control(Protocol):
    """What is asked of the server; see `model_control.ModelControl`."""

    def failures(self) -> Mapping[str, str]:
        """Why each model that is not served could not be loaded."""

    def reload(self, model: str) -> Loading:
        """Unloads a model and begins to load it."""


class Processes(Protocol):
    """What is asked of the process table; see `stubs.Stubs`."""

    def find(self) -> dict[int, str]:
        """The model of each running stub, by process id."""

    def is_running(self, process: int) -> bool:
        """Whether a stub found before still runs."""


class ModelWatch:
    """The models of one Triton. Its methods yield what there is to tell a person, a line each."""

    def __init__(self, control: Control, stubs: Processes) -> None:
        """Nothing is asked of either before the server is ready."""
        self._control = control
        self._stubs = stubs
        self._running: dict[int, str] = {}
        self._loading: dict[str, Loading] = {}
        self._crashes: dict[str, CrashHistory] = {}

    def take_stock(self) -> Iterator[str]:
        """Looks at a server that has just become ready; what was known of the one before is forgotten."""
        self._running, self._loading = self._stubs.find(), {}
        for model, reason in self._control.failures().items():
            yield f"{model} is not served: {reason}"

    def mend(self) -> Iterator[str]:
        """Looks after the models, and returns without waiting for what takes its time."""
        for model in self._crashed():
            yield self._reload(model)
        for model in [model for model, loading in self._loading.items() if loading.done()]:
            yield self._conclude(model, self._loading.pop(model))

    def _crashed(self) -> set[str]:
        return {model for process, model in self._running.items() if not self._stubs.is_running(process)}

    def _reload(self, model: str) -> str:
        self._running = {process: of for process, of in self._running.items() if of != model}
        if self._crashes.setdefault(model, CrashHistory(RELOADS)).record() is None:
            return f"{model} keeps crashing, and is left alone until Triton is started again"
        try:
            self._loading[model] = self._control.reload(model)
        except grpc.RpcError as error:
            return f"{model} crashed, and cannot be loaded anew: {_said(error)}"
        return f"{model} crashed; loading it anew"

    def _conclude(self, model: str, loading: Loading) -> str:
        error = loading.exception()
        if error is not None:
            return f"{model} could not be loaded anew: {_said(error)}"
        self._running |= {process: of for process, of in self._stubs.find().items() if of == model}
        return f"{model} is served again"


def _said(error: Exception) -> str:
    return in_one_line(error.details() or "" if isinstance(error, grpc.Call) else str(error))
