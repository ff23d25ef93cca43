from __future__ import annotations

import io
import json
import pickle
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from maskforge.checkpoints.reading import Checkpoint, Format, read_checkpoint
from maskforge.errors import InvalidCheckpoint
from maskforge.sam.variants import VARIANTS
from tests.unit.forge.checkpoints.sizes import SMALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
LITE0 = Path("model_repository/lite0_encoder/weights.safetensors")


def _same(expected: Mapping[str, Tensor], actual: Mapping[str, Tensor]) -> bool:
    return expected.keys() == actual.keys() and all(torch.equal(expected[name], actual[name]) for name in expected)


# What can be read


def test_an_official_file_is_read(official: Path, official_weights: dict[str, Tensor]) -> None:
    """Meta's `.pth` is told from its contents, and keeps its names."""
    checkpoint = read_checkpoint(official)

    assert (Format.META, SMALL, (official,)) == (checkpoint.format, checkpoint.vit, checkpoint.files)
    assert _same(official_weights, checkpoint.tensors)


def test_a_file_of_before_torch_1_6_is_read(tmp_path: Path, official_weights: dict[str, Tensor]) -> None:
    """A bare pickle holds the same, though its tensors cannot stay on disk."""
    torch.save(official_weights, tmp_path / "old", _use_new_zipfile_serialization=False)

    assert _same(official_weights, read_checkpoint(tmp_path / "old").tensors)


def test_a_hugging_face_folder_is_read(hugging_face: Path, official_weights: dict[str, Tensor]) -> None:
    """A folder of transformers is told from its contents; the names become Meta's, all of them."""
    checkpoint = read_checkpoint(hugging_face)

    assert (Format.HUGGING_FACE, SMALL) == (checkpoint.format, checkpoint.vit)
    assert (hugging_face / WEIGHTS,) == checkpoint.files
    shapes = {name: tensor.shape for name, tensor in official_weights.items()}
    assert shapes == {name: tensor.shape for name, tensor in checkpoint.tensors.items()}


def test_shards_are_one_checkpoint(hugging_face: Path, sharded: Path) -> None:
    """A folder with several files and an index gives what the single file gives, and so does the index."""
    expected = read_checkpoint(hugging_face)

    actual = read_checkpoint(sharded)

    assert len(actual.files) > 1
    assert _same(expected.tensors, actual.tensors)
    assert actual.files == read_checkpoint(sharded / INDEX).files


def test_names_and_container_are_told_apart(
    tmp_path: Path, hugging_face: Path, official_weights: dict[str, Tensor]
) -> None:
    """Meta's names in safetensors, and Hugging Face's in a `.pth`, are read, whatever the files are called."""
    save_file({name: tensor.contiguous() for name, tensor in official_weights.items()}, tmp_path / "sam.pth")
    torch.save(load_file(hugging_face / WEIGHTS), tmp_path / WEIGHTS)

    assert Format.META == read_checkpoint(tmp_path / "sam.pth").format
    assert Format.HUGGING_FACE == read_checkpoint(tmp_path / WEIGHTS).format


