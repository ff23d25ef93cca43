"""A `trtexec` as far as we use it: it knows only options that TensorRT 10.0 to 11.1 share, and writes their formats.

Run as a program. A plan is a copy of its graph, and computes what `world.compute` does.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[4]))

from tests.unit.forge.engines.world import compute, golden

BUILD = {"--onnx", "--saveEngine", "--stronglyTyped", "--skipInference", "--minShapes", "--optShapes", "--maxShapes"}
TUNE = {"--builderOptimizationLevel", "--timingCacheFile", "--exportLayerInfo", "--memPoolSize"}
RUN = {"--loadEngine", "--shapes", "--loadInputs", "--exportOutput", "--iterations", "--warmUp", "--duration"}
DTYPES = {"image": np.uint8, "valid_hw": np.int32, "image_embeddings": np.float16, "mask_input": np.float16}


def main(arguments: list[str]) -> int:
    say(f"&&&& RUNNING TensorRT.trtexec [TensorRT v101303] [b9] # trtexec {' '.join(arguments)}")
    options = dict(argument.partition("=")[::2] for argument in arguments)
    if "--help" in options:
        return 0
    if unknown := options.keys() - BUILD - TUNE - RUN:
        say(f"[11/22/2025-04:00:00] [E] Unknown option: {unknown}")
        return 1
    return build(options) if "--onnx" in options else run(options)


def build(options: dict[str, str]) -> int:
    graph = Path(options["--onnx"]).read_bytes()
    if graph == b"refused":
        say("[11/22/2025-04:00:00] [I] Start parsing network model.")
        say("[11/22/2025-04:00:00] [E] Error[4]: orig_im_size is a shape tensor")
        say("&&&& FAILED TensorRT.trtexec")
        return 1
    Path(options["--saveEngine"]).write_bytes(graph)
    Path(options["--exportLayerInfo"]).write_text('{"Layers": []}', encoding="utf-8")
    Path(options["--timingCacheFile"]).write_bytes(b"measured")
    return 0


def run(options: dict[str, str]) -> int:
    if not Path(options["--loadEngine"]).exists():
        say(f"[11/22/2025-04:00:00] [E] Error opening engine file: {options['--loadEngine']}")
        return 1
    shapes = dict(spec.split(":") for spec in options["--shapes"].split(","))
    files = dict(spec.split(":") for spec in options["--loadInputs"].split(","))
    inputs = {name: tensor(name, files[name], shape) for name, shape in shapes.items()}
    with Path(options["--exportOutput"]).open("w", encoding="utf-8") as file:
        file.write("[\n")
        for index, (name, values) in enumerate(compute(inputs, golden()).items()):
            dims = "(" + ", ".join(map(str, values.shape)) + ")"
            numbers = ", ".join(f"{value:g}" for value in values.ravel())
            file.write(f'{", " if index else "  "}{{ "name" : "{name}"\n')
            file.write(f'  , "dimensions" : "{dims}"\n  , "values" : [ {numbers} ]\n  }}\n')
        file.write("]\n")
    return 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def tensor(name: str, file: str, shape: str) -> np.ndarray:
    values = np.fromfile(file, dtype=DTYPES.get(name, np.float32))
    return values.reshape(tuple(map(int, shape.split("x"))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
