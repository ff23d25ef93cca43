from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest

from maskgate.domain.errors import Overloaded
from maskgate.domain.frame import Frame
from maskgate.domain.image import ImageSize
from maskgate.domain.mask import DecodedMasks
from maskgate.domain.output import MaskOutput
from maskgate.usecases.admission import Admission
from maskgate.usecases.render_masks import RenderMasks
from tests.fakes import CALL, FakeMaskEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
FRAME = Frame(ImageSize(width=8, height=8), 8)


class SlowOffload:
    """Computes when it is told to."""

    def __init__(self) -> None:
        self.may_compute = asyncio.Event()
        self.inside = 0

    async def __call__(self, compute: Callable[[], _T], /) -> _T:
        self.inside += 1
        await self.may_compute.wait()
        return compute()


async def test_the_best_mask_alone() -> None:
    """Masks that nobody gets are not made."""
    offload = SlowOffload()
    offload.may_compute.set()
    render = RenderMasks(
        encoder=FakeMaskEncoder(), offload=offload, admission=Admission(tier="renderer", concurrency=1, waiting=1)
    )
    masks = DecodedMasks(np.ones((3, 8, 8), np.float16), np.array([0.1, 0.9, 0.5], np.float32), (1, 2, 3))

    assert [2, 3, 1] == [mask.token for mask in await render(masks, FRAME, MaskOutput(), call=CALL)]
    assert [2] == [mask.token for mask in await render(masks, FRAME, MaskOutput(best_alone=True), call=CALL)]


async def test_renderings_beyond_the_queue_are_refused() -> None:
    """One is rendered, one waits, and the third is told to come back, instead of all keeping the threads busy."""
    offload = SlowOffload()
    admission = Admission(tier="mask renderer", concurrency=1, waiting=1)
    render = RenderMasks(encoder=FakeMaskEncoder(), offload=offload, admission=admission)
    masks = DecodedMasks(np.ones((1, 8, 8), np.float16), np.ones(1, np.float32), (0,))

    async with asyncio.TaskGroup() as group:
        accepted = [group.create_task(render(masks, FRAME, MaskOutput(), call=CALL)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="mask renderer"):
            await render(masks, FRAME, MaskOutput(), call=CALL)
        assert 1 == offload.inside
        offload.may_compute.set()

    assert [64, 64] == [rendered[0].area for rendered in (task.result() for task in accepted)]
