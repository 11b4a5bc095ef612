"""What an experiment gives: tables, figures, and findings compared with the thesis.

All of them are frozen records without methods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns.

    `published` are the thesis's rows under the same columns; it is empty where the thesis has none.
    """

    name: str  # of the CSV, e.g. table_3_4
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    published: tuple[tuple[Cell, ...], ...] = ()


@dataclass(frozen=True)
class Figure:
    """A drawing, and a caption that says what it shows."""

    name: str  # of the PNG and SVG, e.g. figure_3_9
    caption: str
    drawing: Drawing


@dataclass(frozen=True)
class Agreement:
    """One finding of the thesis, what is found here, and whether the two agree."""

    published: str
    here: str
    agrees: bool | None  # None: it could not be measured


@dataclass(frozen=True)
class Section:
    """What one experiment found."""

    agreements: tuple[Agreement, ...]
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
