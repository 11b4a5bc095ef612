"""Findings about pairs of models -> a matrix of models for each audit and decoy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from shortcut_audit.records import Report, Verdict
from shortcut_audit.reporting.page.models import ModelView
from shortcut_audit.reporting.page.states import Shown, state


@dataclass(frozen=True)
class PairMatrix:
    """Row and column are models; a pair stands once, below the diagonal."""

    audit: str
    decoy: str | None
    names: tuple[str, ...]
    rows: tuple[tuple[Shown | None, ...], ...]


def pairs_shown(report: Report) -> list[Shown]:
    """Every finding about a pair, with its id on the page."""
    shown = []
    for place, finding in enumerate(report.pairs, 1):
        shown.append(Shown(f"p{place}", finding, state(finding)))
    return shown


def pair_matrices(shown: Sequence[Shown], views: Sequence[ModelView]) -> list[PairMatrix]:
    """One for each audit and decoy, in the order of the findings; models as in the list above."""
    asked = dict.fromkeys((each.finding.audit, each.finding.decoy) for each in shown)
    matrices = []
    for audit, decoy in asked:
        of = [each for each in shown if (each.finding.audit, each.finding.decoy) == (audit, decoy)]
        matrices.append(PairMatrix(audit, decoy, *_arranged(of, views)))
    return matrices


def worth_reading(shown: Iterable[Shown]) -> list[Shown]:
    """The pairs whose sentences are printed: those that do not hold."""
    return [each for each in shown if each.finding.verdict is not Verdict.HOLDS]


def _arranged(
    of: Iterable[Shown], views: Sequence[ModelView]
) -> tuple[tuple[str, ...], tuple[tuple[Shown | None, ...], ...]]:
    """The names, and a row for each. Law: every finding has a cell, also where a pair was asked in
    both directions.
    """
    order = {view.name: place for place, view in enumerate(views)}
    found: dict[tuple[str, str], Shown] = {}
    for each in of:
        for name in each.finding.subjects:
            order.setdefault(name, len(order))
        first, second = each.finding.subjects
        below = (first, second) if order[first] > order[second] else (second, first)
        found[below[::-1] if below in found else below] = each
    names = tuple(sorted(set(chain.from_iterable(found)), key=order.__getitem__))
    rows = []
    for row in names:
        rows.append(tuple(found.get((row, column)) for column in names))
    return names, tuple(rows)
