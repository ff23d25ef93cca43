"""The Python environment that holds Triton's wheel, asked about itself."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from maskgate.stack.errors import NotInstalled

INSPECTION_SECONDS = 30.0
INSPECTION = """
import json, sys, sysconfig
print(json.dumps({
    "prefix": sys.prefix,
    "version": sysconfig.get_python_version(),
    "site_packages": sysconfig.get_path("purelib"),
    "library_folder": sysconfig.get_config_var("LIBDIR") or "",
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonEnvironment:
    """What the stack must know of a Python in order to run Triton's wheel with it."""

    prefix: Path
    version: str
    """`3.11`."""
    site_packages: Path
    library_folder: Path
    """LIBDIR: where this Python's own libpython is, if it has a shared one."""

    @property
    def tritonserver(self) -> Path:
        """The folder of the server in the wheel."""
        return self.site_packages / "pytriton" / "tritonserver"

    @property
    def wheel_libraries(self) -> Path:
        """The shared libraries that the wheel brings."""
        return self.site_packages / "nvidia_pytriton.libs"

    @property
    def stub(self) -> Path:
        """The process in which Triton's Python backend runs a model, made for this version of Python."""
        return self.tritonserver / "python_backend_stubs" / self.version / "triton_python_backend_stub"

    @property
    def libpython(self) -> Path:
        """The library that the stub needs, first in this Python's own folder, then in the environment's `lib`.

        Raises:
            NotInstalled: It is in neither (Debian and Ubuntu package it apart from Python).
        """
        name = f"libpython{self.version}.so.1.0"
        for folder in (self.library_folder, self.prefix / "lib"):
            if (folder / name).exists():
                return folder / name
        raise NotInstalled(
            f"Triton needs {name}, which is neither in {self.library_folder} nor in {self.prefix / 'lib'}: "
            f"install the system's package libpython{self.version} or run 'deploy/triton/get-libpython {self.prefix}'"
        )


def inspect_environment(python: Path) -> PythonEnvironment:
    """Asks an interpreter where its things are.

    Raises:
        NotInstalled: It does not run.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - a command line of ours
            [python, "-I", "-c", INSPECTION], check=True, capture_output=True, timeout=INSPECTION_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInstalled(f"'{python}' (--triton-python) is not a Python that runs: {error}") from error
    facts = json.loads(answer.stdout)
    return PythonEnvironment(
        prefix=Path(facts["prefix"]),
        version=facts["version"],
        site_packages=Path(facts["site_packages"]),
        library_folder=Path(facts["library_folder"]),
    )
