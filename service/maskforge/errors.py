"""Everything that a user of the forge can do something about, as one tree.

ForgeError
├── InvalidCheckpoint
│   └── MismatchedCheckpoint
├── UnusablePhotos
├── DownloadFailed
│   └── WrongDigest
├── NotEnoughSpace
├── CannotWrite
├── BuildInProgress
├── RefusedGraph
├── IncompleteModel
├── ToolFailed
├── ParityFailed
├── GoldenMismatch
├── PlanMismatch
└── ServiceFailed

Each is one sentence for people; the command line prints it without a traceback (`cli/group.py`).
"""

from __future__ import annotations


class ForgeError(Exception):
    """The root; never raised itself."""


class InvalidCheckpoint(ForgeError):
    """The file holds no weights of SAM that can be read: damaged, cut short, code in a pickle, another model."""


class MismatchedCheckpoint(InvalidCheckpoint):
    """The weights are readable, but they are not exactly those of the model that their shapes tell of.

    Attributes:
        missing: Names that the model has and the file lacks.
        unexpected: Names that the file has and the model lacks.
        differing: Names that both have, in shapes or kinds of numbers that do not fit.
    """

    def __init__(
        self,
        message: str,
        *,
        missing: tuple[str, ...] = (),
        unexpected: tuple[str, ...] = (),
        differing: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.missing = missing
        self.unexpected = unexpected
        self.differing = differing


class UnusablePhotos(ForgeError):
    """A folder of photos has nothing to learn from."""


class DownloadFailed(ForgeError):
    """No source gave the file. What has come of it is kept, and the next attempt goes on from there."""


class WrongDigest(DownloadFailed):
    """The bytes are not those of the file that was asked for. Bytes that were downloaded are deleted."""


class NotEnoughSpace(ForgeError):
    """Disk or memory cannot hold what is about to be made."""


class CannotWrite(ForgeError):
    """A file or folder cannot be written: it is read-only, somebody else's, or its place is taken."""


class BuildInProgress(ForgeError):
    """Another process builds the same model in the same repository."""


class RefusedGraph(ForgeError):
    """TensorRT's parser or builder does not accept a graph.

    Attributes:
        messages: What it says is wrong.
    """

    def __init__(self, graph: str, messages: tuple[str, ...]) -> None:
        reasons = " / ".join(" ".join(message.split()) for message in messages)
        super().__init__(f"TensorRT refuses {graph}: {reasons or 'it does not say why'}")
        self.messages = messages


class IncompleteModel(ForgeError):
    """A model's folders lack what plans are built from, or graphs to evaluate; `maskforge build` writes it."""


class ToolFailed(ForgeError):
    """A program of NVIDIA's is missing, did not end in time or well, or answered what cannot be understood."""


class ParityFailed(ForgeError):
    """A graph does not compute what the fp32 model computes. It is not published."""


class GoldenMismatch(ForgeError):
    """A plan computes other masks than the fp32 reference. It is not published."""


class PlanMismatch(ForgeError):
    """A published plan is missing, has changed, or was built for another GPU, TensorRT or graph."""


class ServiceFailed(ForgeError):
    """A running service cannot be reached, refuses what it is asked, or answers what cannot be understood."""
