"""Writes how often names are right, in Markdown."""

import math
from collections.abc import Mapping

from maskforge.semantics.scoring import Accuracy

HEAD = ("source", "known", "top 1", "top 5", "named", "right", "strangers", "unknown")


def as_markdown(found: Mapping[str, Accuracy]) -> str:
    """Write a table with a row for each source; `Accuracy` says what the columns are."""
    rule = ["---", *["---:"] * (len(HEAD) - 1)]
    rows = [_row(source, accuracy) for source, accuracy in found.items()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, rule, *rows))


def _row(source: str, found: Accuracy) -> list[str]:
    shares = [_share(value) for value in (found.top1, found.top5, found.named, found.right)]
    return [source, str(found.known), *shares, str(found.strangers), _share(found.unknown)]


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"  # noqa: RUF001 - a dash, as in other tables
