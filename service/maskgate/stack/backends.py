"""The backend directory given to Triton: its own backends, and ours in the place of TensorRT's on a CPU."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from maskgate.stack.discovery import TritonInstall


def assemble_backends(install: TritonInstall, *, tensorrt: Path | None, into: Path) -> None:
    """Fills the folder `into` with links and, where links will not do, copies.

    Args:
        install: The server; its own backends are linked as they are.
        tensorrt: The folder of the backend to use in the place of TensorRT's; None keeps the server's own.
        into: A folder that does not exist yet.
    """
    into.mkdir()
    for backend in _folders(install.backends):
        (into / backend.name).symlink_to(backend)
    if install.stub is not None:
        _replace_python(into / "python", original=install.backends / "python", stub=install.stub)
    if tensorrt is not None:
        _replace_tensorrt(into / "tensorrt", ours=tensorrt)


def _replace_python(folder: Path, *, original: Path, stub: Path) -> None:
    """Puts the stub beside the Python backend's library, where it is looked for.

    These are copies (3 MB): Triton refuses a library that a link leads out of its backend's folder.
    """
    folder.unlink(missing_ok=True)
    folder.mkdir()
    for file in (*original.glob("*.*"), stub):
        shutil.copy(file, folder)


def _replace_tensorrt(folder: Path, *, ours: Path) -> None:
    """Puts a copy of our backend in place, so that Python's bytecode cache is not written into a checkout."""
    folder.unlink(missing_ok=True)
    shutil.copytree(ours, folder, ignore=shutil.ignore_patterns("__pycache__"))


def _folders(parent: Path) -> list[Path]:
    return [path for path in sorted(parent.iterdir()) if path.is_dir()]
