"""Writes the `config.pbtxt` of a model's three Triton models.

The same text serves a TensorRT plan on a GPU and, where no TensorRT backend is installed, the
ONNX graph through a Python-based backend of that name. Fields and values: Triton's
`model_config.proto`; those that are not obvious are explained in the text itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from maskforge.engines.profiles import Sizes
from maskforge.sam.config import SamConfig

POINT_SLOTS = 8
"""P of the prompts that nearly all are."""
SLOT_BUCKETS = (POINT_SLOTS, 16, 32, 64)
"""P where it is free: the numbers of slots that the gateway lays prompts out over."""
SLOTS = Sizes(POINT_SLOTS, POINT_SLOTS, max(SLOT_BUCKETS))
PROMPTS = Sizes(1, 32, 64)
"""K where it is free. One prompt's image tokens take 10 to 20 MB, so 2 images of 64 prompts stay below 3 GB."""
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output: its axes leave out the batch, and say of free ones how long they may be."""

    name: str
    dtype: str
    axes: tuple[int | Sizes, ...]

    @property
    def dims(self) -> tuple[int, ...]:
        """The axes as Triton writes them: -1 where they are free."""
        return tuple(-1 if isinstance(axis, Sizes) else axis for axis in self.axes)


@dataclass(frozen=True, slots=True)
class Row:
    """What a decoder takes for an image: K prompts of P slots."""

    prompts: int | Sizes
    slots: int | Sizes


ONE_PROMPT = Row(1, POINT_SLOTS)
MANY_PROMPTS = Row(PROMPTS, SLOTS)


@dataclass(frozen=True, slots=True)
class Queue:
    """A bounded queue for one priority; what waits longer than the timeout is rejected."""

    timeout_us: int
    size: int


@dataclass(frozen=True, slots=True)
class TritonModel:
    """What a `config.pbtxt` says.

    Attributes:
        name: The folder's name.
        stage: Metric tag.
        max_batch: Largest batch.
        inputs: Inputs.
        outputs: Outputs.
        queues: Queues by priority, the highest first; the last is the default.
        parameters: What the gateway reads back.
        warm_up: Batches to run before the model is ready.
        priority: Of the CUDA stream, among the models that share a GPU.
        preferred_batches: Batches sent at once, without waiting for the delay.
        delay_us: How long the batcher waits for company.
        instances: Executions at a time. A second one copies while the first computes, but an engine of free shape is
            loaded once for each: not for an encoder of 1.3 GB, which fills the GPU on its own.
        free_dim: What a -1 in `dims` is while warming up.
        cuda_graphs: Whether launches are captured; only for fixed shapes.
    """

    name: str
    stage: str
    max_batch: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    queues: tuple[Queue, ...]
    parameters: Mapping[str, str]
    warm_up: tuple[int, ...]
    priority: str
    preferred_batches: tuple[int, ...] = ()
    delay_us: int = 1000
    instances: int = 1
    free_dim: int = 1
    cuda_graphs: bool = field(default=False, kw_only=True)


def triton_models(
    name: str, config: SamConfig, parameters: Mapping[str, str]
) -> tuple[TritonModel, TritonModel, TritonModel]:
    """Describe the encoder, the decoder of single prompts and the decoder of many."""
    return (
        _encoder(name, config, parameters),
        _decoder(name, config, parameters),
        _decoder_multi(name, config, parameters),
    )


def _encoder(name: str, config: SamConfig, parameters: Mapping[str, str]) -> TritonModel:
    side = config.image_size
    return TritonModel(
        name=f"{name}_encoder",
        stage="encoder",
        max_batch=4,
        inputs=(Tensor("image", "UINT8", (3, side, side)), Tensor("valid_hw", "INT32", (2,))),
        outputs=(_embeddings(config),),
        queues=(Queue(30 * SECOND, 32), Queue(30 * SECOND, 64)),
        parameters=parameters,
        warm_up=(1, 4),
        priority="PRIORITY_MIN",
        delay_us=2000,
    )


def _decoder(name: str, config: SamConfig, parameters: Mapping[str, str]) -> TritonModel:
    return TritonModel(
        name=f"{name}_decoder",
        stage="decoder",
        max_batch=32,
        inputs=_decoder_inputs(config, ONE_PROMPT),
        outputs=_decoder_outputs(config, ONE_PROMPT),
        queues=(Queue(10 * SECOND, 512), Queue(10 * SECOND, 512)),
        parameters={**parameters, "input_size": str(config.image_size)},  # in whose pixels prompts are
        warm_up=(1, 32),
        priority="PRIORITY_MAX",
        preferred_batches=(8, 16, 32),
        delay_us=0,  # 1 ms cost a lone click 2 of 16 ms and gained 16 clients nothing: batches form while it is busy
        instances=2,
        cuda_graphs=True,
    )


def _decoder_multi(name: str, config: SamConfig, parameters: Mapping[str, str]) -> TritonModel:
    return TritonModel(
        name=f"{name}_decoder_multi",
        stage="decoder_multi",
        max_batch=2,
        inputs=_decoder_inputs(config, MANY_PROMPTS),
        outputs=_decoder_outputs(config, MANY_PROMPTS),
        queues=(Queue(60 * SECOND, 64), Queue(60 * SECOND, 64)),
        parameters={
            **parameters,
            "max_prompts": str(PROMPTS.max),
            "slot_buckets": ",".join(map(str, SLOT_BUCKETS)),
        },
        warm_up=(1, 2),
        priority="PRIORITY_DEFAULT",
        delay_us=1000,
        free_dim=8,
    )


def _embeddings(config: SamConfig) -> Tensor:
    side = config.embedding_size
    return Tensor("image_embeddings", "FP16", (config.embed_dim, side, side))


def _decoder_inputs(config: SamConfig, row: Row) -> tuple[Tensor, ...]:
    side = config.mask_size
    return (
        _embeddings(config),
        Tensor("point_coords", "FP32", (row.prompts, row.slots, 2)),
        Tensor("point_labels", "FP32", (row.prompts, row.slots)),
        Tensor("mask_input", "FP16", (row.prompts, side, side)),
        Tensor("has_mask_input", "FP32", (row.prompts,)),
        Tensor("select", "FP32", (row.prompts,)),
    )


def _decoder_outputs(config: SamConfig, row: Row) -> tuple[Tensor, ...]:
    side, masks = config.mask_size, config.mask_tokens
    return (
        Tensor("low_res_masks", "FP16", (row.prompts, masks, side, side)),
        Tensor("iou_predictions", "FP32", (row.prompts, masks)),
        Tensor("best_mask", "FP16", (row.prompts, side, side)),
        Tensor("best_iou", "FP32", (row.prompts,)),
    )


def render(model: TritonModel) -> str:
    """Write the whole `config.pbtxt`."""
    return "\n".join(_lines(model)) + "\n"


def _lines(model: TritonModel) -> Iterator[str]:
    yield "# Written by `maskforge build`; do not edit."
    yield f'name: "{model.name}"'
    yield 'platform: "tensorrt_plan"'
    yield 'backend: "tensorrt"'
    yield f"max_batch_size: {model.max_batch}"
    yield from _block("input", map(_tensor, model.inputs))
    yield from _block("output", map(_tensor, model.outputs))
    yield "# KIND_AUTO: a GPU where there is one, else the CPU. A plan has one profile."
    yield f'instance_group [ {{ kind: KIND_AUTO count: {model.instances} profile: [ "0" ] }} ]'
    yield from _batching(model)
    yield f"optimization {{ {_optimization(model)} }}"
    yield from _block("model_warmup", (_warm_up(model, batch) for batch in model.warm_up))
    yield from map(_parameter, model.parameters.items())
    yield f'metric_tags [ {{ key: "stage" value: "{model.stage}" }} ]'
    yield "version_policy { latest { num_versions: 1 } }"


def _block(name: str, items: Iterable[str]) -> Iterator[str]:
    yield f"{name} ["
    yield ",\n".join(items)
    yield "]"


def _tensor(tensor: Tensor) -> str:
    return f'  {{ name: "{tensor.name}" data_type: TYPE_{tensor.dtype} dims: {_list(tensor.dims)} }}'


def _list(numbers: Iterable[int]) -> str:
    return f"[ {', '.join(map(str, numbers))} ]"


def _batching(model: TritonModel) -> Iterator[str]:
    """Write the batcher: priority 1 is the highest, the lowest is the default."""
    yield "dynamic_batching {"
    if model.preferred_batches:
        yield f"  preferred_batch_size: {_list(model.preferred_batches)}"
    yield f"  max_queue_delay_microseconds: {model.delay_us}"
    yield f"  priority_levels: {len(model.queues)}"
    yield f"  default_priority_level: {len(model.queues)}"
    for priority, queue in enumerate(model.queues, start=1):
        yield f"  priority_queue_policy {{ key: {priority} value {{ {_queue(queue)} }} }}"
    yield "}"


def _queue(queue: Queue) -> str:
    return (
        f"timeout_action: REJECT default_timeout_microseconds: {queue.timeout_us} "
        f"allow_timeout_override: true max_queue_size: {queue.size}"
    )


def _optimization(model: TritonModel) -> str:
    shared = (
        f"priority: {model.priority} input_pinned_memory {{ enable: true }} output_pinned_memory {{ enable: true }}"
    )
    graphs = " cuda { graphs: true output_copy_stream: true }"
    return shared + (graphs if model.cuda_graphs else "")


def _warm_up(model: TritonModel, batch: int) -> str:
    inputs = "\n".join(_warm_up_input(tensor, model.free_dim) for tensor in model.inputs)
    return f'  {{ name: "batch{batch}" batch_size: {batch}\n{inputs} }}'


def _warm_up_input(tensor: Tensor, free_dim: int) -> str:
    dims = _list(free_dim if dim < 0 else dim for dim in tensor.dims)
    value = f"data_type: TYPE_{tensor.dtype} dims: {dims} zero_data: true"
    return f'    inputs {{ key: "{tensor.name}" value {{ {value} }} }}'


def _parameter(parameter: tuple[str, str]) -> str:
    key, value = parameter
    return f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}'
