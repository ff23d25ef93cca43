"""The gateway's image, built by buildah from its Dockerfile, and run."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CERTIFICATES = "/etc/ssl/certs"
TAG = "localhost/maskgate"
BASE = "localhost/python"
RUN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Buildah:
    """buildah, with all that it keeps in one folder; as root, and with no daemon."""

    folder: Path

    def __call__(self, command: str, *arguments: str | Path) -> str:
        """Run a command; tells what it prints."""
        return subprocess.run(
            ["buildah", *self._storage, command, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    @property
    def _storage(self) -> tuple[str, ...]:
        # vfs copies each layer: slow, and the only driver that works in any sandbox.
        return ("--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--storage-driver", "vfs")

    def build(self, tag: str, dockerfile: Path, context: Path, *options: str) -> None:
        """Build an image."""
        how = ("--isolation", "chroot", "--network", "host", "--format", "docker", "--pull-never")
        self("build", *how, *options, "--tag", tag, "--file", dockerfile, context)


@dataclass(frozen=True, slots=True)
class Image:
    """An image that has been built.

    Attributes:
        root: Its files.
        base: Those of what it was built on.
        config: Of its container, as Docker writes it.
    """

    root: Path
    base: Path
    config: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """What its processes find in their environment."""
        return dict(variable.split("=", 1) for variable in self.config["Env"])

    @property
    def health_check(self) -> list[str]:
        """Its command."""
        kind, *command = self.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        return command

    def added_bytes(self) -> int:
        """What it has more than its base."""
        return _size(self.root) - _size(self.base)

    def start(self, *command: str, own_network: bool = False, **environment: str) -> subprocess.Popen[str]:
        """Start a command in it, with a read-only root, and with this machine's network or one of its own."""
        apart = ["unshare", "--mount", *(["--net"] if own_network else [])]
        return subprocess.Popen(
            [*apart, HERE / "in-root", self.root, *command],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, **environment: str) -> tuple[int, str]:
        """Run one to its end, in a network of its own; its exit status and what it said."""
        process = self.start(*command, own_network=True, **environment)
        told, _ = process.communicate(timeout=RUN_SECONDS)
        return process.returncode, told


def build(folder: Path, base: Path) -> Image:
    """Build it on the root file system `base`, a tar file."""
    buildah = Buildah(folder)
    context = folder / "base"
    context.mkdir()
    os.link(base, context / "base.tar")
    (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
    buildah.build(BASE, context / "Dockerfile", context)
    options = ("--build-arg", f"PYTHON={BASE}", "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro")
    buildah.build(TAG, ROOT / "deploy/gateway/Dockerfile", ROOT, *options)
    config = json.loads(buildah("inspect", "--type", "image", TAG))["Docker"]["config"]
    return Image(_mounted(buildah, TAG), _mounted(buildah, BASE), config)


def _mounted(buildah: Buildah, tag: str) -> Path:
    return Path(buildah("mount", buildah("from", "--pull-never", tag)))


def _size(folder: Path) -> int:
    told = subprocess.run(["du", "--summarize", "--bytes", folder], check=True, stdout=subprocess.PIPE, text=True)
    return int(told.stdout.split()[0])
