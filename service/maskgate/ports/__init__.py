"""What the use cases need of the outside world, one module a subject.

The comments are the contract; tests/contract/ holds every adapter to it.
"""

from maskgate.ports.admission import AdmissionWatcher, EmbeddingWatcher, Refusal
from maskgate.ports.embeddings import EmbeddingCache, EmbeddingShelf
from maskgate.ports.generations import GenerationNotes
from maskgate.ports.images import Deletions, ImageCopies, ImageDecoder, ImageFetcher, ImageStore
from maskgate.ports.inference import InferenceBackend
from maskgate.ports.locks import EncodeLocks, Lease
from maskgate.ports.masks import MaskEncoder, MaskReader, MaskShelf
from maskgate.ports.offload import Offload
from maskgate.ports.tenants import ApiKeys, ImageGrants, Quotas

__all__ = [
    "AdmissionWatcher",
    "ApiKeys",
    "Deletions",
    "EmbeddingCache",
    "EmbeddingShelf",
    "EmbeddingWatcher",
    "EncodeLocks",
    "GenerationNotes",
    "ImageCopies",
    "ImageDecoder",
    "ImageFetcher",
    "ImageGrants",
    "ImageStore",
    "InferenceBackend",
    "Lease",
    "MaskEncoder",
    "MaskReader",
    "MaskShelf",
    "Offload",
    "Quotas",
    "Refusal",
]
