"""Report -> the matrix models x audits: in each cell the worst finding, and where it is shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shortcut_audit.records import ABOVE_CHANCE, Finding, Report
from shortcut_audit.reporting.matrix import SEVERITY
from shortcut_audit.reporting.page.models import ModelView
from shortcut_audit.reporting.page.states import Shown


@dataclass(frozen=True)
class Column:
    """An audit, and whether any of its findings can stop a model."""

    audit: str
    blocks: bool


@dataclass(frozen=True)
class Row:
    """A model, and for each audit its worst finding; None where it has none."""

    view: ModelView
    cells: tuple[Shown | None, ...]


def grid(
    report: Report, views: Sequence[ModelView], pairs: Sequence[Shown]
) -> tuple[list[Column], list[Row]]:
    """The columns in the order of the findings, those about pairs last, and a row for each model.

    A reference is shown beside other references only: where it parts from a suspect, the suspect
    is to blame.
    """
    shown = list(pairs)
    for view in views:
        shown += view.findings
    columns = [Column(audit, _blocks(shown, audit)) for audit in _audits(report)]
    references = {name for name, each in report.models.items() if each.reference}
    rows = []
    for view in views:
        about = _about(view, pairs, references)
        cells = [_worst(about, column.audit) for column in columns]
        rows.append(Row(view, tuple(cells)))
    return columns, rows


def _audits(report: Report) -> list[str]:
    names: dict[str, None] = {}
    for model in report.models.values():
        names |= dict.fromkeys(finding.audit for finding in model.findings)
    names |= dict.fromkeys(finding.audit for finding in report.pairs)
    names.pop(ABOVE_CHANCE, None)
    return list(names)


def _blocks(shown: Iterable[Shown], audit: str) -> bool:
    return any(each.finding.blocking for each in shown if each.finding.audit == audit)


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
    return max(of, key=lambda each: _badness(each.finding), default=None)


def _badness(finding: Finding) -> tuple[bool, int, float]:
    value = finding.judgement.estimate.value
    return (
        finding.applies,
        SEVERITY.index(finding.verdict),
        -math.inf if math.isnan(value) else value,
    )
