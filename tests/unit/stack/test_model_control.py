from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from maskgate.stack.model_control import LONGEST_REASON, ModelControl, in_one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

MODELS = ("a_encoder", "a_decoder")


class TritonLike(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Has models in the states that the test says, and notes what it is told to do."""

    def __init__(self, **states: str) -> None:
        self.states = states
        self.told: list[tuple[str, str]] = []

    def RepositoryIndex(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401 - Triton's
        del request, context
        index: Any = service_pb2.RepositoryIndexResponse()
        for name, state in self.states.items():
            index.models.add(name=name, state=state, reason="" if state == "READY" else f"because of\n{name}")
        response: Message = index
        return response

    def RepositoryModelUnload(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401
        del context
        self.told.append(("unload", request.model_name))
        response: Message = service_pb2.RepositoryModelUnloadResponse()
        return response

    def RepositoryModelLoad(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401
        self.told.append(("load", request.model_name))
        if request.model_name == "a_decoder":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "load failed")
        response: Message = service_pb2.RepositoryModelLoadResponse()
        return response


@contextmanager
def control_of(triton: TritonLike) -> Iterator[ModelControl]:
    server = grpc.server(ThreadPoolExecutor(2))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield ModelControl(f"127.0.0.1:{port}", MODELS)
    finally:
        server.stop(grace=None).wait(5)


def test_failures_are_those_of_the_wanted_models() -> None:
    """A model that is not served has a reason, in one line; one that nobody wants is nobody's business."""
    with control_of(TritonLike(a_encoder="READY", a_decoder="UNAVAILABLE", other="UNAVAILABLE")) as control:
        assert {"a_decoder": "because of a_decoder"} == control.failures()
        assert control.has_settled()


def test_a_server_that_still_loads_has_not_settled() -> None:
    """Until each wanted model is loaded or has failed, the server is starting."""
    with control_of(TritonLike(a_encoder="READY", a_decoder="LOADING")) as loading:
        assert not loading.has_settled()
    with control_of(TritonLike(a_encoder="READY")) as unknown:
        assert not unknown.has_settled()


def test_nobody_there() -> None:
    """A server that cannot be reached has not settled, and has no failures."""
    control = ModelControl("127.0.0.1:1", MODELS)

    assert (False, {}) == (control.has_settled(), control.failures())


def test_reloading_unloads_first() -> None:
    """A model is unloaded, then loaded; whether that goes well is known when it is done."""
    triton = TritonLike()
    with control_of(triton) as control:
        errors = [control.reload(model).exception() for model in MODELS]

    assert [(verb, model) for model in MODELS for verb in ("unload", "load")] == triton.told
    assert errors[0] is None
    assert isinstance(errors[1], grpc.Call)
    assert "load failed" == errors[1].details()


def test_reasons_are_short() -> None:
    """What a backend says is one line of bounded length, without Python's frames."""
    assert "RuntimeError: no graph" == in_one_line("RuntimeError:\n no graph\n\n\n\nAt:\n  model.py(1): load\n")
    assert LONGEST_REASON + 1 == len(in_one_line("x" * 1000))
