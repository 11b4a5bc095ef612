"""Values -> the table under a box plot, and numbers as words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shortcut_audit.study.plots import Panels
from shortcut_audit.study.sections import Agreement, Cell, Table

ENOUGH = 10  # pictures, below which nothing is said


def quartiles(name: str, caption: str, panels: Panels) -> Table:
    """What a box plot draws, in numbers: one row for each box. NaN counts as not there."""
    rows: list[tuple[Cell, ...]] = []
    for panel, boxes in panels.items():
        for label, values in boxes:
            kept = values[np.isfinite(values)]
            cut = (
                [float(each) for each in np.quantile(kept, (0.25, 0.5, 0.75))]
                if len(kept)
                else [None] * 3
            )
            rows.append((panel, label, *cut, len(kept)))
    return Table(
        name,
        caption,
        ("panel", "pictures", "first quartile", "median", "third quartile", "n"),
        tuple(rows),
    )


def median(values: np.ndarray) -> float:
    """The median of what is not NaN; NaN where nothing is."""
    kept = values[np.isfinite(values)]
    return float(np.median(kept)) if len(kept) else float("nan")


def number(value: float) -> str:
    """Two digits after the point; NaN is 'not known'."""
    return "not known" if np.isnan(value) else f"{value:.2f}"


def listed(named: Mapping[str, float], word: str = "") -> str:
    """'F0 0.12, F50 0.98': numbers with two digits, each after its name."""
    return ", ".join(f"{name} {number(value)}{word}" for name, value in named.items())


def every(*conditions: bool | np.bool_) -> bool:
    """All of them, as a plain bool."""
    return all(bool(each) for each in conditions)


def count(values: np.ndarray) -> int:
    """How many are not NaN."""
    return int(np.isfinite(values).sum())


def finding(published: str, here: str, holds: bool | np.bool_ | None, n: int) -> Agreement:
    """Whether a published finding holds here; unknown where `n`, the fewest pictures behind its
    numbers, is below ENOUGH.
    """
    if n < ENOUGH:
        return Agreement(published, f"{here}; n = {n} is too few to say (at least {ENOUGH})", None)
    return Agreement(published, here, None if holds is None else bool(holds))
