"""Masks that may become part of the result: 36 bytes each, without their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from maskgate.domain.prompt import Box

_RECORD = np.dtype(
    [
        ("crop", "<i4"),
        ("point", "<i4"),
        ("token", "<i4"),
        ("iou", "<f4"),
        ("stability", "<f4"),
        ("box", "<f4", (4,)),
    ]
)


class CandidateId(NamedTuple):
    """What names a mask in a generation, whenever it is repeated: crop, number of the point in its grid, and token."""

    crop: int
    point: int
    token: int

    def __str__(self) -> str:
        return f"{self.crop}.{self.point}.{self.token}"


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """So many of them, in an order.

    Attributes:
        records: The fields of each: crop, point and token as in its identifier; iou, predicted; stability, the score;
            box, XYXY in pixels of the image, right and bottom edges inclusive, as the reference has them.
    """

    records: npt.NDArray[np.void]

    @classmethod
    def none(cls) -> Self:
        """Return no candidates."""
        return cls(np.empty(0, _RECORD))

    @classmethod
    def of(cls, rows: Sequence[tuple[Any, ...]]) -> Self:
        """Make candidates of the fields of each, in their order."""
        return cls(np.array(list(rows), _RECORD))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """Read what `to_bytes` wrote; None where it cannot have."""
        return None if len(data) % _RECORD.itemsize else cls(np.frombuffer(data, _RECORD))

    def to_bytes(self) -> bytes:
        """Serialise."""
        return self.records.tobytes()

    def __len__(self) -> int:
        return len(self.records)

    def __add__(self, others: Candidates) -> Candidates:
        return Candidates(np.concatenate((self.records, others.records)))

    def __getitem__(self, index: npt.NDArray[np.int64] | slice) -> Candidates:
        return Candidates(self.records[index])

    @property
    def ids(self) -> list[CandidateId]:
        """Their identifiers."""
        return [CandidateId(*row) for row in self.records[["crop", "point", "token"]].tolist()]

    def name(self, number: int) -> CandidateId:
        """Return the identifier of one of them."""
        return self[slice(number, number + 1)].ids[0]

    def scores(self) -> Iterator[tuple[CandidateId, tuple[float, float]]]:
        """Yield each with its predicted IoU and its stability score."""
        return zip(self.ids, self.records[["iou", "stability"]].tolist(), strict=True)

    @property
    def ious(self) -> npt.NDArray[np.float32]:
        """float32 [n]."""
        return self.records["iou"]

    @property
    def boxes(self) -> npt.NDArray[np.float32]:
        """float32 [n, 4]."""
        return self.records["box"]


def inclusive(box: Box) -> tuple[float, float, float, float]:
    """Return a box of ours with right and bottom edges as the reference has them (`batched_mask_to_box`)."""
    return box.x1, box.y1, box.x2 - 1, box.y2 - 1
