"""Whatever arrives over gRPC is answered, and never with the service's own fault.

Every run sends the same messages. For others, and more: `pytest tests/unit/transport/test_fuzz_grpc.py
--hypothesis-profile=long`.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode
from hypothesis import given

from maskgate.transport.grpc._pb import segmentation_pb2 as pb
from maskgate.transport.grpc._pb.segmentation_pb2_grpc import SegmentationServiceStub
from tests import pictures
from tests.background import Background, background
from tests.fuzzing import bounded
from tests.unit.transport.messages import Hints, errors_in, methods, requests
from tests.unit.transport.skins import start_grpc
from tests.unit.transport.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import MethodDescriptor

FILES = (pictures.png(), pictures.jpeg(30, 50, orientation=6))
LOGITS = bytes(2 * 32 * 32)
FAULTS = {
    StatusCode.UNKNOWN,
    StatusCode.INTERNAL,
    StatusCode.UNIMPLEMENTED,
    StatusCode.UNAVAILABLE,
    StatusCode.CANCELLED,
    StatusCode.DATA_LOSS,
    StatusCode.DEADLINE_EXCEEDED,
}
"""What no message may lead to: nothing is slow here, and nothing is down."""
PATIENCE = 10.0
METHODS = methods()
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, which a gateway switches off


@dataclass(frozen=True)
class Gateway:
    """A server over fakes in a thread of its own.

    Its client is the one that blocks: that of asyncio makes an INTERNAL of its own up where a server ends a stream
    while it is being written to.
    """

    world: World
    loop: Background
    channel: grpc.Channel

    def hints(self) -> Hints:
        """What is kept here."""
        image_ids = tuple(self.keep(file) for file in FILES)
        stub: Any = SegmentationServiceStub(self.channel)  # type: ignore[no-untyped-call]
        answer = stub.Segment(pb.SegmentRequest(image_id=image_ids[0], points=[pb.Point(x=1, y=1)]))
        return Hints(image_ids, tuple(mask.mask_handle for mask in answer.masks), FILES, LOGITS, side=30)

    def keep(self, file: bytes) -> str:
        return self.loop.run(self.world.keep(file))

    def ask(self, method: MethodDescriptor, messages: list[bytes]) -> list[StatusCode]:
        """Call a method; tells the codes of the call and of the parts of its answer."""
        call: Any = self.channel.stream_stream(  # on the wire, a message is a stream of one
            f"/{method.containing_service.full_name}/{method.name}",
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )(iter(messages), timeout=PATIENCE)
        codes = []
        with suppress(grpc.RpcError):  # its code is told below
            for answer in call:
                codes.extend(StatusCode[code] for code in errors_in(answer))
        return [*codes, call.code()]


@contextmanager
def serving(world: World) -> Iterator[Gateway]:
    """A gateway for a while."""
    options = (("grpc.enable_http_proxy", 0),)
    with background() as loop:
        server, port = loop.run(start_grpc(world))
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            yield Gateway(world, loop, channel)
        loop.run(server.stop(grace=None))


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with serving(World()) as opened:
        yield opened


@pytest.fixture(scope="module")
def hints(gateway: Gateway) -> Hints:
    return gateway.hints()


@pytest.mark.parametrize("method", METHODS, ids=[method.name for method in METHODS])
def test_no_message_is_the_services_fault(gateway: Gateway, hints: Hints, method: MethodDescriptor) -> None:
    """Whatever is sent to a method is answered, some of it well, and none with a code that blames the service."""
    seen: Counter[StatusCode] = Counter()

    @bounded(examples=80)
    @given(requests(method, hints))
    def send(messages: list[bytes]) -> None:
        for file in FILES:  # which an earlier message may have deleted
            gateway.keep(file)
        codes = gateway.ask(method, messages)
        seen.update(codes)
        assert not FAULTS.intersection(codes)

    send()

    assert seen[StatusCode.OK] > 0
