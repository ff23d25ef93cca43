from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.grpc.model_config_pb2 import ModelConfig
from tritonclient.utils import InferenceServerException

from maskgate.adapters.triton import TritonBackend, TritonBounds
from maskgate.adapters.triton.failures import translated
from maskgate.adapters.triton.specs import create_spec
from maskgate.adapters.triton.wire import Reply, RequestTemplate, Tensor, Terms
from maskgate.domain.call import Call, Deadline, Priority
from maskgate.domain.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    InferenceFailed,
    MaskgateError,
    ModelNotFound,
    Overloaded,
)
from maskgate.domain.frame import Frame
from maskgate.domain.prompt import MaskSelection, Point, Prompt, PromptSlots
from tests.fakes import CALL, SIZE, SPEC, FakeDecoder, held

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

ModelInferRequest, ModelInferResponse = service_pb2.ModelInferRequest, service_pb2.ModelInferResponse
SLOTS = PromptSlots.fill(Prompt((Point(10, 20),)), frame=Frame(SIZE, 64), slots=8)
BOUNDS = TritonBounds(describe=5, encode=5, decode=5, decode_many=5, spec_ttl=5, reconnect=0.05)


def encoder_config() -> ModelConfig:
    config = ModelConfig(name="tiny_encoder")
    config.input.add(name="image", dims=(3, 64, 64))
    config.input.add(name="valid_hw", dims=(2,))
    config.output.add(name="image_embeddings", dims=(4, 8, 8))
    for name in ("weights_digest", "precision", "preprocessing"):
        config.parameters[name].string_value = getattr(SPEC, name)
    return config


def decoder_config() -> ModelConfig:
    config = ModelConfig(name="tiny_decoder")
    config.input.add(name="point_labels", dims=(-1, 8))
    config.output.add(name="low_res_masks", dims=(-1, 4, 32, 32))
    return config


def decoder_multi_config() -> ModelConfig:
    config = ModelConfig(name="tiny_decoder_multi")
    config.parameters["max_prompts"].string_value = "4"
    config.parameters["slot_buckets"].string_value = "8,16"
    return config


CONFIGS = {"encoder": encoder_config, "decoder": decoder_config, "decoder_multi": decoder_multi_config}


# Wire format


@given(sizes=st.lists(st.integers(0, 70_000), min_size=1, max_size=4))
def test_requests_are_what_protobuf_reads(sizes: list[int]) -> None:
    """A filled template is a ModelInferRequest with the same header and the tensors in their order."""
    tensors = [bytes([index]) * size for index, size in enumerate(sizes)]
    inputs = [Tensor(f"t{index}", "UINT8", (1, size)) for index, size in enumerate(sizes)]
    expected = ModelInferRequest(model_name="tiny", raw_input_contents=tensors)
    for tensor in inputs:
        expected.inputs.add(name=tensor.name, datatype="UINT8", shape=tensor.shape)
    expected.outputs.add(name="out")

    filled = RequestTemplate.create("tiny", inputs=inputs, outputs=("out",)).fill(*tensors)

    assert expected == ModelInferRequest.FromString(filled)


@pytest.mark.parametrize(("seconds", "microseconds"), [(1.5, 1_500_000), (1e-9, 1000), (-1, 1000)])
def test_terms_are_parameters(seconds: float, microseconds: int) -> None:
    """How urgent a request is and how long it may queue are the parameters that Triton knows; never 0, for ever."""
    template = RequestTemplate.create("tiny", inputs=(), outputs=("out",))
    expected = ModelInferRequest(model_name="tiny")
    expected.outputs.add(name="out")
    expected.parameters["priority"].uint64_param = 1
    expected.parameters["timeout"].int64_param = microseconds

    filled = template.fill(terms=Terms(1, seconds))

    assert expected == ModelInferRequest.FromString(filled)


@pytest.mark.parametrize(("datatype", "size"), [("UINT8", 6), ("FP16", 12), ("FP32", 24), ("INT32", 24)])
def test_sizes_follow_the_datatype(datatype: str, size: int) -> None:
    """A template knows how many bytes each tensor has, and takes no other number."""
    template = RequestTemplate.create("tiny", inputs=[Tensor("t", datatype, (1, 2, 3))], outputs=())

    template.fill(bytes(size))

    with pytest.raises(ValueError, match=f"not \\({size},\\)"):
        template.fill(bytes(size - 1))


