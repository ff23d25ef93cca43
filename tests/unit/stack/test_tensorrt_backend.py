from __future__ import annotations

import json
import os
import threading
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from tests.integration.stack.tiny_models import doubling_model
from tests.unit.stack.fake_triton import InferenceResponse, Request, TritonError, TritonModelException, load_backend

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

CONFIG = {
    "max_batch_size": 8,
    "input": [{"name": "values", "data_type": "TYPE_FP16", "dims": [-1]}],
    "output": [{"name": "doubled", "data_type": "TYPE_FP16"}, {"name": "total", "data_type": "TYPE_FP32"}],
}


class DoublingNetwork:
    """Doubles its input, refuses negative numbers, and remembers what it was called with."""

    input_names = ("values",)

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.wanted: list[set[str]] = []

    def infer(
        self, inputs: Mapping[str, NDArray[np.generic]], *, wanted: Iterable[str]
    ) -> dict[str, NDArray[np.generic]]:
        values = inputs["values"]
        self.shapes.append(values.shape)
        self.wanted.append(set(wanted))
        if (values < 0).any():
            raise RuntimeError("negative")
        outputs = {"doubled": values + values, "total": values.sum(axis=1, keepdims=True)}
        return {name: outputs[name] for name in wanted}


@pytest.fixture(scope="module")
def backend() -> ModuleType:
    return load_backend()


@pytest.fixture(scope="module")
def compiled_models(backend: ModuleType) -> ModuleType:
    """The module beside the backend's, which finds it as soon as it is loaded."""
    return import_module("compiled_models", package=backend.__name__)


@pytest.fixture
def network() -> DoublingNetwork:
    return DoublingNetwork()


def of(*rows: list[float], wanted: tuple[str, ...] = ("doubled",)) -> Request:
    return Request({"values": np.array(rows, np.float32)}, wanted)


def test_rows_are_inferred_one_by_one(backend: ModuleType, network: DoublingNetwork) -> None:
    """Each row of each request of an execution is an inference, since a CPU gains nothing from a batch."""
    backend.Executor(network, batched=True).answer([of([1, 2]), of([3, 4], [5, 6]), of([7, 8])])

    assert [(1, 2)] * 4 == network.shapes


def test_responses_are_in_order(backend: ModuleType, network: DoublingNetwork) -> None:
    """Each request gets its own rows back."""
    responses = backend.Executor(network, batched=True).answer([of([1, 2]), of([3, 4], [5, 6]), of([7, 8])])

    assert [[[2, 4]], [[6, 8], [10, 12]], [[14, 16]]] == [response.outputs()["doubled"] for response in responses]


def test_only_requested_outputs_are_returned(backend: ModuleType, network: DoublingNetwork) -> None:
    """A request gets the outputs that it asked for, whatever its batch mates want."""
    responses = backend.Executor(network, batched=True).answer([of([1, 2], wanted=("total",)), of([3, 4])])

    assert [{"total": [[3]]}, {"doubled": [[6, 8]]}] == [response.outputs() for response in responses]


def test_other_shapes_are_answered_too(backend: ModuleType, network: DoublingNetwork) -> None:
    """Requests of one execution may differ in their trailing dimensions."""
    responses = backend.Executor(network, batched=True).answer([of([1, 2]), of([3]), of([4, 5])])

    assert [[[2, 4]], [[6]], [[8, 10]]] == [response.outputs()["doubled"] for response in responses]


def test_a_failing_request_fails_alone(backend: ModuleType, network: DoublingNetwork) -> None:
    """Only the request whose inference fails gets the error, not those beside it."""
    good, bad, other = backend.Executor(network, batched=True).answer([of([1, 2]), of([-1, 2]), of([3, 4])])

    assert ({"doubled": [[2, 4]]}, {"doubled": [[6, 8]]}) == (good.outputs(), other.outputs())
    assert ("negative", TritonError.INTERNAL) == (str(bad.error), bad.error.code)


