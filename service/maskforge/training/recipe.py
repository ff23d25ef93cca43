"""The recipe of lite0: what is trained, for how long and on what, with the reason of every departure from SAM's.

SAM's own is in the paper, appendix A, "Training algorithm", "Losses" and "Training recipe". Everything is counted in
steps, never in seconds, so that one seed gives one model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from types import MappingProxyType
from typing import Final, NamedTuple

CORRECTIONS: Final = 3
DEFAULT_SHARES: Final[Mapping[str, float]] = MappingProxyType(
    {"coco": 0.45, "ccp": 0.18, "dubai": 0.14, "pets": 0.13, "dsb2018": 0.10}
)


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the curriculum.

    Attributes:
        steps: How many.
        image_size: S, the side of the frame.
        images: Images to a step.
        masks: Masks to an image, K; repeated with other prompts where an image has fewer.
        zoom: Range of the photo's scale; at 1 its longest side is S.
    """

    steps: int
    image_size: int
    images: int
    masks: int
    zoom: tuple[float, float]

    @property
    def work(self) -> float:
        """What a step costs, up to a factor: an encode is worth about four decodes, and there are the corrections."""
        return self.images * self.image_size**2 * (self.masks + CORRECTIONS + 4)


DEFAULT_PHASES: Final = (
    Phase(10_000, 256, 8, 4, (0.9, 2.6)),
    Phase(3_000, 384, 6, 3, (0.8, 2.0)),
    Phase(2_000, 512, 4, 3, (0.7, 1.6)),
)
"""SAM trains at the served size throughout. A step at 512 costs as much as four at 256, whose frames, cut from enlarged
photos, show things at the size in pixels that they will have when served. The size is reached for the last steps."""


@dataclass(frozen=True, slots=True)
class ExampleConfig:
    """How images are made, and the first prompts.

    Attributes:
        source_shares: Share of images by source; sources that it does not name are drawn as often as their mean.
        dense_weight: How many times as often a photo is drawn in which stuff is labelled too: nearly every scene in the
            world is full of it, and few of our photos say where.
        mask_area: Range of a mask's share of the frame: from what a 4 px square of logits has at 256 px, to nearly
            everything, as SAM drops masks above 90 %.
        box_share: Share of boxes among the first prompts; the others are clicks. SAM's "equal probability".
        centre_share: Share of clicks at the mask's centre. SAM's are uniform; people and protocols click the middle.
        box_noise: Standard deviation of a box's edges, as a share of its side; SAM's.
        box_noise_limit: Largest shift of an edge, as a share of the frame; SAM's 20 px of 1024.
        stretch: Largest change of the aspect ratio, as a factor.
        contrast: Range of the factor on pixel values.
        brightness: Largest shift of pixel values.
        saturation: Range of the factor on the distance from grey.
        gamma: Largest exponent on pixel values, or one over it.
        paste_share: Share of images that other photos' cut-outs are pasted onto (Ghiasi et al. 2021): SAM had 11 M
            photos, we have two thousand, and a thing in a new place is nearly a new thing.
        pastes: Most cut-outs on one image.
        paste_side: Range of a cut-out's longest side, as a share of the frame.
        turned_sources: Sources without an up: their photos are turned by quarters.
        pasted_sources: Sources whose photos give and take cut-outs.
    """

    source_shares: Mapping[str, float] = field(default_factory=lambda: DEFAULT_SHARES)
    dense_weight: float = 3.0
    mask_area: tuple[float, float] = (0.00075, 0.9)
    box_share: float = 0.5
    centre_share: float = 0.5
    box_noise: float = 0.1
    box_noise_limit: float = 20 / 1024
    stretch: float = 1.2
    contrast: tuple[float, float] = (0.7, 1.3)
    brightness: float = 25.0
    saturation: tuple[float, float] = (0.4, 1.4)
    gamma: float = 1.3
    paste_share: float = 0.4
    pastes: int = 2
    paste_side: tuple[float, float] = (0.15, 0.7)
    turned_sources: tuple[str, ...] = ("dubai", "dsb2018")
    pasted_sources: tuple[str, ...] = ("coco", "pets", "ccp")


