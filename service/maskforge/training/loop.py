"""The training loop: as many steps as fit into a budget of time, resumable."""

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from maskforge.annotations import Photo, read_photos
from maskforge.checkpoints.weights import save_weights
from maskforge.lite0.model import build_lite0
from maskforge.sam.model import Sam
from maskforge.training.examples import Example, ExampleConfig, stream_batches
from maskforge.training.losses import MaskLoss
from maskforge.training.rounds import RoundConfig, StepResult, train_rounds
from maskforge.training.schedule import Phase, TrainingConfig

log = logging.getLogger(__name__)

SMALLEST_MASK_SHARE = 0.0005


class Trainer:
    """Holds what a checkpoint stores: model, optimiser, steps and seconds spent."""

    def __init__(self, config: TrainingConfig, folder: Path) -> None:
        """Start anew with the pretrained trunk; `resume` continues instead."""
        self._config = config
        self._folder = folder
        self._model = build_lite0(pretrained_trunk=True)
        self._model.image_encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        _freeze_first_blocks(self._model, config.frozen_blocks)
        self._optimizer = _optimizer(self._model, config)
        self._step = 0
        self._spent = 0.0

    @property
    def progress(self) -> float:
        """The share of the budget that is spent."""
        return self._spent / (60 * self._config.minutes)

    def resume(self) -> None:
        """Continue from the folder's checkpoint, if it has one."""
        if not self._checkpoint.exists():
            return
        state = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._step, self._spent = state["step"], state["spent"]
        log.info("resumed at step %d, %.0f s", self._step, self._spent)

    def run(self, photos: Sequence[Photo]) -> None:
        """Train until the budget is spent; save now and then, and at the end."""
        self._model.train()
        while self.progress < 1:
            self._run_phase(photos, self._config.phase(self.progress))
        self._save()

    def _run_phase(self, photos: Sequence[Photo], phase: Phase) -> None:
        log.info("phase %s", phase)
        recent: deque[StepResult] = deque(maxlen=100)
        batches = self._batches(photos, phase)
        saved = time.monotonic()
        while self.progress < 1 and self._config.phase(self.progress) == phase:
            recent.append(self._timed_step(next(batches)))
            if self._step % self._config.log_steps == 0:
                self._report(recent)
            if time.monotonic() - saved > self._config.save_seconds:
                self._save()
                saved = time.monotonic()

    def _batches(self, photos: Sequence[Photo], phase: Phase) -> Iterator[Example]:
        examples = ExampleConfig(phase.image_size, phase.masks)
        return stream_batches(photos, examples, phase.images, self._config.seed + self._step)

    def _timed_step(self, example: Example) -> StepResult:
        started = time.monotonic()
        result = self._train_step(example)
        self._step += 1
        self._spent += time.monotonic() - started
        return result

    def _train_step(self, example: Example) -> StepResult:
        factor = self._config.rate(self._step, self.progress)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        with torch.autocast("cpu", torch.bfloat16):
            result = train_rounds(self._model, example, RoundConfig(), MaskLoss())
        self._optimizer.zero_grad()
        result.loss.backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), self._config.clip_norm)
        self._optimizer.step()
        return result._replace(loss=result.loss.detach())

    def _report(self, recent: Sequence[StepResult]) -> None:
        columns = zip(StepResult._fields, zip(*recent, strict=True), strict=True)
        means = ((name, torch.tensor(values).nanmean().item()) for name, values in columns)
        figures = " ".join(f"{name} {mean:.3f}" for name, mean in means)
        log.info("%.0f s step %d %s", self._spent, self._step, figures)

    @property
    def _checkpoint(self) -> Path:
        return self._folder / "checkpoint.pt"

    def _save(self) -> None:
        """Write checkpoint and weights, each all or nothing."""
        state = {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self._step,
            "spent": self._spent,
        }
        beside = self._checkpoint.with_suffix(".partial")
        torch.save(state, beside)
        beside.replace(self._checkpoint)
        save_weights(self._model, self._folder / "weights.safetensors")


def train(data: Path, folder: Path, config: TrainingConfig) -> None:
    """Train lite0 on the photos of `data`; checkpoints and weights go to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    photos = read_photos(data, SMALLEST_MASK_SHARE)
    log.info("%d photos", len(photos))
    trainer = Trainer(config, folder)
    trainer.resume()
    trainer.run(photos)


def _freeze_first_blocks(model: Sam, blocks: int) -> None:
    trunk = model.image_encoder.get_submodule("trunk")
    early = ("_conv_stem.", "_bn0.", *(f"_blocks.{index}." for index in range(blocks)))
    for name, parameter in trunk.named_parameters():
        parameter.requires_grad_(not name.startswith(early))


def _optimizer(model: Sam, config: TrainingConfig) -> torch.optim.Optimizer:
    trunk: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (trunk if ".trunk." in name else rest).append(parameter)
    groups = [
        {"params": trunk, "peak": config.learning_rate * config.trunk_rate},
        {"params": rest, "peak": config.learning_rate},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
