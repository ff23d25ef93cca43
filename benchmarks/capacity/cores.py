"""Which core a process of the running stack may use, and how much of it it has used."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PROCESSES: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_FIRST, _LIKE_ALL = -19, 0
"""How nice to be, sched(7)."""
_TRITON: Final = ("tritonserver", "triton_python_backend")


@dataclass(frozen=True, slots=True)
class Sides:
    """The processes of a stack that this process has started, by the core that they are kept to.

    A cluster's tiers do not share cores, so those of the measured stack must not either: gateway, Redis and the people
    have one, the models the other. The models have to start on theirs, since OpenVINO keeps its threads to the cores
    that it has found then.

    Attributes:
        gateway: Process ids of gateway and Valkey, and this process.
        models: Those of Triton and its models.
    """

    gateway: tuple[int, ...]
    models: tuple[int, ...]

    @classmethod
    def of_this_process(cls) -> Sides:
        """Find the processes that have come from this one."""
        family = sorted(_descendants(os.getpid()))
        models = tuple(process for process in family if any(name in _command(process) for name in _TRITON))
        return cls((os.getpid(), *(process for process in family if process not in models)), models)

    def move_gateway(self, core: int) -> None:
        """Have the gateway's side leave the models' core for another."""
        for thread in _threads(self.gateway):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, {core})

    @contextmanager
    def precedence(self) -> Iterator[None]:
        """Have the machine's other work wait, where we may: what it takes of a core would be taken for a queue."""
        self._be_as_nice_as(_FIRST)
        try:
            yield
        finally:
            self._be_as_nice_as(_LIKE_ALL)

    def _be_as_nice_as(self, nice: int) -> None:
        for process in (*self.gateway, *self.models):
            with suppress(OSError):  # it is another's to say, or the process is gone
                (_PROCESSES / str(process) / "autogroup").write_text(str(nice))
                for thread in _threads((process,)):
                    os.setpriority(os.PRIO_PROCESS, thread, nice)

    def used(self) -> tuple[float, float]:
        """Return the seconds of a core that each side has used so far."""
        return _used(self.gateway), _used(self.models)


def used_by_all() -> float:
    """Return the seconds of cores that anybody on this machine has used so far, proc_stat(5)."""
    everybody = (_PROCESSES / "stat").read_text().splitlines()[0]
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(int, everybody.split()[1:])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def _descendants(parent: int) -> Iterable[int]:
    for children in (_PROCESSES / str(parent) / "task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            yield child
            yield from _descendants(child)


def _command(process: int) -> str:
    return (_PROCESSES / str(process) / "cmdline").read_text(errors="replace").replace("\0", " ")


def _threads(processes: Iterable[int]) -> Iterable[int]:
    return (int(task.name) for process in processes for task in (_PROCESSES / str(process) / "task").iterdir())


def _used(processes: Iterable[int]) -> float:
    """Sum up user and system time, fields 14 and 15 of proc_pid_stat(5)."""
    fields = ((_PROCESSES / str(process) / "stat").read_text().rpartition(")")[2].split() for process in processes)
    return sum(int(each[11]) + int(each[12]) for each in fields) / _TICKS
