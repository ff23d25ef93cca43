"""Where a model is built, and how it is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskforge.errors import BuildInProgress, CannotWrite, NotEnoughSpace
from maskforge.export.site import building_site, publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

MODEL = "sam.v1-0.5"
PARTS = (f"{MODEL}_decoder", f"{MODEL}_decoder_multi", f"{MODEL}_encoder")


def folders(parent: Path, generation: str) -> list[Path]:
    for part in PARTS:
        (parent / part).mkdir(parents=True)
        (parent / part / generation).touch()
    return [parent / part for part in PARTS]


def generations(repository: Path) -> list[str]:
    return [file.name for part in PARTS for file in (repository / part).iterdir()]


def test_a_model_takes_the_place_of_its_predecessor(tmp_path: Path) -> None:
    """Nothing of the old folders is left, whatever is in the model's name, and neither is the site."""
    folders(tmp_path, "old")

    with building_site(MODEL, tmp_path) as site:
        published = publish(folders(site, "new"), tmp_path)

    assert [tmp_path / part for part in PARTS] == published == sorted(tmp_path.iterdir())
    assert ["new", "new", "new"] == generations(tmp_path)


def test_the_encoder_is_published_after_the_decoders(tmp_path: Path) -> None:
    """A publication that fails there leaves the old one in its place."""
    folders(tmp_path, "old")
    site = tmp_path / "site"
    decoder, multi, encoder = folders(site, "new")
    encoder.rename(site / "not there")

    with pytest.raises(FileNotFoundError):
        publish((decoder, multi, encoder), tmp_path)

    assert ["new", "new", "old"] == generations(tmp_path)


def test_a_site_is_for_one_build(tmp_path: Path) -> None:
    """A second build is refused while the first is at work, and welcome afterwards."""
    with (
        building_site(MODEL, tmp_path),
        pytest.raises(BuildInProgress, match="another build of this model is at work"),
        building_site(MODEL, tmp_path),
    ):
        pass

    with building_site(MODEL, tmp_path) as site:
        assert site.exists()


@pytest.mark.parametrize(
    "write", [lambda file: file.write(b"weights"), lambda file: np.zeros(1 << 20).tofile(file)], ids=["bytes", "numpy"]
)
def test_a_full_disk_is_told(tmp_path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Space that runs out in the middle of a build is the same error as space that was not there before it."""
    with (
        pytest.raises(NotEnoughSpace, match=f"no space is left on the disk for {tmp_path}"),
        building_site(MODEL, tmp_path),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        write(full)


def test_a_place_that_is_taken_is_told(tmp_path: Path) -> None:
    """A file where the site should be is an error that names it."""
    (tmp_path / f".{MODEL}.building").touch()

    with pytest.raises(CannotWrite, match="building cannot be written: File exists"), building_site(MODEL, tmp_path):
        pass


def test_nobody_who_reads_is_no_matter_of_files(tmp_path: Path) -> None:
    """A pipe that is closed is the command line's to handle."""
    with pytest.raises(BrokenPipeError), building_site(MODEL, tmp_path):
        raise BrokenPipeError
