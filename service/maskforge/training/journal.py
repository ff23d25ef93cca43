"""`log.jsonl` of a run: one entry a line, each with the number of steps done, in order."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Journal:
    """Entries that are added, and read again for the chart."""

    def __init__(self, path: Path, step: int) -> None:
        """Go on after `step`: what an interrupted run did beyond it is done, and written, again."""
        self._path = path
        kept = [entry for entry in self.read() if entry["step"] <= step]
        path.write_text("".join(f"{json.dumps(entry)}\n" for entry in kept), encoding="utf-8")

    def write(self, entry: Mapping[str, Any]) -> None:
        """Add an entry; what is not a number is left out."""
        kept = {name: value for name, value in entry.items() if not _is_nan(value)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(kept)}\n")

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the entries, none if there is no file, and not a last line that was cut short."""
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
