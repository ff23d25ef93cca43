"""One model is at fault; the real stack serves the others, and says what is wrong in an error that fits."""

from __future__ import annotations

import os
import re
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from maskgate.client import MaskgateError
from maskgate.domain.prompt import Point, Prompt
from maskgate.stack import EmbeddedStack, StackConfig
from maskgate.stack.stubs import Stubs
from tests.e2e import photos
from tests.e2e.own_models import COMMITTED, PARTS, link_lite0

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import httpx

    from maskgate.client import Client, Image, Result

PROMPT = Prompt((Point(160, 180),))
BODY = {"points": [{"x": 160, "y": 180}]}
UNAVAILABLE = ("UNAVAILABLE", "BACKEND_UNAVAILABLE")
RAISES = """
class TritonPythonModel:
    def execute(self, requests):
        raise ValueError("the secret of the decoder")
"""


@dataclass(frozen=True, slots=True)
class Faulty:
    """A running stack, and what it has told a person."""

    stack: EmbeddedStack
    told: list[str]

    def stubs_of(self, model: str) -> list[int]:
        run_directory = Path(self.stack.endpoints.redis.removeprefix("unix://")).parent
        stubs = Stubs(backends=run_directory / "backends", model_repository=run_directory / "models")
        return [process for process, of in stubs.find().items() if of == model]

    def has_told(self, end: str) -> bool:
        return any(line.endswith(end) for line in self.told)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """lite0, a copy that a test may kill, one whose decoder's graph is cut short, and one whose decoder raises."""
    folder = tmp_path_factory.mktemp("repository")
    link_lite0(folder)
    for name in ("mortal", "corrupt", "raising"):
        _copy_lite0(folder, name)
    _cut_short(folder / "corrupt_decoder" / "1" / "model.onnx")
    _let_raise(folder / "raising_decoder")
    return folder


@pytest.fixture(scope="module")
def faulty(repository: Path) -> Iterator[Faulty]:
    told: list[str] = []
    config = StackConfig(
        models=("lite0", "mortal", "corrupt", "raising"),
        model_repository=repository,
        grpc_port=0,
        http_port=0,
        triton_grpc_port=0,
        triton_metrics_port=0,
    )
    stopping = lambda: any(line.endswith("is served again") for line in told)  # noqa: E731 - of `supervise` alone
    with EmbeddedStack(config, announce=told.append, stopping=stopping) as running:
        yield Faulty(running, told)


@pytest.fixture(scope="module")
def stack(faulty: Faulty) -> EmbeddedStack:
    """In the place of the stack that the other modules share."""
    return faulty.stack


@pytest.fixture(scope="module")
def content() -> bytes:
    return photos.fresh("cat")


def test_corrupt_graph_is_told_at_start(faulty: Faulty) -> None:
    """The stack starts all the same, and says which model is not served, and why."""
    (line,) = (line for line in faulty.told if "is not served" in line)
    component, model, reason = re.fullmatch(r"(\w+) +(\w+) is not served: (.+)", line, re.DOTALL).groups()

    assert ("triton", "corrupt_decoder") == (component, model)
    assert "is not a graph that OpenVINO can read" in reason
    assert "\n" not in reason


def test_corrupt_graph_leaves_the_others(client: Client, rest: httpx.Client, content: bytes) -> None:
    """A model whose graph is corrupt is UNAVAILABLE on both protocols, while the gateway is ready and serves others."""
    image = client.image(content)
    refused = _refused(image, "corrupt")
    over_rest = rest.post(f"/v1/images/{image.id}:segment", json={**BODY, "model": "corrupt"})

    assert UNAVAILABLE == _status(refused)
    assert {"model": "corrupt"} == refused.metadata
    assert (503, *reversed(UNAVAILABLE)) == (over_rest.status_code, *_rest_status(over_rest))
    assert over_rest.headers["retry-after"]
    assert 200 == rest.get("/readyz").status_code
    assert image.segment(prompt=PROMPT).found