def test_an_incomplete_request_fails_alone(backend: ModuleType, network: DoublingNetwork) -> None:
    """A request without one of the inputs is an invalid argument and never reaches the network."""
    bad, good = backend.Executor(network, batched=True).answer([Request({}), of([1, 2])])

    assert ("input 'values' is missing", TritonError.INVALID_ARG) == (str(bad.error), bad.error.code)
    assert ([(1, 2)], {"doubled": [[2, 4]]}) == (network.shapes, good.outputs())


def test_inputs_must_agree_on_the_batch(backend: ModuleType, network: DoublingNetwork) -> None:
    """Inputs of one request with different numbers of rows are an invalid argument."""
    network.input_names = ("values", "weights")
    request = Request({"values": np.zeros((2, 1)), "weights": np.zeros((3, 1))})

    (response,) = backend.Executor(network, batched=True).answer([request])

    assert "inputs disagree on the batch size: [2, 3]" == str(response.error)


def test_without_a_batch_dimension(backend: ModuleType, network: DoublingNetwork) -> None:
    """Requests of a model without batching are inferred as they are."""
    responses = backend.Executor(network, batched=False).answer([of([1, 2]), of([3, 4])])

    assert ([(1, 2), (1, 2)], [[[2, 4]], [[6, 8]]]) == (network.shapes, [r.outputs()["doubled"] for r in responses])


def write_model(folder: Path, **config: object) -> dict[str, str]:
    """Writes a version of the doubling model and returns what Triton passes to `initialize`."""
    (folder / "1").mkdir()
    onnx.save(doubling_model(), folder / "1" / "model.onnx")
    return {
        "model_config": json.dumps(CONFIG | config),
        "model_repository": str(folder),
        "model_version": "1",
    }


def test_the_onnx_file_is_served(backend: ModuleType, tmp_path: Path) -> None:
    """`initialize` compiles the version's ONNX file, and outputs have the dtypes of the configuration."""
    model = backend.TritonPythonModel()
    model.initialize(write_model(tmp_path))
    request = Request({"values": np.array([[1, 2, 3]], np.float16)}, ("doubled", "total"))

    (response,) = model.execute([request])
    model.finalize()

    assert {"doubled": [[2, 4, 6]], "total": [[6]]} == response.outputs()
    assert {"doubled": np.float16, "total": np.float32} == {t.name: t.array.dtype for t in response.output_tensors}


def test_dtypes_are_converted(backend: ModuleType, tmp_path: Path) -> None:
    """A configuration may say another dtype than the graph, on both sides."""
    model = backend.TritonPythonModel()
    model.initialize(
        write_model(
            tmp_path,
            input=[{"name": "values", "data_type": "TYPE_FP32", "dims": [-1]}],
            output=[{"name": "doubled", "data_type": "TYPE_FP32"}],
        )
    )

    (response,) = model.execute([of([0.5, 2])])

    assert ([[1, 4]], np.float32) == (response.outputs()["doubled"], response.output_tensors[0].array.dtype)


def test_outputs_outlive_the_next_inference(backend: ModuleType, tmp_path: Path) -> None:
    """Responses of an execution stay as they are while another shape of the same execution is inferred."""
    model = backend.TritonPythonModel()
    model.initialize(write_model(tmp_path))
    requests = [Request({"values": np.full((2, width), width, np.float16)}) for width in (3, 4, 3, 5, 4)]

    responses: list[InferenceResponse] = model.execute(requests)

    assert [[[2 * w] * w] * 2 for w in (3, 4, 3, 5, 4)] == [response.outputs()["doubled"] for response in responses]


def test_shapes_are_fixed(compiled_models: ModuleType) -> None:
    """The graph is compiled for one row of the configuration's shape; only -1 stays free."""
    config = {"max_batch_size": 2, "input": [{"name": "values", "dims": [-1, 3]}]}

    assert {"values": "[1,?,3]"} == {name: str(shape) for name, shape in compiled_models.shapes(config).items()}


def test_a_configuration_that_does_not_fit(backend: ModuleType, tmp_path: Path) -> None:
    """A tensor that the graph has not got stops the model from loading, by name."""
    arguments = write_model(tmp_path, output=[{"name": "masks", "data_type": "TYPE_FP16"}])

    with pytest.raises(TritonModelException, match=r"no tensor \['masks'\]; it has \['doubled', 'total'\]"):
        backend.TritonPythonModel().initialize(arguments)


