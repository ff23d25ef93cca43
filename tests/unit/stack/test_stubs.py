from __future__ import annotations

from pathlib import Path

import pytest

from maskgate.stack.stubs import Stubs

BACKENDS, REPOSITORY = Path("/run/backends"), Path("/run/models")
STUB = b"/run/backends/python/triton_python_backend_stub"


@pytest.fixture
def processes(tmp_path: Path) -> Path:
    """A process table: two stubs of ours, one of another server, one that has ended, and Triton itself."""
    for process, command in {
        11: (STUB, b"/run/models/lite0_decoder/1/model.plan", b"region"),
        12: (STUB, b"/run/models/lite0_encoder/1/model.plan", b"region"),
        13: (b"/other/backends/python/triton_python_backend_stub", b"/other/models/a/1/model.plan"),
        14: (),
        15: (b"/opt/bin/tritonserver", b"--model-repository=/run/models"),
    }.items():
        (tmp_path / str(process)).mkdir()
        (tmp_path / str(process) / "cmdline").write_bytes(b"".join(word + b"\0" for word in command))
    (tmp_path / "16").mkdir()  # ended between being listed and being read
    return tmp_path


def test_stubs_are_found_by_their_command_lines(processes: Path) -> None:
    """Each stub of this server is found, with the model that it runs."""
    stubs = Stubs(backends=BACKENDS, model_repository=REPOSITORY, processes=processes)

    assert {11: "lite0_decoder", 12: "lite0_encoder"} == stubs.find()


@pytest.mark.parametrize(("process", "running"), [(11, True), (14, False), (15, False), (16, False), (17, False)])
def test_what_has_ended_does_not_run(processes: Path, process: int, *, running: bool) -> None:
    """A process that has ended does not run, waited for or not, even where its number is another program's now."""
    stubs = Stubs(backends=BACKENDS, model_repository=REPOSITORY, processes=processes)

    assert running == stubs.is_running(process)
