"""`maskgate serve --workers N`: the parent, which keeps the ports and the workers, and serves nothing itself."""

from __future__ import annotations

import sys
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import structlog

from maskgate.bootstrap import clear_up, reserved_ports, share_of
from maskgate.cli.stopping import asked_to_stop
from maskgate.workers import Brief, Crew, Orders, Pauses

if TYPE_CHECKING:
    from collections.abc import Callable

    from maskgate.settings import Settings

_log = structlog.get_logger(__name__)

COMMAND: Final = (sys.executable, "-m", "maskgate.cli.worker")
MARGIN_SECONDS: Final = 3.0


async def serve_with_workers(settings: Settings, *, tell_where: Callable[[Settings, int, int], None]) -> None:
    """Serve until asked to stop.

    Raises:
        CannotServeError: A port is taken, or the host is not this machine's.
        WorkerFailedError: A worker cannot start.
    """
    stopping = asked_to_stop()
    with reserved_ports(settings) as chosen, TemporaryDirectory(prefix="maskgate-workers-") as directory:
        crew = Crew(_briefs(chosen, directory), _orders(chosen))
        try:
            await crew.run(
                on_listening=lambda: tell_where(chosen, chosen.grpc_port, chosen.http_port), stopping=stopping
            )
        finally:
            clear_up(chosen)


def _briefs(settings: Settings, directory: str) -> list[Brief]:
    share = share_of(settings).model_dump_json()
    return [
        Brief(number=number, workers=settings.workers, directory=directory, settings=share)
        for number in range(settings.workers)
    ]


def _orders(settings: Settings) -> Orders:
    draining = 2 * settings.drain_seconds  # calls are drained first, then encodes
    return Orders(
        command=COMMAND,
        grace=settings.stop_delay_seconds + draining + MARGIN_SECONDS,
        on_death=_tell_of_death,
        pauses=Pauses(),
    )


def _tell_of_death(number: int, how: str, pause: float) -> None:
    _log.error("worker.died", worker=number, how=how, next_in_seconds=pause)
