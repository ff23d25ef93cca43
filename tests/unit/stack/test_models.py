from __future__ import annotations

from dataclasses import dataclass, field

import grpc
import pytest

from maskgate.stack.models import RELOADS, ModelWatch


@dataclass
class FakeLoading:
    ended: bool = False
    error: Exception | None = None

    def done(self) -> bool:
        return self.ended

    def exception(self) -> Exception | None:
        return self.error


@dataclass
class FakeServer:
    """A server and its processes: a model has the process that `running` says."""

    running: dict[int, str]
    failed: dict[str, str] = field(default_factory=dict)
    reloads: list[tuple[str, FakeLoading]] = field(default_factory=list)
    refusal: grpc.RpcError | None = None

    def failures(self) -> dict[str, str]:
        return self.failed

    def reload(self, model: str) -> FakeLoading:
        if self.refusal is not None:
            raise self.refusal
        self.reloads.append((model, FakeLoading()))
        return self.reloads[-1][1]

    def find(self) -> dict[int, str]:
        return dict(self.running)

    def is_running(self, process: int) -> bool:
        return process in self.running

    def lose(self, process: int) -> None:
        del self.running[process]

    def finish(self, process: int, *, error: Exception | None = None) -> None:
        """The last reload ends, well with a new process, or badly."""
        model, loading = self.reloads[-1]
        loading.ended, loading.error = True, error
        if error is None:
            self.running[process] = model


@pytest.fixture
def server() -> FakeServer:
    return FakeServer({1: "a_decoder", 2: "a_decoder", 3: "b_decoder"})


@pytest.fixture
def watch(server: FakeServer) -> ModelWatch:
    watch = ModelWatch(server, server)
    list(watch.take_stock())
    return watch


def test_what_is_not_served_is_told(server: FakeServer) -> None:
    """A server that has just started tells of each model that it could not load."""
    server.failed = {"c_decoder": "no such graph"}

    assert ["c_decoder is not served: no such graph"] == list(ModelWatch(server, server).take_stock())


def test_healthy_models_are_left_alone(server: FakeServer, watch: ModelWatch) -> None:
    """While every process runs there is nothing to do and nothing to tell."""
    assert ([], []) == (list(watch.mend()), server.reloads)


def test_a_crashed_model_is_loaded_anew(server: FakeServer, watch: ModelWatch) -> None:
    """A model that has lost a process is loaded again, once, and nobody waits for it."""
    server.lose(1)
    begun, meanwhile = list(watch.mend()), list(watch.mend())
    server.finish(4)
    ended, afterwards = list(watch.mend()), list(watch.mend())

    assert ["a_decoder"] == [model for model, _ in server.reloads]
    assert ["a_decoder crashed; loading it anew"] == begun
    assert ["a_decoder is served again"] == ended
    assert [] == meanwhile == afterwards


def test_the_processes_that_a_reload_ends_do_not_count(server: FakeServer, watch: ModelWatch) -> None:
    """Unloading ends the model's other processes; that is no crash."""
    server.lose(1)
    list(watch.mend())
    server.lose(2)

    assert [] == list(watch.mend())


def test_a_model_loaded_anew_is_watched_again(server: FakeServer, watch: ModelWatch) -> None:
    """The process that came last is missed as well when it ends."""
    server.lose(3)
    list(watch.mend())
    server.finish(4)
    list(watch.mend())
    server.lose(4)

    assert ["b_decoder crashed; loading it anew"] == list(watch.mend())


def test_a_model_that_cannot_be_loaded_anew_is_told(server: FakeServer, watch: ModelWatch) -> None:
    """Its reason is one line, without the traceback's frames, and nothing is tried again."""
    server.lose(3)
    list(watch.mend())
    server.finish(4, error=OSError("cut\nshort\n\nAt:\n  model.py(1)"))

    assert ["b_decoder could not be loaded anew: cut short"] == list(watch.mend())
    assert [] == list(watch.mend())


def test_a_server_that_refuses_is_told(server: FakeServer, watch: ModelWatch) -> None:
    """A server that cannot be reached does not end the supervision of the others."""
    server.refusal = grpc.RpcError("gone")
    server.lose(3)

    assert ["b_decoder crashed, and cannot be loaded anew: gone"] == list(watch.mend())


def test_a_model_that_keeps_crashing_is_left_alone(server: FakeServer, watch: ModelWatch) -> None:
    """After the last reload within the policy's window the model is given up; the others are not."""
    told: list[str] = []
    for process in range(3, 3 + RELOADS.limit):
        server.lose(process)
        told += watch.mend()
        server.finish(process + 1)
        told += watch.mend()
    server.lose(3 + RELOADS.limit)
    told += watch.mend()

    assert RELOADS.limit == len(server.reloads)
    assert "b_decoder keeps crashing, and is left alone until Triton is started again" == told[-1]
    server.lose(1)
    assert ["a_decoder crashed; loading it anew"] == list(watch.mend())


def test_another_server_is_another_start(server: FakeServer, watch: ModelWatch) -> None:
    """What was known of a server that is gone does not bother the one in its place."""
    server.lose(1)
    list(watch.mend())
    server.running = {7: "a_decoder"}
    list(watch.take_stock())

    assert [] == list(watch.mend())