class SlotNetwork:
    """Tells how many slots it was given."""

    input_names = ("point_coords", "point_labels", "image_embeddings")

    def infer(
        self, inputs: Mapping[str, NDArray[np.generic]], *, wanted: Iterable[str]
    ) -> dict[str, NDArray[np.generic]]:
        assert inputs["point_coords"].shape[:-1] == inputs["point_labels"].shape
        return dict.fromkeys(wanted, np.array(inputs["point_labels"].shape[-1]))


@pytest.mark.parametrize(
    ("expected", "labels"),
    [
        (2, [[1, -1, -2, -2, -2, -2, -2, -2]]),
        (4, [[1, 0, -1, -2, -2, -2, -2, -2]]),
        (8, [[1, 0, 1, 1, -1, -2, -2, -2]]),
        (4, [[1, -1, -2, -2, -2, -2, -2, -2], [-2, -2, 2, 3, -2, -2, -2, -2]]),
        (8, [[-2, -2, -2, -2, -2, -2, 1, -1]]),
        (2, [[-2] * 8]),
    ],
)
def test_prompts_run_in_the_narrowest_graph(backend: ModuleType, expected: int, labels: list[list[float]]) -> None:
    """Empty slots after the last point of all prompts are left away, as far as a narrower graph is there."""
    buckets = backend.networks.SlotBuckets({slots: SlotNetwork() for slots in (8, 2, 4)})
    prompts = np.array([labels], np.float32)
    inputs = {
        "point_labels": prompts,
        "point_coords": np.zeros((*prompts.shape, 2), np.float32),
        "image_embeddings": np.zeros(1),
    }

    assert expected == buckets.infer(inputs, wanted=["best_mask"])["best_mask"]


@pytest.mark.parametrize(("expected", "slots"), [(16, 9), (16, 12), (16, 16), (2, 1)])
def test_prompts_of_any_width_are_filled_up(backend: ModuleType, expected: int, slots: int) -> None:
    """A prompt that is narrower than the graph that it needs gets empty slots."""
    buckets = backend.networks.SlotBuckets({width: SlotNetwork() for width in (2, 8, 16)})
    inputs = {"point_labels": np.ones((1, 2, slots), np.float32), "point_coords": np.ones((1, 2, slots, 2), np.float32)}

    filled = backend.networks.of_width(inputs, expected)

    assert expected == buckets.infer(inputs, wanted=["best_mask"])["best_mask"]
    assert [1] * slots + [-2] * (expected - slots) == filled["point_labels"][0, 1].tolist()
    assert filled["point_coords"].sum() == 4 * slots


def test_a_prompt_that_is_too_long_is_refused(backend: ModuleType) -> None:
    """There is no graph for it: an invalid argument, not a failure."""
    buckets = backend.networks.SlotBuckets({slots: SlotNetwork() for slots in (2, 8)})
    inputs = {"point_labels": np.ones((1, 1, 9), np.float32), "point_coords": np.ones((1, 1, 9, 2), np.float32)}

    with pytest.raises(backend.InvalidCall, match="9 slots, of 8"):
        buckets.infer(inputs, wanted=["best_mask"])


class PromptNetwork:
    """Answers a prompt with its labels, and remembers shapes."""

    input_names = ("image_embeddings", "point_labels", "select")

    def __init__(self) -> None:
        self.shapes: list[tuple[tuple[int, ...], ...]] = []

    def infer(
        self, inputs: Mapping[str, NDArray[np.generic]], *, wanted: Iterable[str]
    ) -> dict[str, NDArray[np.generic]]:
        self.shapes.append(tuple(inputs[name].shape for name in self.input_names))
        return {name: inputs["point_labels"] * inputs["image_embeddings"].max() for name in wanted}


def test_many_prompts_are_computed_one_by_one(backend: ModuleType) -> None:
    """Each prompt of a row sees the row's embedding, and the answers come back in order."""
    network = PromptNetwork()
    labels = np.arange(6, dtype=np.float32).reshape(1, 3, 2)
    inputs = {"image_embeddings": np.full((1, 4), 2.0), "point_labels": labels, "select": np.ones((1, 3))}

    answer = backend.networks.PromptByPrompt(network, threads=2).infer(inputs, wanted=["best_mask"])

    assert [((1, 4), (1, 1, 2), (1, 1))] * 3 == network.shapes
    assert (2 * labels).tolist() == answer["best_mask"].tolist()


