from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from maskgate.stack.backends import assemble_backends
from maskgate.stack.discovery import TritonInstall, find_triton
from maskgate.stack.environment import PythonEnvironment, inspect_environment
from maskgate.stack.errors import NotInstalled


def touch(path: Path, *, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def wheel(tmp_path: Path) -> PythonEnvironment:
    """An environment that holds what the wheel's files are called."""
    environment = PythonEnvironment(
        prefix=tmp_path / "venv",
        version="3.11",
        site_packages=tmp_path / "venv" / "lib" / "python3.11" / "site-packages",
        library_folder=tmp_path / "base" / "lib",
    )
    touch(environment.tritonserver / "bin" / "tritonserver")
    touch(environment.tritonserver / "backends" / "python" / "libtriton_python.so", text="library")
    touch(environment.stub, text="stub")
    touch(environment.library_folder / "libpython3.11.so.1.0")
    return environment


@pytest.fixture
def container(tmp_path: Path) -> Path:
    """A server as NVIDIA's container image has it."""
    folder = tmp_path / "opt" / "tritonserver"
    touch(folder / "backends" / "python" / "libtriton_python.so")
    touch(folder / "backends" / "tensorrt" / "libtriton_tensorrt.so")
    return touch(folder / "bin" / "tritonserver")


def nothing_on_path(_: str) -> None:
    return None


def no_environment(python: Path) -> PythonEnvironment:
    raise AssertionError(f"{python} must not be asked")


def test_the_given_server_comes_first(container: Path) -> None:
    """`--tritonserver` is taken without looking at PATH or at a Python."""
    found = find_triton(tritonserver=container, which=lambda _: "/elsewhere", inspect=no_environment)

    assert TritonInstall(executable=container, backends=container.parents[1] / "backends") == found


def test_the_server_on_path_comes_second(container: Path) -> None:
    """A `tritonserver` on PATH is taken rather than the wheel."""
    found = find_triton(python=Path("python"), which=lambda _: str(container), inspect=no_environment)

    assert container == found.executable


def test_the_wheel_comes_last(wheel: PythonEnvironment) -> None:
    """Without any other server the wheel's is taken, with its own stub."""
    found = find_triton(python=Path("python"), which=nothing_on_path, inspect=lambda _: wheel)

    assert (wheel.tritonserver / "bin" / "tritonserver", wheel.stub) == (found.executable, found.stub)


def test_the_wheel_finds_its_python(wheel: PythonEnvironment) -> None:
    """The interpreter's own libpython is found before the wheel's libraries, and its environment before any other."""
    environment = find_triton(python=Path("python"), which=nothing_on_path, inspect=lambda _: wheel).environment

    assert [str(wheel.library_folder), str(wheel.wheel_libraries)] == environment["LD_LIBRARY_PATH"].split(":")[:2]
    assert str(wheel.prefix / "bin") == environment["PATH"].split(":")[0]


def test_compiled_models_are_kept_with_their_openvino(wheel: PythonEnvironment) -> None:
    """The backend for CPUs is told a folder of the environment whose OpenVINO it runs."""
    environment = find_triton(python=Path("python"), which=nothing_on_path, inspect=lambda _: wheel).environment

    assert str(wheel.prefix / "compiled-models") == environment["MASKGATE_COMPILED_MODELS"]


def test_the_wheel_given_by_its_server(wheel: PythonEnvironment) -> None:
    """A `--tritonserver` that lies in a wheel is run with the Python of that environment."""
    asked: list[Path] = []

    def inspect(python: Path) -> PythonEnvironment:
        asked.append(python)
        return wheel

    find_triton(tritonserver=wheel.tritonserver / "bin" / "tritonserver", which=nothing_on_path, inspect=inspect)

    assert [wheel.prefix / "bin" / "python"] == asked


def test_an_environment_without_the_wheel(wheel: PythonEnvironment, tmp_path: Path) -> None:
    """A Python without the wheel is an error that says what to install there."""
    empty = replace(wheel, site_packages=tmp_path / "empty")

    with pytest.raises(NotInstalled, match=r"has no nvidia-pytriton; install deploy/triton/requirements\.txt there"):
        find_triton(python=Path("python"), which=nothing_on_path, inspect=lambda _: empty)


def test_a_python_too_new_for_the_wheel(wheel: PythonEnvironment) -> None:
    """A version of Python for which the wheel has no stub is named in the error."""
    newer = replace(wheel, version="3.99")

    with pytest.raises(NotInstalled, match=r"cannot run models with Python 3\.99"):
        find_triton(python=Path("python"), which=nothing_on_path, inspect=lambda _: newer)


def test_a_python_without_a_shared_library(wheel: PythonEnvironment) -> None:
    """A missing libpython is found out before Triton starts, which would wait for its stub until a timeout."""
    (wheel.library_folder / "libpython3.11.so.1.0").unlink()

    with pytest.raises(NotInstalled, match=r"Triton needs libpython3\.11\.so\.1\.0"):
        find_triton(python=Path("python"), which=nothing_on_path, inspect=lambda _: wheel)


def test_a_shared_library_in_the_environment(wheel: PythonEnvironment) -> None:
    """A libpython in the environment's own `lib` serves where the interpreter has none."""
    (wheel.library_folder / "libpython3.11.so.1.0").rename(wheel.prefix / "lib" / "libpython3.11.so.1.0")

    found = find_triton(python=Path("python"), which=nothing_on_path, inspect=lambda _: wheel)

    assert found.environment["LD_LIBRARY_PATH"].startswith(f"{wheel.prefix / 'lib'}:")


def test_no_such_server(tmp_path: Path) -> None:
    """A `--tritonserver` that cannot be run is named in the error."""
    with pytest.raises(NotInstalled, match=r"absent' \(--tritonserver\) is not a program"):
        find_triton(tritonserver=tmp_path / "absent")


def test_a_python_is_asked_where_its_things_are() -> None:
    """An interpreter names its own prefix and version."""
    environment = inspect_environment(Path(sys.executable))

    assert Path(sys.prefix) == environment.prefix
    assert f"{sys.version_info.major}.{sys.version_info.minor}" == environment.version


def test_a_python_that_does_not_run(tmp_path: Path) -> None:
    """Something that is no Python is an error that names the option."""
    with pytest.raises(NotInstalled, match=r"\(--triton-python\) is not a Python that runs"):
        inspect_environment(touch(tmp_path / "python", text="#!/bin/false\n"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_wheel_gets_its_stub_and_our_backend(wheel: PythonEnvironment, tmp_path: Path) -> None:
    """The stub lies beside the Python backend's library, and our backend answers to TensorRT's name."""
    ours = touch(tmp_path / "ours" / "model.py").parent
    install = find_triton(python=Path("python"), which=nothing_on_path, inspect=lambda _: wheel)

    assemble_backends(install, tensorrt=ours, into=tmp_path / "backends")

    assert {"python", "tensorrt"} == names(tmp_path / "backends")
    assert {"libtriton_python.so", "triton_python_backend_stub"} == names(tmp_path / "backends" / "python")
    assert {"model.py"} == names(tmp_path / "backends" / "tensorrt")


def test_a_server_with_a_gpu_keeps_its_backends(container: Path, tmp_path: Path) -> None:
    """Where the server's own TensorRT works, it stays in place."""
    assemble_backends(find_triton(tritonserver=container), tensorrt=None, into=tmp_path / "backends")

    assert {"libtriton_tensorrt.so"} == names(tmp_path / "backends" / "tensorrt")


def test_a_server_without_a_gpu_gets_our_backend(container: Path, tmp_path: Path) -> None:
    """Ours takes the place of TensorRT's; the server's own files stay as they are."""
    ours = touch(tmp_path / "ours" / "model.py").parent

    assemble_backends(find_triton(tritonserver=container), tensorrt=ours, into=tmp_path / "backends")

    assert {"model.py"} == names(tmp_path / "backends" / "tensorrt")
    assert {"libtriton_tensorrt.so"} == names(container.parents[1] / "backends" / "tensorrt")


def test_options_are_found_in_the_program(tmp_path: Path) -> None:
    """A server knows the options whose names it holds; one that cannot be read knows none."""
    program = tmp_path / "tritonserver"
    install = TritonInstall(executable=program, backends=tmp_path)
    unread = install.knows("allow-client-shm")
    program.write_bytes(b"\x7fELF\0allow-http\0allow-client-shm\0")

    assert (False, True, False) == (unread, install.knows("allow-client-shm"), install.knows("allow-server-shm"))