def test_replies_are_read_by_name() -> None:
    """Outputs are found by name, in whatever order they come, with their type and shape."""
    half, single = np.arange(6, dtype=np.float16).reshape(2, 3), np.array([0.5], np.float32)
    message = ModelInferResponse(raw_output_contents=[single.tobytes(), half.tobytes()])
    message.outputs.add(name="iou", datatype="FP32", shape=(1,))
    message.outputs.add(name="mask", datatype="FP16", shape=(2, 3))

    reply = Reply.parse(message.SerializeToString())

    assert half.tobytes() == reply.raw("mask")
    np.testing.assert_array_equal(half, reply.array("mask"))
    np.testing.assert_array_equal(single, reply.array("iou"))
    assert [np.float16, np.float32] == [reply.array(name).dtype for name in ("mask", "iou")]
    with pytest.raises(KeyError, match="masks"):
        reply.raw("masks")


# Failures


@pytest.mark.parametrize(
    ("code", "details", "error"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses", BackendUnavailable),
        ("UNAVAILABLE", "Request for unknown model: 'tiny' has no available versions", BackendUnavailable),
        ("UNAVAILABLE", "Server exiting", BackendUnavailable),
        ("UNAVAILABLE", "[request id: 1] Exceeds maximum queue size", Overloaded),
        ("UNAVAILABLE", "Request timeout expired", DeadlineExceeded),
        ("NOT_FOUND", "Request for unknown model: 'tiny' is not found", ModelNotFound),
        ("NOT_FOUND", "Request for unknown model: 'tiny' has no available versions", BackendUnavailable),
        ("NOT_FOUND", "Unable to find shared memory region: 'x'", BackendUnavailable),
        ("INVALID_ARGUMENT", "Unable to find shared memory region: 'x'", BackendUnavailable),
        ("INVALID_ARGUMENT", "model 'tiny' is not ready", BackendUnavailable),
        ("INTERNAL", "Stub process 'tiny_decoder_0_0' is not healthy.", BackendUnavailable),
        ("CANCELLED", "", BackendUnavailable),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", DeadlineExceeded),
        ("INVALID_ARGUMENT", "unexpected shape for input 'image'", InferenceFailed),
        ("INTERNAL", "out of memory", InferenceFailed),
        ("INTERNAL", "Failed to process the request(s) for model 'tiny_0_0', message: ValueError", InferenceFailed),
        ("UNKNOWN", "", InferenceFailed),
    ],
)
@pytest.mark.parametrize("client", ["grpc.aio", "tritonclient"])
def test_failures_are_translated(client: str, code: str, details: str, error: type[MaskgateError]) -> None:
    """What Triton and gRPC say becomes an error of ours, whichever client hears it, and tells nothing of the inside."""
    if client == "grpc.aio":
        empty = grpc.aio.Metadata()
        raised: Exception = grpc.aio.AioRpcError(grpc.StatusCode[code], empty, empty, details)
    else:
        raised = InferenceServerException(details, status=f"StatusCode.{code}")

    with pytest.raises(MaskgateError) as refusal, translated("tiny"):
        raise raised

    assert error is refusal.type
    assert raised is refusal.value.__cause__
    assert not details or details not in refusal.value.message


def test_a_failure_without_a_status() -> None:
    """Tritonclient's own complaints carry no code: they are failures of inference."""
    with pytest.raises(InferenceFailed), translated("tiny"):
        raise InferenceServerException("something odd")


# Specs


def test_a_spec_is_read_from_the_configurations() -> None:
    """Shapes come from the tensors, the rest from parameters: the encoder's, and those of the decoder of many."""
    assert SPEC == create_spec("tiny", encoder=encoder_config(), decoder=decoder_config(), many=decoder_multi_config())


def test_a_decoder_of_many_that_says_nothing() -> None:
    """One that was built before there were parameters takes 64 prompts, as its plan does, and no long ones."""
    spec = create_spec("tiny", encoder=encoder_config(), decoder=decoder_config(), many=ModelConfig())

    assert (64, (8,)) == (spec.max_prompts, spec.slot_buckets)


