from __future__ import annotations

import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tritonclient import grpc as triton

from maskgate.stack import ComponentFailed, EmbeddedStack, StackConfig, reaper
from tests.integration.stack.holding import held_stack, wait_until
from tests.integration.stack.tiny_models import write_repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


def config_for(repository: Path) -> StackConfig:
    return StackConfig(
        models=("tiny",),
        model_repository=repository,
        gateway=False,
        redis_url="redis://unused",
        triton_grpc_port=0,
        triton_metrics_port=0,
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("my models")  # Triton's Python backend alone would stumble over the space
    return write_repository(folder, model="tiny")


@pytest.fixture(scope="module")
def stack(repository: Path) -> Iterator[EmbeddedStack]:
    with EmbeddedStack(config_for(repository)) as stack:
        yield stack


@pytest.fixture
def client(stack: EmbeddedStack) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(str(stack.endpoints.triton_grpc)) as client:
        yield client


def values(*rows: list[float]) -> list[triton.InferInput]:
    array = np.array(rows, np.float16)
    tensor = triton.InferInput("values", list(array.shape), "FP16")
    tensor.set_data_from_numpy(array)
    return [tensor]


def counter(stack: EmbeddedStack, name: str) -> float:
    with urllib.request.urlopen(str(stack.endpoints.triton_metrics), timeout=10) as response:  # noqa: S310 - our own
        lines = response.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name) and 'tiny_decoder"' in line)


def test_onnx_is_served_in_the_place_of_tensorrt(client: triton.InferenceServerClient) -> None:
    """A model whose backend is `tensorrt` is answered by our backend, from its ONNX file."""
    answer = client.infer("tiny_encoder", values([1, 2], [3, 4]))

    assert [[2, 4], [6, 8]] == answer.as_numpy("doubled").tolist()
    assert [[3], [7]] == answer.as_numpy("total").tolist()


def test_only_requested_outputs_come_back(client: triton.InferenceServerClient) -> None:
    """What was not asked for is not sent."""
    answer = client.infer("tiny_encoder", values([1, 2]), outputs=[triton.InferRequestedOutput("total")])

    assert (None, [[3]]) == (answer.as_numpy("doubled"), answer.as_numpy("total").tolist())


def test_requests_are_batched(stack: EmbeddedStack, client: triton.InferenceServerClient) -> None:
    """Requests that arrive together share an execution, and each gets its own answer."""
    before = counter(stack, "nv_inference_count"), counter(stack, "nv_inference_exec_count")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: client.infer("tiny_decoder", values([n, n])), range(8)))

    inferences = counter(stack, "nv_inference_count") - before[0]
    executions = counter(stack, "nv_inference_exec_count") - before[1]
    assert [[[2 * n, 2 * n]] for n in range(8)] == [answer.as_numpy("doubled").tolist() for answer in answers]
    assert 8 == inferences
    assert executions < 4


def test_triton_can_be_stopped_and_started(stack: EmbeddedStack, client: triton.InferenceServerClient) -> None:
    """A test may take Triton away and give it back at the same address."""
    stack.stop("triton")
    with triton.InferenceServerClient(str(stack.endpoints.triton_grpc)) as other:
        ready_meanwhile = is_ready(other)
    stack.start("triton")

    assert (False, True) == (ready_meanwhile, is_ready(client))


def is_ready(client: triton.InferenceServerClient) -> bool:
    try:
        return bool(client.is_server_ready(client_timeout=20))
    except triton.InferenceServerException:
        return False


def test_a_broken_model_is_explained(tmp_path: Path) -> None:
    """A model that cannot be loaded ends the start with what Triton says about it; nothing is left."""
    repository = write_repository(tmp_path, model="tiny")
    (repository / "tiny_decoder" / "1" / "model.onnx").write_bytes(b"not a graph")
    before = set(reaper.SHARED_MEMORY.iterdir())

    with (
        pytest.raises(ComponentFailed, match="triton died while starting") as caught,
        EmbeddedStack(config_for(repository)),
    ):
        pass

    assert "load failed for model 'tiny_decoder'" in caught.value.log_tail
    assert before == set(reaper.SHARED_MEMORY.iterdir())


def test_a_killed_parent_leaves_no_stub_and_no_shared_memory(repository: Path) -> None:
    """After kill -9 of the parent Triton, its stubs and its regions in /dev/shm are gone."""
    with held_stack(str(repository)) as held:
        processes, files = held.processes(), held.files()
        held.holder.kill()

        assert wait_until(held.is_gone)

    assert 5 == len(processes)  # Valkey, Triton, a stub for each of its three models
    assert 4 == len(files)  # the run directory, a region for each of the stubs
