"""Whatever arrives at the WebSocket is answered or ends the stream, and never with the service's own fault.

`--hypothesis-profile=long` tries others, and more.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from tests.fuzzing import bounded
from tests.unit.transport.conversations import EndedError, RestConversation
from tests.unit.transport.messages import Hints, as_json, messages
from tests.unit.transport.skins import create_rest_app
from tests.unit.transport.test_fuzz_grpc import FILES, LOGITS
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from fastapi import FastAPI

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, which a gateway switches off
FAULTS = {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=10), part, max_size=3),
    max_leaves=10,
).map(json.dumps)


async def converse(app: FastAPI, texts: list[str]) -> list[str]:
    """Say these, then leave; tells the codes of what came back."""
    conversation = RestConversation(app, {})
    assert "websocket.accept" == (await conversation.hear())["type"]
    codes = []
    for text in texts:
        await conversation.say_text(text)
        try:
            said = await conversation.answer()
        except EndedError as ended:
            codes.append(ended.args[0])
            break
        codes.append("OK" if said.error is None else said.error[0])
    await conversation.leave()
    await conversation.serving
    return codes


def test_no_text_is_the_services_fault() -> None:
    """Of texts that are messages, nearly so or not at all, none is answered with a code that blames the service."""
    seen: Counter[str] = Counter()
    with asyncio.Runner() as runner:
        world = World()
        app = create_rest_app(world)
        image_ids = tuple([runner.run(world.keep(file)) for file in FILES])
        said = messages(pb.SegmentStreamRequest.DESCRIPTOR, Hints(image_ids, ("none",), FILES, LOGITS, side=30))
        text = said.map(as_json).map(json.dumps)

        @bounded(examples=100)
        @given(st.lists(text | ANY_JSON | st.text(max_size=30), min_size=1, max_size=3))
        def send(texts: list[str]) -> None:
            codes = runner.run(converse(app, texts))
            seen.update(codes)
            assert not FAULTS.intersection(codes)

        send()

    assert seen["OK"] > 0