class MeetingNetwork(PromptNetwork):
    """Answers a prompt when another one has come, too."""

    def __init__(self) -> None:
        super().__init__()
        self._meeting = threading.Barrier(2)

    def infer(
        self, inputs: Mapping[str, NDArray[np.generic]], *, wanted: Iterable[str]
    ) -> dict[str, NDArray[np.generic]]:
        self._meeting.wait(5)
        return super().infer(inputs, wanted=wanted)


def test_many_prompts_are_computed_abreast(backend: ModuleType) -> None:
    """As many at once as there are threads; the answers are in the order of the prompts all the same."""
    labels = np.arange(8, dtype=np.float32).reshape(1, 4, 2)
    inputs = {"image_embeddings": np.ones((1, 4)), "point_labels": labels, "select": np.ones((1, 4))}

    answer = backend.networks.PromptByPrompt(MeetingNetwork(), threads=2).infer(inputs, wanted=["best_mask"])

    assert labels.tolist() == answer["best_mask"].tolist()


def test_everything_gets_a_core_a_prompt(compiled_models: ModuleType, backend: ModuleType) -> None:
    """The part of the graph for grids of points runs once on each core, that of clicks on all of them."""
    grid, click = (compiled_models.properties(part) for part in (backend.networks.GRID, backend.networks.PLAIN))

    assert (grid["INFERENCE_NUM_THREADS"], 1) == (grid["NUM_STREAMS"], click["NUM_STREAMS"])
    assert click["INFERENCE_NUM_THREADS"] == grid["INFERENCE_NUM_THREADS"]


@pytest.mark.parametrize(("labels", "selects"), [(2, 3), (0, 0)])
def test_inputs_must_agree_on_the_prompts(backend: ModuleType, labels: int, selects: int) -> None:
    """Different numbers of prompts, or none at all, are an invalid argument."""
    inputs = {"point_labels": np.zeros((1, labels, 8)), "select": np.zeros((1, selects))}

    with pytest.raises(backend.InvalidCall, match="number of prompts"):
        backend.networks.PromptByPrompt(PromptNetwork(), threads=2).infer(inputs, wanted=["best_mask"])


def test_a_seldom_graph_is_compiled_when_it_is_needed(backend: ModuleType, tmp_path: Path) -> None:
    """Until then its file is not even looked at; its inputs are known from the configuration."""
    graphs = import_module("graphs", package=backend.__name__)
    seldom = graphs.OnFirstUse(tmp_path / "1" / "model.onnx", CONFIG, graphs.WHOLE)
    known = list(seldom.input_names)
    write_model(tmp_path)

    answers = [seldom.infer({"values": np.array([[1, value]])}, wanted=["total"])["total"].tolist() for value in (2, 3)]

    assert (["values"], [[[3]], [[4]]]) == (known, answers)


def test_only_slots_are_narrowed(backend: ModuleType, compiled_models: ModuleType) -> None:
    """The other inputs keep the shapes of the configuration."""
    config = {
        "max_batch_size": 2,
        "input": [
            {"name": "point_coords", "dims": [1, 8, 2]},
            {"name": "point_labels", "dims": [1, 8]},
            {"name": "mask_input", "dims": [1, 8, 8]},
        ],
    }

    narrow = {
        name: str(shape) for name, shape in compiled_models.shapes(backend.networks.with_slots(config, 2)).items()
    }

    assert {"point_coords": "[1,1,2,2]", "point_labels": "[1,1,2]", "mask_input": "[1,1,8,8]"} == narrow


