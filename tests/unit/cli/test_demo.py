from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from maskgate.cli.demo import Step, demo, take_step
from maskgate.domain.prompt import Point, Prompt
from maskgate.stack import Endpoints

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """An output folder below a file is one line and status 1, before anything is started."""
    file = tmp_path / "file"
    file.touch()

    result = CliRunner().invoke(demo, ["--output", str(file / "out")])

    assert 1 == result.exit_code
    assert f"Error: cannot write to '{file / 'out'}' (--output): Not a directory\n" == result.output


@pytest.mark.parametrize(("protocol", "reason"), [("gRPC", "UNAVAILABLE"), ("REST", "Connection refused")])
def test_a_gateway_that_is_gone(protocol: str, reason: str) -> None:
    """A request that fails is one line that names the request, the protocol and the reason."""
    gone = Endpoints(
        grpc="127.0.0.1:1", http="http://127.0.0.1:1", redis="unix:///gone", triton_grpc=None, triton_metrics=None
    )

    with pytest.raises(click.ClickException, match=f"^'a click' over {protocol} failed: .*{reason}") as caught:
        take_step(Step("a click", Prompt((Point(1, 1),)), protocol), gone, b"photo")

    assert "\n" not in caught.value.message
