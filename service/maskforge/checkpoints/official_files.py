"""The checkpoints that Meta published (`README.md` of facebookresearch/segment-anything)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

OFFICIAL_SOURCE: Final = "https://dl.fbaipublicfiles.com/segment_anything/"


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """A file to download.

    Attributes:
        name: The same at every source.
        digest: `sha256:<64 hex>` of its bytes.
    """

    name: str
    digest: str


OFFICIAL_FILES: Final[Mapping[str, CheckpointFile]] = MappingProxyType(
    {
        "vit_b": CheckpointFile(
            "sam_vit_b_01ec64.pth", "sha256:ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"
        ),
        "vit_l": CheckpointFile(
            "sam_vit_l_0b3195.pth", "sha256:3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"
        ),
        "vit_h": CheckpointFile(
            "sam_vit_h_4b8939.pth", "sha256:a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"
        ),
    }
)
"""By model. The six digits in the names begin the files' MD5, not their SHA-256; these are the digests that other
projects have pinned since 2023, among them micro-sam and 3D Slicer's SAM extension."""