def test_raising_model_is_the_services_fault(client: Client, rest: httpx.Client, content: bytes) -> None:
    """A model that raises is INFERENCE_FAILED, as often as one asks; its words stay inside, and others are served."""
    image = client.image(content)
    for _ in range(2):
        refused = _refused(image, "raising")
        assert ("INTERNAL", "INFERENCE_FAILED") == _status(refused)
        assert "secret" not in refused.message
    over_rest = rest.post(f"/v1/images/{image.id}:segment", json={**BODY, "model": "raising"})

    assert (500, "INFERENCE_FAILED", "INTERNAL") == (over_rest.status_code, *_rest_status(over_rest))
    assert image.segment(prompt=PROMPT).found


def test_crashed_decoder_is_unavailable_until_it_is_mended(
    faulty: Faulty, client: Client, rest: httpx.Client, content: bytes
) -> None:
    """A decoder that is killed amid clicks is UNAVAILABLE soon, others are served, and the stack loads it anew."""
    image = client.image(content)
    before = image.segment(prompt=PROMPT, model="mortal")
    amid = _clicks_while_killing(image, faulty.stubs_of("mortal_decoder"))
    refused = _refused(image, "mortal")
    over_rest = rest.post(f"/v1/images/{image.id}:segment", json={**BODY, "model": "mortal"})
    other = image.segment(prompt=PROMPT)
    faulty.stack.supervise()
    after = image.segment(prompt=PROMPT, model="mortal")

    assert {UNAVAILABLE} == {_status(end) for end in amid if isinstance(end, MaskgateError)}
    assert {before.found} >= {end.found for end in amid if not isinstance(end, MaskgateError)}
    assert UNAVAILABLE == _status(refused)
    assert (503, *reversed(UNAVAILABLE)) == (over_rest.status_code, *_rest_status(over_rest))
    assert other.found
    assert after.found == before.found
    assert ["triton   mortal_decoder crashed; loading it anew", "triton   mortal_decoder is served again"] == (
        faulty.told[-2:]
    )


def _clicks_while_killing(image: Image, stubs: Sequence[int]) -> list[Result | MaskgateError]:
    """Twenty clicks at once, while the processes are killed; what becomes of each, in a quarter of a minute."""

    def click() -> Result | MaskgateError:
        try:
            return image.segment(prompt=PROMPT, model="mortal")
        except MaskgateError as error:
            return error

    with ThreadPoolExecutor(20) as pool:
        clicks = [pool.submit(click) for _ in range(20)]
        for process in stubs:
            os.kill(process, signal.SIGKILL)
        return [each.result(timeout=15) for each in clicks]


def _copy_lite0(repository: Path, name: str) -> None:
    for part in PARTS:
        original, copy = COMMITTED / f"lite0_{part}", repository / f"{name}_{part}"
        (copy / "1").mkdir(parents=True)
        config = (original / "config.pbtxt").read_text()
        (copy / "config.pbtxt").write_text(config.replace(f'"lite0_{part}"', f'"{name}_{part}"'))
        shutil.copy(original / "1" / "model.onnx", copy / "1")


def _cut_short(graph: Path) -> None:
    os.truncate(graph, graph.stat().st_size // 2)


def _let_raise(model: Path) -> None:
    """Keep the tensors of the configuration; the rest is for TensorRT alone."""
    tensors, _, _ = (model / "config.pbtxt").read_text().partition("# KIND_AUTO")
    config = tensors.replace('platform: "tensorrt_plan"\nbackend: "tensorrt"', 'backend: "python"')
    (model / "config.pbtxt").write_text(config)
    (model / "1" / "model.py").write_text(RAISES)


def _refused(image: Image, model: str) -> MaskgateError:
    with pytest.raises(MaskgateError) as refusal:
        image.segment(prompt=PROMPT, model=model)
    return refusal.value


def _status(error: MaskgateError) -> tuple[str, str]:
    cause = error.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    return cause.code().name, error.reason


def _rest_status(response: httpx.Response) -> tuple[str, str]:
    error = response.json()["error"]
    return error["reason"], error["status"]
