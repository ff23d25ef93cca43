"""The commands of the README, run as they are written."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from maskgate.domain.image import ImageId

if TYPE_CHECKING:
    from maskgate.stack import EmbeddedStack

ROOT = Path.cwd()
BLOCKS = [
    block
    for block in re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    if "127.0.0.1" in block or "maskgate " in block
]

PROGRAMS = [
    block
    for page in ("sdk.md", "prompts.md")
    for block in re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_program_runs(stack: EmbeddedStack, program: str) -> None:
    """A program of the pages about Python does without a word of complaint what it shows."""
    script = program.replace("127.0.0.1:50051", str(stack.endpoints.grpc))

    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert ("", 0) == (finished.stderr, finished.returncode)


def test_readme_shows_the_answer_that_one_gets() -> None:
    """The answer under the upload is that of the photo, its identifier cut short."""
    text = (ROOT / "README.md").read_text()
    content = (ROOT / "docs" / "photos" / "cat.jpg").read_bytes()
    shown = json.loads(text.split("# {", 1)[1].split("\n", 1)[0].join(("{", "")).replace("…", ""))
    with Image.open(io.BytesIO(content)) as photo:
        expected = {"width": photo.width, "height": photo.height, "format": "JPEG", "size_bytes": len(content)}

    assert str(ImageId.of(content)).startswith(shown.pop("image_id"))
    assert expected == shown


def test_readme_has_a_call_of_each_kind() -> None:
    """curl, gRPC and the command line are each shown by a block that can be run."""
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split()[0])
def test_block_runs(stack: EmbeddedStack, tmp_path: Path, block: str) -> None:
    """A block of the README does what it says against a running stack."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    http = str(stack.endpoints.http).removeprefix("http://")
    script = block.replace("127.0.0.1:8080", http).replace("127.0.0.1:50051", str(stack.endpoints.grpc))
    script = script.replace("maskgate segment ", f"maskgate segment --address {stack.endpoints.grpc} ")
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=os.environ
        | {"PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "NO_PROXY": "*", "CURL_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    assert "INVALID" not in finished.stdout
    if "mask.png" in block:
        assert (tmp_path / "mask.png").read_bytes().startswith(b"\x89PNG")
