from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from maskgate.adapters.slab import ZERO_BYTES, NoSharedMemoryError, Segment, SlabShelf, is_dead, sweep
from maskgate.domain.embedding import Embedding, EmbeddingKey, Place
from maskgate.domain.image import ImageId, ImageSize
from tests.fakes import SPEC

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskgate.domain.embedding import HeldEmbedding

SLOT = 4096
KEYS = [EmbeddingKey.of(ImageId.of(bytes([number])), SPEC) for number in range(8)]


def embedding(number: int, *, size: int = SLOT) -> Embedding:
    return Embedding(ImageSize(100 + number, 50), bytes([number]) * size)


@dataclass
class Evictions:
    count: int = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def slab(tmp_path: Path) -> Iterator[SlabShelf]:
    slab = SlabShelf.create("test", max_bytes=3 * SLOT, slot_bytes=SLOT, folder=tmp_path)
    yield slab
    slab.close()


def read(path: Path, place: Place | None) -> int:
    """The first byte of what another process finds at a place."""
    assert place is not None
    return path.joinpath(place.region).read_bytes()[place.offset]


# The shelf


def test_what_is_dropped_while_it_is_held_keeps_its_slot(slab: SlabShelf) -> None:
    """Its place stays current for those who use it; when the last of them has gone, the slot is given away again."""
    first, second = slab.keep(KEYS[0], embedding(0)), slab.hold(KEYS[0])
    assert first.place is not None
    assert second is not None
    slab.drop(KEYS[0].image_id)
    first.release()
    others = [slab.keep(KEYS[number], embedding(number)) for number in (1, 2, 3)]

    assert [True, True, False] == [held.place is not None for held in others]
    assert slab.is_current(first.place)
    assert embedding(0).tensor == bytes(second.tensor)

    second.release()
    with slab.keep(KEYS[3], embedding(3)) as held:
        assert held.place is not None
        assert first.place.offset == held.place.offset
        assert not slab.is_current(first.place)


def test_a_dropped_slot_is_used_before_another_is_evicted(tmp_path: Path) -> None:
    """Deleting makes room: what is kept meanwhile pushes nothing out."""
    evictions = Evictions()
    slab = SlabShelf.create("test", max_bytes=2 * SLOT, slot_bytes=SLOT, folder=tmp_path, evicted=evictions)
    for number in (0, 1):
        slab.keep(KEYS[number], embedding(number)).release()

    slab.drop(KEYS[0].image_id)
    slab.keep(KEYS[2], embedding(2)).release()

    assert (0, 2, 2 * SLOT) == (evictions.count, slab.table.kept, slab.size_bytes)
    slab.close()


def test_another_process_finds_the_embedding(slab: SlabShelf, tmp_path: Path) -> None:
    """A held embedding's place is where its bytes are in the file, and the file ends with zeros."""
    with slab.keep(KEYS[0], embedding(7)), slab.keep(KEYS[1], embedding(9)) as held:
        assert held.place is not None
        content = tmp_path.joinpath(held.place.region).read_bytes()

        assert embedding(9).tensor == content[held.place.offset :][:SLOT]
    assert bytes(ZERO_BYTES) == content[slab.zeros_offset :]


def test_a_slot_that_is_used_again_is_another_place(slab: SlabShelf) -> None:
    """A place names the embedding, not only the bytes: it is not current any more when another one lies there."""
    with slab.keep(KEYS[0], embedding(0)) as held:
        old = held.place
        assert old is not None
        current_while_held = slab.is_current(old)
    for number in range(1, 8):
        slab.keep(KEYS[number], embedding(number)).release()

    assert (True, False) == (current_while_held, slab.is_current(old))
    assert not slab.is_current(replace(old, region="another"))
    assert not slab.is_current(replace(old, offset=100 * SLOT))


def test_what_was_released_cannot_be_read(slab: SlabShelf) -> None:
    """Whoever reads an embedding after having released it gets an error instead of another image's."""
    held = slab.keep(KEYS[0], embedding(0))
    held.release()

    with pytest.raises(ValueError, match="released"):
        bytes(held.tensor)


def test_releasing_twice_takes_nothing_from_others(slab: SlabShelf) -> None:
    """A second release leaves the slot with the other holder."""
    one, other = slab.keep(KEYS[0], embedding(0)), slab.hold(KEYS[0])
    assert other is not None
    one.release()
    one.release()

    for number in range(1, 8):
        slab.keep(KEYS[number], embedding(number)).release()

    assert embedding(0).tensor == bytes(other.tensor)
    other.release()


def test_nothing_is_kept_while_all_slots_are_held(slab: SlabShelf) -> None:
    """Then an embedding is held as bytes of its own, and has no place that others could read."""
    holders = [slab.keep(KEYS[number], embedding(number)) for number in range(4)]

    assert [True, True, True, False] == [held.place is not None for held in holders]
    assert embedding(3).tensor == holders[3].tensor
    for held in holders:
        held.release()
    assert slab.hold(KEYS[3]) is None


