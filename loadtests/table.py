"""What load tests have shown, as figures and as docs/load.md."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_HEAD: Final = """\
| who | over | call | embedding | calls | a second | p50 ms | p95 ms | p99 ms | failed |
|---|---|---|---|--:|--:|--:|--:|--:|--:|
"""
BEGIN, END = "<!-- written by make load -->", "<!-- end -->"


@dataclass(frozen=True)
class Record:
    """One call.

    Attributes:
        call: Its name in gRPC.
        cache: "hit", "miss", or nothing where no embedding was asked for or the call failed.
        at: When it ended, in seconds since some moment.
        ms: How long the client waited.
        error: Why it failed, if it did.
    """

    call: str
    cache: str
    at: float
    ms: float
    error: str | None = None


@dataclass(frozen=True)
class Session:
    """What some people saw over one protocol.

    Attributes:
        who: The people.
        people: How many.
        protocol: "grpc" or "rest".
    """

    who: str
    people: int
    protocol: str
    records: Sequence[Record]

    @property
    def seconds(self) -> float:
        """From the start of the first call to the end of the last."""
        began = min((record.at - record.ms / 1e3 for record in self.records), default=0.0)
        return max((record.at for record in self.records), default=0.0) - began


@dataclass(frozen=True)
class Line:
    """Calls of one kind. Those that failed are counted, not timed."""

    call: str
    cache: str
    calls: int
    per_second: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    failed: int


def lines(session: Session) -> list[Line]:
    """Sum a session up, a line for each call and what became of its embedding."""
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in session.records:
        groups[record.call, record.cache].append(record)
    return [_line(call, cache, groups[call, cache], session.seconds) for call, cache in sorted(groups)]


def hit_ratio(records: Iterable[Record]) -> float | None:
    """The share of calls whose embedding was cached, of those that wanted one; None where none did."""
    counts = Counter(record.cache for record in records if record.error is None)
    wanted = counts["hit"] + counts["miss"]
    return counts["hit"] / wanted if wanted else None


def document(sessions: Iterable[Session], machine: Mapping[str, Any]) -> dict[str, Any]:
    """All figures, for JSON."""
    return {"machine": dict(machine), "sessions": [_session(session) for session in sessions]}


def markdown(figures: Mapping[str, Any]) -> str:
    """The figures as a table, with what they depend on."""
    machine = figures["machine"]
    rows = [_row(session, line) for session in figures["sessions"] for line in session["lines"]]
    ratios = [
        f"{session['who']} over {session['protocol']} {session['hit_ratio']:.0%}"
        for session in figures["sessions"]
        if session["hit_ratio"] is not None
    ]
    where = (
        f"Commit {machine['commit']}, {machine['cpu']}, {machine['cores']} cores; people, stack and model share them."
    )
    return f"{where}\n\n{_HEAD}{''.join(rows)}\nEmbeddings that were cached: {', '.join(ratios)}.\n"


def with_table(page: str, table: str) -> str:
    """Put a table in the place of the one that a page has."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table}{END}{rest.partition(END)[2]}"


def _line(call: str, cache: str, records: Sequence[Record], seconds: float) -> Line:
    times = [record.ms for record in records if record.error is None]
    p50, p95, p99 = _percentiles(times)
    return Line(call, cache, len(records), round(len(records) / seconds, 2), p50, p95, p99, len(records) - len(times))


def _percentiles(times: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """By nearest rank: every figure is a time that somebody waited."""
    ordered = sorted(times)
    if not ordered:
        return None, None, None
    p50, p95, p99 = (round(ordered[ceil(share * len(ordered)) - 1], 1) for share in (0.5, 0.95, 0.99))
    return p50, p95, p99


def _session(session: Session) -> dict[str, Any]:
    about = {name: getattr(session, name) for name in ("who", "people", "protocol")}
    ratio = hit_ratio(session.records)
    return {
        **about,
        "seconds": round(session.seconds, 1),
        "hit_ratio": None if ratio is None else round(ratio, 3),
        "lines": [asdict(line) for line in lines(session)],
    }


def _row(session: Mapping[str, Any], line: Mapping[str, Any]) -> str:
    times = " | ".join("-" if line[name] is None else f"{line[name]:.0f}" for name in ("p50_ms", "p95_ms", "p99_ms"))
    who = f"{session['people']} x {session['who']}"
    return (
        f"| {who} | {session['protocol']} | {line['call']} | {line['cache'] or '-'} | {line['calls']} "
        f"| {line['per_second']:.1f} | {times} | {line['failed']} |\n"
    )
