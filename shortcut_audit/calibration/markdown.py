"""Numbers and rows as Markdown: tables, and a dash where there is nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from shortcut_audit.calibration.outcomes import Row


def table(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """A table in Markdown, line by line."""
    yield _line(columns)
    yield _line(["---"] * len(columns))
    for row in rows:
        yield _line(row)


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def in_per_cent(share: float | None) -> str:
    """`4.7 %`; a dash where there is nothing."""
    return "–" if share is None else f"{100 * share:.1f} %"


def number(value: float | None) -> str:
    """Three digits after the point; a dash where there is nothing."""
    return "–" if value is None else f"{value:.3f}"


def points(percentiles: Mapping[str, float] | None) -> str:
    """Percentiles in points, `2 / 26 / 33`; a dash where there are none."""
    if not percentiles:
        return "–"
    return " / ".join(f"{100 * value:.0f}" for value in percentiles.values())


def ratio(row: Row | None) -> str:
    """`14 / 14`, found of models; a dash where there is nothing."""
    return "–" if row is None else f"{row['found']} / {row['models']}"


def counts(pair: Sequence[int] | None) -> str:
    """`2 / 4`; a dash where nothing was counted."""
    return "–" if not pair or not pair[1] else f"{pair[0]} / {pair[1]}"


def total(pairs: Iterable[Sequence[int]]) -> list[int]:
    """The sums of the first and of the second numbers, two of them."""
    violated = models = 0
    for pair in pairs:
        violated += pair[0]
        models += pair[1]
    return [violated, models]