def test_what_is_larger_than_a_slot_is_not_kept(slab: SlabShelf) -> None:
    """An embedding of another model may be too large; it is held all the same."""
    with slab.keep(KEYS[0], embedding(5, size=SLOT + 1)) as held:
        assert (None, SLOT + 1) == (held.place, len(held.tensor))

    assert slab.hold(KEYS[0]) is None


def test_what_is_smaller_than_a_slot_has_its_own_length(slab: SlabShelf) -> None:
    """What lay in the slot before does not show behind a shorter embedding."""
    for number in range(8):
        slab.keep(KEYS[number], embedding(number, size=SLOT - number)).release()

    kept = [held for key in KEYS if (held := slab.hold(key)) is not None]

    assert 3 == len(kept)
    assert all(SLOT - held.tensor[0] == len(held.tensor) for held in kept)
    assert all(set(held.tensor) == {held.tensor[0]} for held in kept)


def test_occupancy_and_evictions_are_told(tmp_path: Path) -> None:
    """How many slots there are, hold something, and are in use; how many embeddings had to go."""
    evicted = Evictions()
    slab = SlabShelf.create("test", max_bytes=3 * SLOT, slot_bytes=SLOT, evicted=evicted, folder=tmp_path)
    for number in range(5):
        slab.keep(KEYS[number], embedding(number)).release()
    with slab.keep(KEYS[7], embedding(7)):
        told = slab.table.limit, slab.table.used, slab.table.held, slab.size_bytes
    slab.close()

    assert (3, 3, 1, 3 * SLOT) == told
    assert 3 == evicted.count


# Room


class Cramped(Segment):
    """A segment on a file system with room for some slots and the zeros."""

    slots = 1

    def reserve(self, offset: int, size: int) -> bool:
        return (offset < self.slots * SLOT or size == ZERO_BYTES) and super().reserve(offset, size)


def test_a_slab_grows_as_far_as_there_is_memory(tmp_path: Path) -> None:
    """Slots for which there is no room are not used until there is, instead of killing the process with SIGBUS."""
    segment = Cramped.create("test", 3 * SLOT + ZERO_BYTES, folder=tmp_path)
    slab = SlabShelf(segment, slots=3, slot_bytes=SLOT, evicted=lambda: None)

    there = []
    for room in (0, 1, 2):
        segment.slots = room
        for number in range(3):
            slab.keep(KEYS[number], embedding(number)).release()
        there.append(slab.table.used)
    slab.close()

    assert [0, 1, 2] == there


def test_a_slab_leaves_others_their_room(tmp_path: Path) -> None:
    """What is to be kept free stays free, whoever has taken the rest meanwhile."""
    segment = Segment.create("test", 3 * SLOT + ZERO_BYTES, keep_free=1 << 60, folder=tmp_path)
    slab = SlabShelf(segment, slots=3, slot_bytes=SLOT, evicted=lambda: None)

    with slab.keep(KEYS[0], embedding(7)) as held:
        assert (None, embedding(7).tensor) == (held.place, bytes(held.tensor))
    slab.close()


def test_memory_is_taken_when_it_is_used(tmp_path: Path) -> None:
    """A large slab costs nothing before there is something to keep."""
    slab = SlabShelf.create("test", max_bytes=1 << 30, slot_bytes=1 << 20, folder=tmp_path)
    path = tmp_path / slab.segment.name
    empty = path.stat().st_blocks * 512
    slab.keep(KEYS[0], embedding(0)).release()
    used = path.stat().st_blocks * 512
    slab.close()

    assert empty <= ZERO_BYTES + SLOT
    assert empty + (1 << 20) <= used < empty + (2 << 20)


@pytest.mark.parametrize("budget", [0, SLOT - 1])
def test_no_room_for_a_single_slot(tmp_path: Path, budget: int) -> None:
    """Without room for one embedding there is no slab, and no file."""
    with pytest.raises(NoSharedMemoryError, match="no room"):
        SlabShelf.create("test", max_bytes=budget, slot_bytes=SLOT, folder=tmp_path)

    assert [] == list(tmp_path.iterdir())


def test_no_folder_for_shared_memory(tmp_path: Path) -> None:
    """A machine without /dev/shm has no slab."""
    with pytest.raises(NoSharedMemoryError):
        SlabShelf.create("test", max_bytes=SLOT, slot_bytes=SLOT, folder=tmp_path / "missing")
    with pytest.raises(NoSharedMemoryError, match="takes no file"):
        Segment.create("test", SLOT, folder=tmp_path / "missing")


# What is left behind