@dataclass(frozen=True, slots=True)
class RoundConfig:
    """How a step's prompts are refined and its losses are weighed.

    Attributes:
        corrections: Rounds after the first, for the first mask of each image. SAM has ten, for every mask; ours is
            trained for fewer, so that more photos are seen in the time.
        without_point: Share of corrections that add no click, so that the model learns to refine; SAM has two of ten.
        feedback_share: Share of corrections that are given the last mask. SAM always gives it; a client need not.
        centre_share: Share of correcting clicks in the middle of the largest error; SAM's are uniform in the error.
        single_weight: Weight of the single-mask token in the first round. SAM gives it no loss there, but a box is
            no ambiguous prompt, and a click may have asked for a single mask.
        correction_weight: Weight of the mean of the corrections' losses.
    """

    corrections: int = CORRECTIONS
    without_point: float = 0.2
    feedback_share: float = 0.85
    centre_share: float = 0.5
    single_weight: float = 0.4
    correction_weight: float = 0.7


@dataclass(frozen=True, slots=True)
class Recipe:
    """A training run.

    Attributes:
        phases: Small images first, the served size last. The rate is constant in the first phase, then falls to zero:
            so a run may be cut short, or prolonged, as long as it is in its first phase.
        examples: How images are made.
        rounds: How prompts are refined.
        learning_rate: Peak rate of everything but the trunk, and of it `trunk_rate` for the trunk's last block.
        trunk_rate: The trunk knows ImageNet and must not forget it.
        layer_decay: Each earlier block of the trunk learns at this share of the next one's rate; SAM's is .8 a layer.
        frozen_blocks: The trunk's first blocks, with the stem, that stay as ImageNet left them: their gradients are
            the dearest, and edges are edges.
        frozen_steps: Steps that the whole trunk is frozen for, while the rest is random.
        drop_path: Chance to drop the residual of the trunk's last block, less for earlier ones.
        weight_decay: AdamW's, of weights alone, not of biases, norms and embeddings; SAM's.
        warm_up: Steps to the peak rate, after the start and for the trunk after its thaw; SAM's.
        clip_norm: Largest norm of the gradient.
        average: Decay of the weights' moving average, which is what is kept. SAM has none; it is worth a longer run.
        held_out: One photo of so many is never trained on: it is what progress is measured with.
        seed: Of everything random.
    """

    phases: tuple[Phase, ...] = DEFAULT_PHASES
    examples: ExampleConfig = field(default_factory=ExampleConfig)
    rounds: RoundConfig = field(default_factory=RoundConfig)
    learning_rate: float = 6e-4
    trunk_rate: float = 0.3
    layer_decay: float = 0.85
    frozen_blocks: int = 3
    frozen_steps: int = 1_000
    drop_path: float = 0.1
    weight_decay: float = 0.1
    warm_up: int = 250
    clip_norm: float = 1.0
    average: float = 0.999
    held_out: int = 20
    seed: int = 0

    @property
    def steps(self) -> int:
        """How many steps the whole run has."""
        return sum(phase.steps for phase in self.phases)

    def with_first_phase(self, steps: int) -> "Recipe":
        """Return the recipe with a first phase of so many steps; the later ones finish what it has begun."""
        first, *later = self.phases
        return replace(self, phases=(replace(first, steps=steps), *later))

    def until(self, step: int) -> "Recipe":
        """Return what of the recipe has mattered after `step` steps: a first phase may end whenever one likes."""
        if step > self.phases[0].steps:
            return self
        return replace(self, phases=(replace(self.phases[0], steps=step),))

    def shortened(self, share: float) -> "Recipe":
        """Return the recipe with that share of its steps, to be tried; no phase vanishes."""
        phases = tuple(replace(phase, steps=max(1, round(share * phase.steps))) for phase in self.phases)
        frozen, warm_up = (round(share * steps) for steps in (self.frozen_steps, self.warm_up))
        return replace(self, phases=phases, frozen_steps=frozen, warm_up=warm_up)

    def phase_at(self, step: int) -> "PlannedPhase":
        """Return the phase that a step lies in, the last one after the end."""
        return next((phase for phase in self._planned() if step < phase.end), self._planned()[-1])

    def rate_at(self, step: int, since: int = 0) -> float:
        """Return the factor on the rates: warm-up from step `since`, then constant, then linear to zero."""
        start = self.phases[0].steps
        falling = max(self.steps - start, 1)
        warm = min(1.0, (step - since + 1) / max(self.warm_up, 1))
        return warm * min(1.0, max(0.0, (self.steps - step) / falling))

    def _planned(self) -> "list[PlannedPhase]":
        ends = accumulate(phase.steps for phase in self.phases)
        return [PlannedPhase(phase, end) for phase, end in zip(self.phases, ends, strict=True)]


class PlannedPhase(NamedTuple):
    """A phase and the step that it ends before."""

    phase: Phase
    end: int
