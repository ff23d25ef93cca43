"""Edge maps: of everything that a model finds (SAM paper, appendix D.2), and of the pixels alone."""

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from maskforge.evaluation.candidates import find_candidates, without_duplicates
from maskforge.evaluation.edges.photos import EdgePhoto
from maskforge.evaluation.edges.thinning import thin_ridges
from maskforge.evaluation.local import LocalView

Floats = npt.NDArray[np.float32]

POINTS_PER_SIDE: Final = 16
NMS_THRESHOLD: Final = 0.7
BLUR: Final = 2.0
"""Standard deviation in pixels of what the pixels' gradient is taken of."""


def mask_edges(photo: EdgePhoto, view: LocalView) -> Floats:
    """Return how much each pixel is an edge between masks: float32 [h,w] from 0 to 1, thinned.

    A 16 x 16 grid, 768 masks; without duplicates; the Sobel filter of each mask's probabilities where the mask's outer
    boundary is; of each pixel the largest; scaled to 1; thinned.
    """
    found = without_duplicates(find_candidates(photo.photo, view, POINTS_PER_SIDE), NMS_THRESHOLD)
    probabilities = (view.at_photo(logits.float()[None, None]).sigmoid()[0, 0].numpy() for logits in found.logits)
    return thin_ridges(_scaled(_strongest(probabilities, (photo.photo.height, photo.photo.width))))


def pixel_edges(photo: EdgePhoto) -> Floats:
    """Return the same of the gradient of the pixels, the classical answer: float32 [h,w]."""
    blurred = cv2.GaussianBlur(np.array(photo.photo.read(), np.float32), (0, 0), BLUR)
    strongest = np.max([sobel(np.ascontiguousarray(channel)) for channel in blurred.transpose(2, 0, 1)], axis=0)
    return thin_ridges(_scaled(strongest))


def outer_edges(probability: Floats) -> Floats:
    """Return the strength of a mask's edge on the pixels just outside of it: float32 [h,w]."""
    mask = (probability > 0.5).astype(np.uint8)
    outside = cv2.dilate(mask, np.ones((3, 3), np.uint8)) > mask
    return sobel(probability) * outside


def sobel(values: Floats) -> Floats:
    """Return the length of the Sobel gradient: float32 [h,w]."""
    across, down = (
        cv2.Sobel(values, cv2.CV_32F, dx, dy, borderType=cv2.BORDER_REPLICATE) for dx, dy in ((1, 0), (0, 1))
    )
    return np.hypot(across, down)


def _strongest(probabilities: Iterable[Floats], size: tuple[int, int]) -> Floats:
    strongest = np.zeros(size, np.float32)
    for probability in probabilities:
        np.maximum(strongest, outer_edges(probability), out=strongest)
    return strongest


def _scaled(values: Floats) -> Floats:
    largest = float(values.max())
    return values / largest if largest else values