@pytest.mark.parametrize("length", [0x7B7B, 0x8080, 0x4B50], ids=["a brace", "a pickle", "a zip archive"])
def test_safetensors_that_begin_like_something_else(
    tmp_path: Path, official_weights: dict[str, Tensor], length: int
) -> None:
    """The first byte of safetensors is the length of a header, and may be any."""
    raw = save({name: tensor.contiguous() for name, tensor in official_weights.items()})
    end = 8 + int.from_bytes(raw[:8], "little")
    padded = raw[8:end].ljust((end // 0x10000 + 1) * 0x10000 + length)
    (tmp_path / "file").write_bytes(len(padded).to_bytes(8, "little") + padded + raw[end:])

    assert _same(official_weights, read_checkpoint(tmp_path / "file").tensors)


def test_both_names_of_the_shared_positions_are_one(tmp_path: Path, hugging_face: Path) -> None:
    """Older files hold the tensor that places points and image cells twice."""
    stored = load_file(hugging_face / WEIGHTS)
    positions = stored["shared_image_embedding.positional_embedding"]
    twice = stored | {"prompt_encoder.shared_embedding.positional_embedding": positions.clone()}
    save_file(twice, tmp_path / WEIGHTS)

    assert _same(read_checkpoint(hugging_face).tensors, read_checkpoint(tmp_path).tensors)


def test_the_published_size_is_named() -> None:
    """A checkpoint of a published size says which; any other says that it is none."""
    for name, vit in VARIANTS.items():
        assert name == Checkpoint((), Format.META, vit, {}).variant
    assert Checkpoint((), Format.META, SMALL, {}).variant is None


# What cannot


def _refused(path: Path) -> str:
    with pytest.raises(InvalidCheckpoint) as caught:
        read_checkpoint(path)
    return str(caught.value)


def test_shared_positions_that_differ_are_refused(tmp_path: Path, hugging_face: Path) -> None:
    """Where SAM has one tensor, two different ones are an error."""
    stored = load_file(hugging_face / WEIGHTS)
    positions = stored["shared_image_embedding.positional_embedding"]
    save_file(stored | {"prompt_encoder.shared_embedding.positional_embedding": positions + 1}, tmp_path / WEIGHTS)

    assert "two tensors that SAM shares differ" in _refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "neither a checkpoint of PyTorch nor safetensors"),
        (b"<!doctype html><title>Not found</title>", "neither a checkpoint of PyTorch nor safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "fetch them with `git lfs pull`"),
        (b"PK\x03\x04 and nothing else", "damaged or cut short"),
        (b'\x05\0\0\0\0\0\0\0{"a":', "damaged or cut short"),
        (b"{", "no index of safetensors files"),
        (b'{"weight_map": {}}', "no index of safetensors files"),
        (b'{"weight_map": ["a"]}', "no index of safetensors files"),
        (b'{"weight_map": {"a": "../../b"}}', "no index of safetensors files in its own folder"),
        (b'{"weight_map": {"a": "b"}}', "names b, which is not beside it"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    """A file of another kind is an error that says what it is, or what it is not."""
    (tmp_path / "file").write_bytes(content)

    assert complaint in _refused(tmp_path / "file")


def test_nothing_is_refused(tmp_path: Path) -> None:
    """A path that leads nowhere, and a folder that holds no weights, are errors of the same kind."""
    assert "No such file" in _refused(tmp_path / "nowhere")
    assert f"neither {WEIGHTS} nor {INDEX}" in _refused(tmp_path)


def test_a_shard_that_is_missing_is_named(tmp_path: Path, sharded: Path) -> None:
    """The index alone is not enough."""
    shutil.copy(sharded / INDEX, tmp_path)
    first = min(json.loads((sharded / INDEX).read_text(encoding="utf-8"))["weight_map"].values())

    assert f"names {first}, which is not beside it" in _refused(tmp_path)


class Intruder:
    """Writes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._trace,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip archive", "bare pickle"])
def test_code_in_a_pickle_is_not_run(tmp_path: Path, *, zipped: bool) -> None:
    """A checkpoint that would run code is refused, and the code is not run."""
    intruder = {"image_encoder.pos_embed": Intruder(tmp_path / "trace")}
    torch.save(intruder, tmp_path / "sam.pth", _use_new_zipfile_serialization=zipped)

    assert "holds Python objects beside tensors; those are not loaded" in _refused(tmp_path / "sam.pth")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        ({"model": {}, "optimizer": {}, "epoch": 3}, "but a dict of 'model', 'optimizer', 'epoch'"),
        ([torch.zeros(1)], "but a list"),
    ],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, stored: object, complaint: str) -> None:
    """A file that holds other things says which: the weights may be inside."""
    torch.save(stored, tmp_path / "sam.pth")

    assert complaint in _refused(tmp_path / "sam.pth")


def test_another_model_is_refused() -> None:
    """Readable weights of another model are no checkpoint of SAM."""
    assert "no ViT image encoder of SAM: image_encoder.pos_embed is missing" in _refused(LITE0)


@pytest.mark.parametrize("kept", [100, 0.5, 0.999])
def test_files_that_were_cut_short_are_refused(tmp_path: Path, official: Path, hugging_face: Path, kept: float) -> None:
    """A download that ended early is an error, wherever it ended."""
    for name, source in (("sam.pth", official), (WEIGHTS, hugging_face / WEIGHTS)):
        raw = source.read_bytes()
        (tmp_path / name).write_bytes(raw[: int(kept if kept > 1 else kept * len(raw))])

        assert "damaged or cut short" in _refused(tmp_path / name)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip archive", "bare pickle"])
def test_damage_is_one_kind_of_error(tmp_path: Path, *, zipped: bool) -> None:
    """Whatever a flipped byte makes the unpickler stumble over, the file is refused, and nothing else happens."""
    saved = io.BytesIO()
    torch.save({"image_encoder.pos_embed": torch.ones(2, 3)}, saved, _use_new_zipfile_serialization=zipped)
    dice = random.Random(5)  # noqa: S311
    for _ in range(300):
        damaged = bytearray(saved.getvalue())
        damaged[dice.randrange(4, len(damaged))] = dice.randrange(256)
        (tmp_path / "sam.pth").write_bytes(damaged)

        assert _refused(tmp_path / "sam.pth")


def test_a_pickle_of_another_program_is_refused(tmp_path: Path) -> None:
    """Not every pickle comes from torch."""
    (tmp_path / "sam.pth").write_bytes(pickle.dumps({"a": 1}))

    assert "damaged or holds Python objects" in _refused(tmp_path / "sam.pth")