def test_graphs_have_one_prompt(backend: ModuleType) -> None:
    """Where a configuration leaves the numbers of prompts and slots open, a graph has one prompt of so many slots."""
    inputs = [
        {"name": "image_embeddings", "dims": ["256", "64", "64"]},
        {"name": "point_coords", "dims": ["-1", "-1", "2"]},
        {"name": "point_labels", "dims": ["-1", "-1"]},
        {"name": "select", "dims": ["-1"]},
    ]

    fixed = backend.networks.with_slots({"input": inputs}, 16)["input"]

    assert [[256, 64, 64], [1, 16, 2], [1, 16], [1]] == [tensor["dims"] for tensor in fixed]


@pytest.mark.parametrize(
    ("expected", "slots", "parameters"),
    [
        ([8, 16, 64], -1, {"slot_buckets": {"string_value": "8,16,64"}}),
        ([8], 8, {"slot_buckets": {"string_value": "8,16,64"}}),
        ([8], 8, {}),
    ],
)
def test_numbers_of_slots(backend: ModuleType, expected: list[int], slots: int, parameters: object) -> None:
    """They are a parameter where the configuration leaves them open, and in its dims where it does not."""
    assert expected == backend.networks.buckets_of({"parameters": parameters}, slots)


class MaskNetwork:
    """Answers with its name."""

    input_names = ("has_mask_input", "mask_input")

    def __init__(self, name: str) -> None:
        self.name = name

    def infer(
        self, inputs: Mapping[str, NDArray[np.generic]], *, wanted: Iterable[str]
    ) -> dict[str, NDArray[np.generic]]:
        return dict.fromkeys(wanted, np.array(f"{self.name} {inputs['has_mask_input'].shape}"))


@pytest.mark.parametrize(
    ("expected", "has_mask", "wanted"),
    [
        ("plain", 0, ["best_mask", "best_iou"]),
        ("plain", 0, ["best_mask", "best_iou", "iou_predictions"]),
        ("plain", 0, ["best_mask"]),
        ("several", 0, ["low_res_masks", "iou_predictions"]),
        ("plain", 0, ["iou_predictions"]),
        ("whole", 1, ["best_mask", "best_iou"]),
        ("whole", 1, ["low_res_masks", "iou_predictions"]),
        ("whole", 0, ["best_mask", "low_res_masks"]),
    ],
)
def test_the_cheapest_part_is_preferred(backend: ModuleType, expected: str, has_mask: float, wanted: list[str]) -> None:
    """Only a mask input, or the wish for the best mask beside all of them, needs the whole graph."""
    names = ("plain", "several", "whole")
    parts = zip(backend.networks.PARTS, map(MaskNetwork, names), strict=True)
    network = backend.networks.PartsFirst(list(parts))

    answer = network.infer({"has_mask_input": np.full((1, 1), has_mask)}, wanted=wanted)

    assert {f"{expected} (1, 1)"} == {str(name) for name in answer.values()}


def test_a_part_of_a_graph(compiled_models: ModuleType, tmp_path: Path) -> None:
    """An input that is said to be zero is not asked for any more, and an output that nobody wants is gone."""
    config = {
        "max_batch_size": 0,
        "input": [{"name": "a", "dims": [2]}, {"name": "b", "dims": [2]}],
        "output": [{"name": "sum"}, {"name": "product"}],
    }
    write_model_of_two(tmp_path / "model.onnx")
    part = compiled_models.Part(zero=frozenset({"b"}), outputs=frozenset({"sum"}))
    models = compiled_models.CompiledModels(tmp_path / "kept")

    whole, some = (models.compile(tmp_path / "model.onnx", config, part) for part in (compiled_models.WHOLE, part))

    assert [(2, 2), (1, 1)] == [(len(graph.inputs), len(graph.outputs)) for graph in (whole, some)]
    assert [[3, 4]] == [array.tolist() for array in some([np.array([3, 4], np.float32)]).values()]


def write_model_of_two(path: Path) -> None:
    """Writes a graph that adds and multiplies two vectors."""
    a, b, total, product = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("a", "b", "sum", "product")
    )
    nodes = [onnx.helper.make_node("Add", ["a", "b"], ["sum"]), onnx.helper.make_node("Mul", ["a", "b"], ["product"])]
    graph = onnx.helper.make_graph(nodes, "g", [a, b], [total, product])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)