@pytest.mark.parametrize("buckets", ["16,32", "8,8", "8,32,16", "8,many", ""])
def test_slot_buckets_that_make_no_sense(buckets: str) -> None:
    """Buckets ascend from the number of slots of the decoder of one prompt."""
    many = decoder_multi_config()
    many.parameters["slot_buckets"].string_value = buckets

    with pytest.raises(InferenceFailed, match="contract"):
        create_spec("tiny", encoder=encoder_config(), decoder=decoder_config(), many=many)


@pytest.mark.parametrize("parameter", ["weights_digest", "precision", "preprocessing"])
def test_a_missing_parameter_breaks_the_contract(parameter: str) -> None:
    """Without a name for its weights, precision or preprocessing an embedding could be mistaken for another."""
    encoder = encoder_config()
    del encoder.parameters[parameter]

    with pytest.raises(InferenceFailed, match=f"contract.*{parameter}"):
        create_spec("tiny", encoder=encoder, decoder=decoder_config(), many=None)


@pytest.mark.parametrize("tensor", ["image", "image_embeddings", "point_labels", "low_res_masks"])
def test_a_missing_tensor_breaks_the_contract(tensor: str) -> None:
    """A model that lacks a tensor of the contract is refused by its name."""
    configs = {"encoder": encoder_config(), "decoder": decoder_config()}
    for config in configs.values():
        for tensors in (config.input, config.output):
            for described in tensors:
                if described.name == tensor:
                    described.name = "other"

    with pytest.raises(InferenceFailed, match=f"contract.*{tensor}"):
        create_spec("tiny", **configs, many=None)


# The backend, against a server that speaks Triton's protocol


