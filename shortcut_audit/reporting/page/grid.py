"""Report -> the matrices models x audits: in each cell the worst finding, and where it is shown.

What decides is one matrix, what is only shown another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shortcut_audit.records import Report
from shortcut_audit.reporting.matrix import audits_of, badness
from shortcut_audit.reporting.page.models import ModelView
from shortcut_audit.reporting.page.states import LEGEND, Shown, State


@dataclass(frozen=True)
class Column:
    """An audit, and what the figures of its cells are held against: shares, the least first."""

    audit: str
    limits: tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """A model, and for each audit its worst finding; None where it has none."""

    view: ModelView
    cells: tuple[Shown | None, ...]


@dataclass(frozen=True)
class Grid:
    """A row for each model; `legend` has the states that occur in its cells, in words."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    legend: tuple[tuple[State, str], ...]


def grids(report: Report, views: Sequence[ModelView], pairs: Sequence[Shown]) -> tuple[Grid, Grid]:
    """The audits that can stop a model, and those that cannot: each in the order of the findings,
    those about pairs last.

    A reference is shown beside other references only: where it parts from a suspect, the suspect
    is to blame.
    """
    shown = list(pairs)
    for view in views:
        shown += view.findings
    blocking = {each.finding.audit for each in shown if each.finding.blocking}
    references = {name for name, each in report.models.items() if each.reference}
    about = [_about(view, pairs, references) for view in views]
    decide: list[str] = []
    others: list[str] = []
    for audit in audits_of(report):
        (decide if audit in blocking else others).append(audit)
    return _grid(views, about, decide), _grid(views, about, others)


def _grid(
    views: Sequence[ModelView], about: Sequence[Sequence[Shown]], audits: Sequence[str]
) -> Grid:
    rows = []
    for view, of in zip(views, about, strict=True):
        rows.append(Row(view, tuple(_worst(of, audit) for audit in audits)))
    columns = []
    for place, audit in enumerate(audits):
        columns.append(Column(audit, _limits(row.cells[place] for row in rows)))
    return Grid(tuple(columns), tuple(rows), _legend(rows))


def _limits(cells: Iterable[Shown | None]) -> tuple[float, ...]:
    """The limits that differ; where nothing was measured there is none."""
    found = {each.finding.judgement.limit for each in cells if each}
    return tuple(sorted(limit for limit in found if not math.isnan(limit)))


def _legend(rows: Iterable[Row]) -> tuple[tuple[State, str], ...]:
    occur = set()
    for row in rows:
        occur |= {each.state for each in row.cells if each}
    return tuple((state, words) for state, words in LEGEND.items() if state in occur)


def _about(view: ModelView, pairs: Iterable[Shown], references: set[str]) -> list[Shown]:
    about = list(view.findings)
    for each in pairs:
        subjects = each.finding.subjects
        among_references = view.name not in references or references.issuperset(subjects)
        if view.name in subjects and among_references:
            about.append(each)
    return about


def _worst(about: Iterable[Shown], audit: str) -> Shown | None:
    of = [each for each in about if each.finding.audit == audit]
    return max(of, key=lambda each: badness(each.finding), default=None)