def test_a_closed_slab_leaves_no_file(slab: SlabShelf, tmp_path: Path) -> None:
    """Closing deletes the file, even while somebody has not released an embedding, who keeps seeing it."""
    other = SlabShelf.create("test", max_bytes=SLOT, slot_bytes=SLOT, folder=tmp_path)
    held = other.keep(KEYS[0], embedding(1))

    other.close()

    assert embedding(1).tensor == bytes(held.tensor)
    held.release()

    assert [slab.segment.name] == [path.name for path in tmp_path.iterdir()]


def test_a_sweep_deletes_what_is_nobodys(slab: SlabShelf, tmp_path: Path) -> None:
    """Files of gateways that are gone are deleted; those of living ones, and of others, are left alone."""
    dead = "test-slab-0123456789abcdef"
    others = ["test-slab-short", "test-slab-0123456789abcdeg", "test_triton_region", "other-slab-0123456789abcdef"]
    for name in (dead, *others):
        tmp_path.joinpath(name).touch()

    assert [dead] == sweep("test", folder=tmp_path)
    assert [] == sweep("test", folder=tmp_path)
    assert {slab.segment.name, *others} == {path.name for path in tmp_path.iterdir()}


def test_the_death_of_its_owner_frees_a_file(tmp_path: Path) -> None:
    """It is the lock that tells the living from the dead: the kernel drops it with the process."""
    path = tmp_path / "test-slab-0123456789abcdef"
    owner = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(owner, fcntl.LOCK_EX)
    while_alive = sweep("test", folder=tmp_path)
    os.close(owner)

    assert ([], [path.name]) == (while_alive, sweep("test", folder=tmp_path))


def test_a_killed_process_leaves_a_file_that_is_swept(tmp_path: Path) -> None:
    """After kill -9 the slab's file is there, nobody's, and gone with the next start."""
    program = (
        "import sys, pathlib; from maskgate.adapters.slab import SlabShelf;"
        "slab = SlabShelf.create('test', max_bytes=4096, slot_bytes=4096, folder=pathlib.Path(sys.argv[1]));"
        "print(slab.segment.name, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        name = gateway.stdout.readline().strip()
        while_alive = sweep("test", folder=tmp_path)
        gateway.kill()

    assert ([], [name]) == (while_alive, sweep("test", folder=tmp_path))
    assert [] == list(tmp_path.iterdir())


def test_the_dead_are_known_by_their_names(slab: SlabShelf, tmp_path: Path) -> None:
    """A region that Triton still has is a dead gateway's if its name says so and its file is gone."""
    names = {slab.segment.name: False, "test-slab-0123456789abcdef": True, "somebody-elses": False}

    assert names == {name: is_dead(name, prefix="test", folder=tmp_path) for name in names}


# All at once


class SlabMachine(RuleBasedStateMachine):
    """Keeps, holds, releases and forgets in any order, and compares with what was kept under each key."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.held: list[tuple[int, HeldEmbedding]] = []

    @initialize(slots=st.integers(1, 4))
    def create(self, slots: int) -> None:
        self.slab = SlabShelf.create("test", max_bytes=slots * SLOT, slot_bytes=SLOT, folder=self.folder)
        self.slots = slots

    @rule(number=st.integers(0, 7))
    def keep(self, number: int) -> None:
        self.held.append((number, self.slab.keep(KEYS[number], embedding(number))))

    @rule(number=st.integers(0, 7))
    def hold(self, number: int) -> None:
        held = self.slab.hold(KEYS[number])
        if held is not None:
            self.held.append((number, held))

    @rule(number=st.integers(0, 7))
    def keep_and_leave(self, number: int) -> None:
        self.slab.keep(KEYS[number], embedding(number)).release()

    @rule(number=st.integers(0, 7))
    def drop(self, number: int) -> None:
        self.slab.drop(KEYS[number].image_id)
        assert self.slab.hold(KEYS[number]) is None

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.held:
            _, held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
            held.release()

    @invariant()
    def everybody_sees_the_right_embedding(self) -> None:
        for number, held in self.held:
            assert embedding(number).original == held.original
            assert embedding(number).tensor == bytes(held.tensor)
            if held.place is not None:
                assert number == read(self.folder, held.place)
                assert self.slab.is_current(held.place)

    @invariant()
    def nobody_shares_a_slot_with_another_image(self) -> None:
        places = {(number, held.place) for number, held in self.held if held.place is not None}

        assert len(places) == len({place.offset for _, place in places if place}) == self.slab.table.held

    @invariant()
    def the_bound_holds(self) -> None:
        table = self.slab.table
        assert max(table.used, table.held + table.kept) <= self.slots

    def teardown(self) -> None:
        if hasattr(self, "slab"):
            for _, held in self.held:
                held.release()
            self.slab.close()


def test_no_order_of_events_shows_a_wrong_embedding(tmp_path: Path) -> None:
    """Whatever is kept, held, dropped and evicted in whatever order, each holder sees the right image."""
    SlabMachine.folder = tmp_path
    case = SlabMachine.TestCase
    case.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
    case().runTest()
    assert [] == list(tmp_path.iterdir())