class TritonLike(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Describes the tiny model and answers with what the test has put there.

    Attributes:
        answers: Outputs by name.
        requests: What was asked.
        unready: Models that are not ready.
        unloaded: Models that it could not load.
        described: How often a configuration was asked for.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[Any] = []
        self.described = 0
        self.unready: set[str] = set()
        self.unloaded: set[str] = set()
        self.failure: tuple[grpc.StatusCode, str] | None = None

    async def ModelConfig(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401 - Triton's
        self.described += 1
        if request.name in self.unloaded:
            text = f"Request for unknown model: '{request.name}' has no available versions"
            await context.abort(grpc.StatusCode.NOT_FOUND, text)
        response: Message = service_pb2.ModelConfigResponse(config=CONFIGS[request.name.partition("_")[2]]())
        return response

    async def ServerLive(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401
        del request, context
        response: Message = service_pb2.ServerLiveResponse(live=True)
        return response

    async def ModelReady(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401
        del context
        response: Message = service_pb2.ModelReadyResponse(ready=request.name not in self.unready)
        return response

    async def ModelInfer(self, request: Any, context: Any) -> Message:  # noqa: N802, ANN401
        self.requests.append(request)
        if self.failure is not None:
            await context.abort(*self.failure)
        response: Any = ModelInferResponse(model_name=request.model_name)
        for wanted in request.outputs:
            array = self.answers[wanted.name]
            kind = {"float16": "FP16", "float32": "FP32"}[str(array.dtype)]
            response.outputs.add(name=wanted.name, datatype=kind, shape=array.shape)
            response.raw_output_contents.append(array.tobytes())
        answer: Message = response
        return answer


@asynccontextmanager
async def backend_of(
    triton: TritonLike, bounds: TritonBounds = BOUNDS, *, models: tuple[str, ...] = ("tiny",)
) -> AsyncIterator[TritonBackend]:
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    backend = TritonBackend([f"127.0.0.1:{port}"], models=models, bounds=bounds)
    try:
        yield backend
    finally:
        await backend.close()
        await server.stop(grace=None)


def inputs_of(request: Any) -> dict[str, tuple[str, tuple[int, ...]]]:  # noqa: ANN401
    return {tensor.name: (tensor.datatype, tuple(tensor.shape)) for tensor in request.inputs}


async def test_encoding_sends_pixels_and_their_extent() -> None:
    """An encode carries the square of pixels and the height and width of the image in it."""
    triton = TritonLike()
    triton.answers["image_embeddings"] = np.ones((1, 4, 8, 8), np.float16)
    image = await FakeDecoder().prepare(b"", side=64)

    async with backend_of(triton) as backend:
        embedding = await backend.encode(SPEC, image)

    (request,) = triton.requests
    assert triton.answers["image_embeddings"].tobytes() == embedding
    assert "tiny_encoder" == request.model_name
    assert {"image": ("UINT8", (1, 3, 64, 64)), "valid_hw": ("INT32", (1, 2))} == inputs_of(request)
    assert image.pixels.tobytes() == request.raw_input_contents[0]
    assert [48, 64] == np.frombuffer(request.raw_input_contents[1], np.int32).tolist()


@pytest.mark.parametrize(
    ("selection", "select", "token"), [(MaskSelection.BEST, 1.0, 2), (MaskSelection.SINGLE, 0.0, 0)]
)
async def test_one_mask_asks_for_one(selection: MaskSelection, select: float, token: int) -> None:
    """Every input is there, `select` says which mask, and no more than one comes back; predictions tell its token."""
    triton = TritonLike()
    triton.answers["best_mask"] = np.full((1, 1, 32, 32), 2, np.float16)
    triton.answers["best_iou"] = np.full((1, 1), 0.75, np.float32)
    triton.answers["iou_predictions"] = np.array([[[0.9, 0.5, 0.75, 0.75]]], np.float32)
    embedding = bytes(range(256)) * 2

    async with backend_of(triton) as backend:
        masks = await backend.decode(SPEC, held(embedding), SLOTS, selection, call=CALL)

    (request,) = triton.requests
    raw = dict(zip(inputs_of(request), request.raw_input_contents, strict=True))
    assert {
        "image_embeddings": ("FP16", (1, 4, 8, 8)),
        "point_coords": ("FP32", (1, 1, 8, 2)),
        "point_labels": ("FP32", (1, 1, 8)),
        "mask_input": ("FP16", (1, 1, 32, 32)),
        "has_mask_input": ("FP32", (1, 1)),
        "select": ("FP32", (1, 1)),
    } == inputs_of(request)
    assert embedding == raw["image_embeddings"]
    assert SLOTS.coords.tobytes() == raw["point_coords"]
    assert SLOTS.labels.tobytes() == raw["point_labels"]
    assert not any(raw["mask_input"] + raw["has_mask_input"])
    assert [select] == np.frombuffer(raw["select"], np.float32).tolist()
    assert ((1, 32, 32), [0.75], (token,)) == (masks.logits.shape, masks.ious.tolist(), masks.tokens)
    assert "low_res_masks" not in {wanted.name for wanted in request.outputs}


async def test_masks_are_sent() -> None:
    """A prompt's mask goes along in half precision, and is said to be there."""
    triton = TritonLike()
    triton.answers["best_mask"] = np.full((1, 1, 32, 32), 2, np.float16)
    triton.answers["best_iou"] = np.full((1, 1), 0.75, np.float32)
    mask = np.random.default_rng(3).normal(size=(32, 32)).astype(np.float16)

    async with backend_of(triton) as backend:
        await backend.decode(SPEC, held(bytes(512)), replace(SLOTS, mask=mask), MaskSelection.SINGLE, call=CALL)

    (request,) = triton.requests
    raw = dict(zip(inputs_of(request), request.raw_input_contents, strict=True))
    assert mask.tobytes() == raw["mask_input"]
    assert [1.0] == np.frombuffer(raw["has_mask_input"], np.float32).tolist()


async def test_a_prompt_whose_deadline_has_passed_is_not_sent() -> None:
    """Nobody waits for its masks any more."""
    triton = TritonLike()
    late = Call(Deadline.after(-0.001))

    async with backend_of(triton) as backend:
        with pytest.raises(DeadlineExceeded):
            await backend.decode(SPEC, held(bytes(512)), SLOTS, MaskSelection.SINGLE, call=late)

    assert not triton.requests


@pytest.mark.parametrize("priority", Priority)
async def test_a_prompt_is_queued_as_its_call_says(priority: Priority) -> None:
    """Triton is told whose turn it is, and to drop what queues until nobody waits for it any more."""
    triton = TritonLike()
    triton.answers["best_mask"] = np.full((1, 1, 32, 32), 2, np.float16)
    triton.answers["best_iou"] = np.full((1, 1), 0.75, np.float32)
    call = Call(Deadline.after(3), priority)

    async with backend_of(triton) as backend:
        await backend.decode(SPEC, held(bytes(512)), SLOTS, MaskSelection.SINGLE, call=call)

    (request,) = triton.requests
    assert priority == request.parameters["priority"].uint64_param
    assert 2_000_000 < request.parameters["timeout"].int64_param <= 3_000_000


@pytest.mark.parametrize(("selection", "tokens"), [(MaskSelection.ALL, (1, 2, 3)), (MaskSelection.EVERY, (0, 1, 2, 3))])
async def test_all_masks_leave_the_single_one_out(selection: MaskSelection, tokens: tuple[int, ...]) -> None:
    """Of all tokens the first is the single mask's, which is not part of the ambiguous output."""
    triton = TritonLike()
    triton.answers["low_res_masks"] = np.arange(4, dtype=np.float16).repeat(32 * 32).reshape(1, 1, 4, 32, 32)
    triton.answers["iou_predictions"] = np.array([[[0.1, 0.2, 0.3, 0.4]]], np.float32)

    async with backend_of(triton) as backend:
        masks = await backend.decode(SPEC, held(bytes(512)), SLOTS, selection, call=CALL)

    assert tokens == masks.tokens == tuple(masks.logits[:, 0, 0].tolist())
    assert [pytest.approx((1 + token) / 10) for token in tokens] == masks.ious.tolist()


# Many prompts

MASK = np.full((32, 32), 3, np.float16)
LONG = [
    PromptSlots.fill(Prompt(tuple(Point(x, y) for x in range(10))), frame=Frame(SIZE, 64), slots=16, mask=mask)
    for y, mask in ((1, None), (2, MASK), (3, None))
]


async def test_many_prompts_go_together() -> None:
    """Prompts of one width are one request to the decoder of many; a mask stays with the prompt that has it."""
    triton = TritonLike()
    triton.answers["low_res_masks"] = np.arange(12, dtype=np.float16).repeat(32 * 32).reshape(1, 3, 4, 32, 32)
    triton.answers["iou_predictions"] = np.arange(12, dtype=np.float32).reshape(1, 3, 4)

    async with backend_of(triton) as backend:
        rows = await backend.decode_many(SPEC, held(bytes(512)), LONG, MaskSelection.ALL, call=CALL)

    (request,) = triton.requests
    raw = dict(zip(inputs_of(request), request.raw_input_contents, strict=True))
    assert "tiny_decoder_multi" == request.model_name
    assert {
        "image_embeddings": ("FP16", (1, 4, 8, 8)),
        "point_coords": ("FP32", (1, 3, 16, 2)),
        "point_labels": ("FP32", (1, 3, 16)),
        "mask_input": ("FP16", (1, 3, 32, 32)),
        "has_mask_input": ("FP32", (1, 3)),
        "select": ("FP32", (1, 3)),
    } == inputs_of(request)
    assert b"".join(row.coords.tobytes() for row in LONG) == raw["point_coords"]
    assert bytes(2048) + MASK.tobytes() + bytes(2048) == raw["mask_input"]
    assert [0, 1, 0] == np.frombuffer(raw["has_mask_input"], np.float32).tolist()
    assert [(1, 2, 3)] * 3 == [rows[row].tokens for row in range(len(rows))]
    assert [5.0, 6.0, 7.0] == rows[1].ious.tolist() == rows[1].logits[:, 0, 0].tolist()


@pytest.mark.parametrize(
    ("selection", "tokens"), [(MaskSelection.BEST, [(2,), (3,), (1,)]), (MaskSelection.SINGLE, [(0,), (0,), (0,)])]
)
async def test_the_best_mask_is_each_prompts_own(selection: MaskSelection, tokens: list[tuple[int, ...]]) -> None:
    """Of many prompts each has its own best mask, and the token that its own predictions say."""
    triton = TritonLike()
    triton.answers["best_mask"] = np.arange(3, dtype=np.float16).repeat(32 * 32).reshape(1, 3, 32, 32)
    triton.answers["best_iou"] = np.array([[0.5, 0.6, 0.7]], np.float32)
    predicted = [[0.9, 0.1, 0.5, 0.5], [0.9, 0.1, 0.2, 0.6], [0.9, 0.7, 0.1, 0.1]]
    triton.answers["iou_predictions"] = np.array([predicted], np.float32)

    async with backend_of(triton) as backend:
        rows = await backend.decode_many(SPEC, held(bytes(512)), LONG, selection, call=CALL)

    assert tokens == [rows[row].tokens for row in range(len(rows))]
    assert [(1, 32, 32)] * 3 == [rows[row].logits.shape for row in range(len(rows))]
    assert [0, 1, 2] == [rows[row].logits.max() for row in range(len(rows))]


@pytest.mark.parametrize("failed", [True, False], ids=["not loaded", "loaded later"])
async def test_clicks_need_no_decoder_of_many(failed: bool) -> None:  # noqa: FBT001
    """Where it could not be loaded, prompts are short and go one by one; it is looked for again."""
    triton = TritonLike()
    triton.unloaded = {"tiny_decoder_multi"}
    async with backend_of(triton, TritonBounds(describe=5, encode=5, decode=5, decode_many=5, spec_ttl=0)) as backend:
        spec = await backend.spec("tiny")
        if not failed:
            triton.unloaded = set()
        again = await backend.spec("tiny")

    alone = replace(SPEC, max_prompts=1, slot_buckets=(8,))
    assert [alone, alone if failed else SPEC] == [spec, again]


# Specs, remembered


async def test_specs_are_remembered_for_a_while() -> None:
    """A spec is asked of Triton once, and again after its time."""
    triton = TritonLike()
    async with backend_of(
        triton, TritonBounds(describe=5, encode=5, decode=5, decode_many=5, spec_ttl=0.05)
    ) as backend:
        first = [await backend.spec("tiny") for _ in range(3)]
        asked_first = triton.described
        time.sleep(0.06)  # noqa: ASYNC251 - nothing else runs
        again = await backend.spec("tiny")

    assert [SPEC] * 4 == [*first, again]
    assert (3, 6) == (asked_first, triton.described)


async def test_a_lost_backend_is_asked_for_its_spec_again() -> None:
    """What comes back after a failure may be another engine."""
    triton = TritonLike()
    triton.failure = (grpc.StatusCode.UNAVAILABLE, "Server exiting")
    async with backend_of(triton) as backend:
        spec = await backend.spec("tiny")
        with pytest.raises(BackendUnavailable):
            await backend.decode(spec, held(bytes(512)), SLOTS, MaskSelection.BEST, call=CALL)
        await backend.spec("tiny")

    assert triton.described == 6


async def test_models_that_are_not_served_are_not_asked_for() -> None:
    """A name that a client makes up never reaches Triton, and is repeated in short."""
    triton = TritonLike()
    async with backend_of(triton) as backend:
        with pytest.raises(ModelNotFound) as refusal:
            await backend.spec("x" * 10_000)

    assert triton.described == 0
    assert len(refusal.value.message) < 300


async def test_ping() -> None:
    """The backend is up when its model is ready."""
    triton = TritonLike()
    async with backend_of(triton) as backend:
        await backend.ping()
        triton.unready = {"tiny_decoder"}
        with pytest.raises(BackendUnavailable, match="'tiny_decoder' is not ready"):
            await backend.ping()


async def test_a_broken_model_takes_no_other_out_of_service() -> None:
    """While one of its models can be served, the backend is up."""
    triton = TritonLike()
    triton.unready = {"tiny_decoder"}
    async with backend_of(triton, models=("tiny", "second")) as backend:
        await backend.ping()
        triton.unready = {"tiny_decoder", "second_encoder"}
        with pytest.raises(BackendUnavailable):
            await backend.ping()


async def test_nobody_there() -> None:
    """Without a server every method says so soon."""
    backend = TritonBackend(["127.0.0.1:1"], models=("tiny",), bounds=BOUNDS)
    try:
        with pytest.raises(BackendUnavailable):
            await backend.spec("tiny")
        with pytest.raises(BackendUnavailable):
            await backend.decode(SPEC, held(bytes(512)), SLOTS, MaskSelection.BEST, call=CALL)
        with pytest.raises(BackendUnavailable):
            await backend.ping()
    finally:
        await backend.close()
