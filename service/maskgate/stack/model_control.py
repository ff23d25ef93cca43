"""Triton's view of its models, and the means to load one anew (KServe's extension "model repository")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_SECONDS = 2.0
UNLOAD_SECONDS = 10.0
LOAD_SECONDS = 600.0
SETTLED = ("READY", "UNAVAILABLE")
LONGEST_REASON = 300
_CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),  # an environment's http_proxy must not get in the way of the loopback
    ("grpc.max_reconnect_backoff_ms", 500),  # a server that is started again is asked at once
)


class Loading(Protocol):
    """A model that is being loaded."""

    def done(self) -> bool:
        """Whether that has come to an end."""

    def exception(self) -> Exception | None:
        """Why it has failed, if it has."""


class ModelControl:
    """Asks the server at one address about the models that it is to serve, be it started again meanwhile."""

    def __init__(self, address: str, models: Sequence[str]) -> None:
        """Connects with the first call."""
        self._models = models
        channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

    def has_settled(self) -> bool:
        """Whether it is there, and through with loading each of the models, well or badly."""
        states = self._states()
        return all(model in states and states[model].state in SETTLED for model in self._models)

    def failures(self) -> dict[str, str]:
        """Why each model that could not be loaded could not; empty if the server is not there."""
        states = self._states()
        failed = {model: states[model] for model in self._models if model in states and states[model].state != "READY"}
        return {model: in_one_line(it.reason) for model, it in failed.items()}

    def reload(self, model: str) -> Loading:
        """Unloads a model and begins to load it. Loading alone does nothing: to Triton the model is loaded.

        Raises:
            grpc.RpcError: The model could not be unloaded.
        """
        self._stub.RepositoryModelUnload(
            service_pb2.RepositoryModelUnloadRequest(model_name=model), timeout=UNLOAD_SECONDS
        )
        request = service_pb2.RepositoryModelLoadRequest(model_name=model)
        loading: Loading = self._stub.RepositoryModelLoad.future(request, timeout=LOAD_SECONDS)
        return loading

    def _states(self) -> dict[str, Any]:
        try:
            index = self._stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(), timeout=ANSWER_SECONDS)
        except grpc.RpcError:
            return {}
        return {entry.name: entry for entry in index.models}


def in_one_line(reason: str) -> str:
    """Takes a Python traceback's frames and the line breaks out of what a model's backend has said."""
    said, _, _ = reason.partition("\n\nAt:")
    line = " ".join(said.split())
    return line if len(line) <= LONGEST_REASON else line[:LONGEST_REASON] + "…"
