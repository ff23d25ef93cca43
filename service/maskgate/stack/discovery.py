"""Finds a Triton server on this machine, and what it needs to run."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from maskgate.stack.checkout import find_in_checkout
from maskgate.stack.environment import PythonEnvironment, inspect_environment
from maskgate.stack.errors import NotInstalled

DEFAULT_PYTHON = ".venv-triton/bin/python"
HOW_TO_INSTALL = (
    "there is no Triton here: give --triton-url of a running one or --tritonserver of an installed one, or install "
    "its wheel with 'python3 -m venv .venv-triton && .venv-triton/bin/pip install -r deploy/triton/requirements.txt'"
)

Which = Callable[[str], str | None]
Inspect = Callable[[Path], PythonEnvironment]


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonInstall:
    """A `tritonserver` that can be started."""

    executable: Path
    backends: Path
    """Its own backends, one folder each."""
    stub: Path | None = None
    """The Python backend's stub, where it is not in `backends/python` already."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_tensorrt(self) -> bool:
        """Whether it can serve TensorRT plans, given a GPU."""
        return (self.backends / "tensorrt" / "libtriton_tensorrt.so").exists()

    def knows(self, option: str) -> bool:
        """Whether it has an option on its command line: their names are in the program, and asking it takes longer."""
        try:
            return option.encode() in self.executable.read_bytes()
        except OSError:
            return False


def find_triton(
    *,
    tritonserver: Path | None = None,
    python: Path | None = None,
    which: Which = shutil.which,
    inspect: Inspect = inspect_environment,
) -> TritonInstall:
    """Takes the first of: the given executable, `tritonserver` on PATH, the wheel in the given Python's environment.

    Raises:
        NotInstalled: There is none of them.
    """
    executable = tritonserver or _optional_path(which("tritonserver"))
    if executable is not None:
        return _from_executable(executable, inspect=inspect)
    interpreter = python or find_in_checkout(DEFAULT_PYTHON)
    if interpreter is None:
        raise NotInstalled(HOW_TO_INSTALL)
    return from_wheel(inspect(interpreter))


def from_wheel(environment: PythonEnvironment) -> TritonInstall:
    """The server of the wheel `nvidia-pytriton`.

    Its stub must find the interpreter's own libpython before any other one of that version, or the standard library
    and the interpreter do not fit (`'_thread.RLock' object has no attribute '_recursion_count'`).

    Raises:
        NotInstalled: The environment has no such wheel, or none for its version of Python.
    """
    executable = environment.tritonserver / "bin" / "tritonserver"
    if not executable.exists():
        raise NotInstalled(
            f"'{environment.prefix}' has no nvidia-pytriton; install deploy/triton/requirements.txt there"
        )
    if not environment.stub.exists():
        raise NotInstalled(f"the Triton in '{environment.prefix}' cannot run models with Python {environment.version}")
    libraries = (environment.libpython.parent, environment.wheel_libraries)
    return TritonInstall(
        executable=executable,
        backends=environment.tritonserver / "backends",
        stub=environment.stub,
        environment={
            "LD_LIBRARY_PATH": _search_path(*libraries, before=os.environ.get("LD_LIBRARY_PATH")),
            # The stub's interpreter is an isolated one: it does not read PYTHONPATH, but takes its prefix, and with it
            # the site-packages, from the first `python3` on PATH.
            "PATH": _search_path(environment.prefix / "bin", before=os.environ.get("PATH")),
            # Where the backend for CPUs keeps what OpenVINO has compiled; it goes with the OpenVINO that wrote it.
            "MASKGATE_COMPILED_MODELS": str(environment.prefix / "compiled-models"),
        },
    )


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA device and its driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return any(Path("/dev").glob("nvidia[0-9]*"))


def _from_executable(executable: Path, *, inspect: Inspect) -> TritonInstall:
    if not os.access(executable, os.X_OK):
        raise NotInstalled(f"'{executable}' (--tritonserver) is not a program")
    folder = executable.resolve().parents[1]
    if (folder / "python_backend_stubs").exists():  # the wheel's own, which does not run by itself
        return from_wheel(inspect(_interpreter_around(folder)))
    return TritonInstall(executable=executable, backends=folder / "backends")


def _interpreter_around(wheel_folder: Path) -> Path:
    site_packages = wheel_folder.parents[1]
    return site_packages.parents[2] / "bin" / "python"


def _search_path(*folders: Path, before: str | None) -> str:
    return os.pathsep.join([*map(str, folders), *filter(None, [before])])


def _optional_path(path: str | None) -> Path | None:
    return None if path is None else Path(path)