def test_a_compiled_model_is_kept(compiled_models: ModuleType, tmp_path: Path) -> None:
    """A graph that is wanted again is read back and computes the same; a damaged file is replaced."""
    arguments = write_model(tmp_path)
    onnx_file, folder = tmp_path / "1" / "model.onnx", tmp_path / "kept"
    config = json.loads(arguments["model_config"])
    narrow = {**config, "input": [{**config["input"][0], "dims": [2]}]}

    for _ in range(2):
        compiled = compiled_models.CompiledModels(folder).compile(onnx_file, narrow)
        (doubled, _) = compiled([np.array([[1, 2]], np.float16)]).values()
        assert [[2, 4]] == doubled.tolist()
    (kept,) = folder.iterdir()

    kept.write_bytes(b"damaged")
    assert compiled_models.CompiledModels(folder).compile(onnx_file, narrow)
    assert kept.read_bytes() != b"damaged"

    compiled_models.CompiledModels(folder).compile(onnx_file, config)
    assert len(list(folder.iterdir())) == 2


def test_weights_outside_a_graph_count(compiled_models: ModuleType, tmp_path: Path) -> None:
    """Two graphs that differ only in the weights beside them are two files: one never answers for the other."""
    folder, config = tmp_path / "kept", {"max_batch_size": 0, "input": [{"name": "x", "dims": [4]}]}
    answers = []
    for factor in (2, 3):
        model = tmp_path / str(factor)
        model.mkdir()
        write_scaling_model(model / "model.onnx", factor)
        compiled = compiled_models.CompiledModels(folder).compile(model / "model.onnx", config)
        (scaled,) = compiled([np.ones(4, np.float32)]).values()
        answers.append(scaled.tolist())

    assert (tmp_path / "2" / "model.onnx").read_bytes() == (tmp_path / "3" / "model.onnx").read_bytes()
    assert [[2] * 4, [3] * 4] == answers


def write_scaling_model(path: Path, factor: float) -> None:
    """Writes a graph that multiplies by a weight which lies outside of it."""
    factors = onnx.numpy_helper.from_array(np.full(4, factor, np.float32), "factors")
    shape = ("x", onnx.TensorProto.FLOAT, [4]), ("y", onnx.TensorProto.FLOAT, [4])
    x, y = (onnx.helper.make_tensor_value_info(*value) for value in shape)
    graph = onnx.helper.make_graph([onnx.helper.make_node("Mul", ["x", "factors"], ["y"])], "g", [x], [y], [factors])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)


def test_the_folder_of_compiled_models_is_bounded(compiled_models: ModuleType, tmp_path: Path) -> None:
    """What was used longest ago goes first, and the rest fits."""
    for age, name in enumerate(("new", "old", "oldest")):
        (tmp_path / name).write_bytes(b"1234")
        os.utime(tmp_path / name, (1000 - age, 1000 - age))

    compiled_models.drop_oldest(tmp_path, most=9)

    assert {"new", "old"} == {file.name for file in tmp_path.iterdir()}


def test_a_folder_that_cannot_be_written_is_no_fault(compiled_models: ModuleType, tmp_path: Path) -> None:
    """The model is compiled all the same."""
    arguments = write_model(tmp_path)
    occupied = tmp_path / "file"
    occupied.touch()

    models = compiled_models.CompiledModels(occupied / "kept")

    assert models.compile(tmp_path / "1" / "model.onnx", json.loads(arguments["model_config"]))


@pytest.mark.parametrize(("expected", "quota"), [(1, "50000 100000"), (1, "100000 100000")])
def test_cores_within_the_quota(compiled_models: ModuleType, tmp_path: Path, expected: int, quota: str) -> None:
    """A container's quota bounds the threads, rounded up to whole cores."""
    (tmp_path / "cpu.max").write_text(quota)

    assert expected == compiled_models.available_cores(tmp_path / "cpu.max")


def test_cores_without_a_quota(compiled_models: ModuleType, tmp_path: Path) -> None:
    """No quota and no such file both mean all cores that this process may run on."""
    (tmp_path / "cpu.max").write_text("max 100000")

    assert compiled_models.available_cores(tmp_path / "absent") == compiled_models.available_cores(tmp_path / "cpu.max")
