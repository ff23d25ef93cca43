"""Files that are there as a whole or not at all, and the digests that tell them apart."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Give a path to write to, and put the file in its place once it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        fresh = Path(scratch, path.name)
        yield fresh
        fresh.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a small file at once."""
    with written_beside(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


@contextmanager
def borrowed(original: Path | None, copy: Path) -> Iterator[None]:
    """Work with a copy of a file that may not exist yet, and put the copy in its place if all goes well.

    Two who borrow at the same time do not disturb each other: the later return is what stays.
    """
    if original and original.exists():
        shutil.copyfile(original, copy)
    yield
    if original and copy.exists():
        with written_beside(original) as fresh:
            shutil.copyfile(copy, fresh)


def digest(path: Path) -> str:
    """Return `sha256:<64 hex>` of a file's bytes."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def graph_digest(onnx: Path) -> str:
    """Return one digest of a graph and of the weights outside it, whose files' names begin with the graph's."""
    parts = sorted(onnx.parent.glob(f"{onnx.name}*"))
    listing = "\n".join(f"{part.name} {digest(part)}" for part in parts)
    return f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}"
