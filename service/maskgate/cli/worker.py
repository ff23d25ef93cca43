"""One of the processes of `maskgate serve --workers N`, which starts it; nobody else has what it needs to hear."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from maskgate.bootstrap import CannotServeError, Place, open_gateway
from maskgate.cli.stopping import asked_to_stop
from maskgate.settings import Settings
from maskgate.telemetry import configure_logging
from maskgate.workers import Parent

if TYPE_CHECKING:
    from maskgate.workers import Brief


def main() -> None:
    """Serve until the parent asks to stop, or is gone."""
    parent = Parent.at_standard_input()
    brief = parent.brief()
    settings = Settings(**json.loads(brief.settings))
    configure_logging(settings.log_level)
    try:
        asyncio.run(_serve(settings, brief, parent))
    except CannotServeError as error:
        parent.tell_failed(str(error))
        sys.exit(1)


async def _serve(settings: Settings, brief: Brief, parent: Parent) -> None:
    asked = asyncio.create_task(asked_to_stop().wait())
    orphaned = asyncio.create_task(parent.gone())
    async with open_gateway(settings, Place(brief.number, brief.workers, Path(brief.directory))):
        parent.tell_listening()
        await asyncio.wait((asked, orphaned), return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if orphaned.done():
        shutil.rmtree(brief.directory, ignore_errors=True)  # nobody else is left to do so
    orphaned.cancel()


if __name__ == "__main__":
    main()
