"""What the REST API answers is what its OpenAPI document says, whatever arrives.

Every run sends the same. For other requests, and more: `pytest tests/integration/test_schemathesis.py
--hypothesis-profile=long`.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import contextmanager
from http import HTTPStatus
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks
from schemathesis.core import NOT_SET

from maskgate.domain.image import ImageId
from maskgate.stack import EmbeddedStack, StackConfig
from tests import pictures
from tests.fuzzing import bounded
from tests.unit.transport.skins import create_rest_app
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy
    from schemathesis import APIOperation, Case, CheckContext, Response

    _Operation = APIOperation[Any, Any, Any, Any]

PHOTO = pictures.png()
PHOTO_ID = str(ImageId.of(PHOTO))
CLICK = {"points": [{"x": 10, "y": 20}]}
FAIR_BODIES: dict[str, tuple[Any, str]] = {
    "POST /v1/images": (PHOTO, "application/octet-stream"),
    "POST /v1/images:encode": ({"images": [{"image_id": PHOTO_ID}]}, "application/json"),
    "POST /v1/images:segment": ({"images": [{"image_id": PHOTO_ID, "prompts": [CLICK]}]}, "application/json"),
    "POST /v1/images/{image_id}:segment": (CLICK, "application/json"),
}
"""What a client that means well sends where a document cannot say what will be found good."""
_SUCCESSES = {status for status in HTTPStatus if 200 <= status < 300}
PATIENT = {"Request-Timeout": "30"}
SHORT = 5.0
"""Who gives a call less time than this may be told that it has passed."""


def no_fault(_context: CheckContext, response: Response, case: Case) -> None:
    """The service is at fault for nothing but a deadline that was the client's."""
    own = response.status_code == HTTPStatus.GATEWAY_TIMEOUT and _seconds(case) < SHORT
    assert response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR or own


def _seconds(case: Case) -> float:
    return float((case.headers or {}).get("Request-Timeout", SHORT))


CHECKS = [
    no_fault,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


@contextmanager
def over_fakes() -> Iterator[str]:
    """A server over fakes in a thread of its own; tells its address."""
    world = World()
    asyncio.run(world.health.report("triton", up=True, required=True))
    server = uvicorn.Server(uvicorn.Config(create_rest_app(world), log_config=None, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="gateway")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def cases(operation: _Operation, model: str) -> SearchStrategy[Case]:
    """Requests as the document has them, such that it has not, and fair ones; about what there is and what is not."""
    known = {"image_id": PHOTO_ID, "name": model}
    named = {name: value for name, value in known.items() if f"{{{name}}}" in operation.path}
    anything = [
        operation.as_strategy(mode, path_parameters=path)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        for path in ((None, named) if named else (None,))
    ]
    body, media_type = FAIR_BODIES.get(operation.label, (NOT_SET, None))
    fair = operation.as_strategy(path_parameters=named, headers=PATIENT, body=body, media_type=media_type)
    return st.one_of(*anything, fair)


def _without_tuples(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """Say of tuples that they are lists of a length: Schemathesis 4.32 reads those of some as Draft 4 wrote them."""
    if isinstance(node, list):
        return [_without_tuples(part) for part in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_tuples(part) for key, part in node.items() if key != "prefixItems"}
    return kept | {"items": {"anyOf": node["prefixItems"]}} if "prefixItems" in node else kept


def fuzz(url: str, subtests: pytest.Subtests, *, examples: int) -> None:
    """Send requests to every operation that the document has."""
    with requests.Session() as session:
        session.trust_env = False
        document = schemathesis.openapi.from_dict(_without_tuples(session.get(f"{url}/openapi.json").json()))
        document.config.update(base_url=url)
        model = session.get(f"{url}/v1/models").json()["models"][0]["name"]
        for operation in document.get_all_operations():
            session.post(f"{url}/v1/images", data=PHOTO)  # which the operation before may have deleted
            with subtests.test(operation.ok().label):
                fuzz_operation(operation.ok(), cases(operation.ok(), model), session, examples=examples)


def fuzz_operation(
    operation: _Operation, sent: SearchStrategy[Case], session: requests.Session, *, examples: int
) -> None:
    """Send requests to one; some have to succeed."""
    statuses: Counter[int] = Counter()

    @bounded(examples)
    @given(sent)
    def send(case: Case) -> None:
        response = case.call(session=session)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    send()

    assert _SUCCESSES & statuses.keys(), operation.label


def test_answers_over_fakes(subtests: pytest.Subtests) -> None:
    """Every operation answers anything as the document says, and something well."""
    with over_fakes() as url:
        fuzz(url, subtests, examples=30)


@pytest.mark.slow
def test_answers_of_the_real_stack(subtests: pytest.Subtests) -> None:
    """So it does with a real model, a real store and a real cache behind it."""
    config = StackConfig(grpc_port=0, http_port=0, triton_grpc_port=0, triton_metrics_port=0)
    with EmbeddedStack(config) as stack:
        fuzz(str(stack.endpoints.http), subtests, examples=20)
