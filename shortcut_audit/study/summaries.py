"""Values -> the table under a box plot, numbers as words, and findings compared with the thesis."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shortcut_audit.study.plots import Panels
from shortcut_audit.study.sections import Agreement, Cell, Table

ENOUGH = 10  # pictures; a finding on fewer is not measured


def quartiles(name: str, caption: str, panels: Panels) -> Table:
    """What a box plot draws, in numbers: one row for each box.

    NaN counts as missing. A box without values has no quartiles, and n = 0.
    """
    rows: list[tuple[Cell, ...]] = []
    for panel, boxes in panels.items():
        for label, values in boxes:
            kept = values[np.isfinite(values)]
            rows.append((panel, label, *_quartiles_of(kept), len(kept)))
    columns = ("panel", "pictures", "first quartile", "median", "third quartile", "n")
    return Table(name, caption, columns, tuple(rows))


def _quartiles_of(kept: np.ndarray) -> list[float | None]:
    if not len(kept):
        return [None, None, None]
    first, middle, third = np.quantile(kept, (0.25, 0.5, 0.75))
    return [float(first), float(middle), float(third)]


def median(values: np.ndarray) -> float:
    """The median of the values that are not NaN; NaN where there is none."""
    kept = values[np.isfinite(values)]
    return float(np.median(kept)) if len(kept) else float("nan")


def number(value: float) -> str:
    """Two digits after the point; NaN is 'not known'."""
    return "not known" if np.isnan(value) else f"{value:.2f}"


def listed(named: Mapping[str, float]) -> str:
    """'F0 0.12, F50 0.98': each name with its number, two digits after the point."""
    return ", ".join(f"{name} {number(value)}" for name, value in named.items())


def lowest(named: Mapping[str, float]) -> float:
    """The lowest of these numbers; NaN if one of them is NaN."""
    return float(np.min(list(named.values())))


def highest(named: Mapping[str, float]) -> float:
    """The highest of these numbers; NaN if one of them is NaN."""
    return float(np.max(list(named.values())))


def count(values: np.ndarray) -> int:
    """How many values are not NaN."""
    return int(np.isfinite(values).sum())


def finding(published: str, here: str, holds: bool | np.bool_ | None, n: int) -> Agreement:
    """Whether a published finding holds here.

    It is not measured where `n`, the smallest number of pictures behind its figures, is below
    ENOUGH, or where `holds` is None.
    """
    if n < ENOUGH:
        return Agreement(published, f"{here}; n = {n} is too few to say (at least {ENOUGH})", None)
    return Agreement(published, here, None if holds is None else bool(holds))
