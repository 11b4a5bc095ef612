"""Models -> the one plot of deciding effects, and what their intervals say of zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shortcut_audit.records import ABOVE_CHANCE, Finding
from shortcut_audit.reporting.deciding import deciding
from shortcut_audit.reporting.page.drawings import axis, interval, scale
from shortcut_audit.reporting.page.models import ModelView


@dataclass(frozen=True)
class Effect:
    """A model's deciding finding, and its drawing."""

    view: ModelView
    finding: Finding
    at: str  # the id under which the page has the finding
    drawing: str


@dataclass(frozen=True)
class Effects:
    """All that were measured, on one scale; `without` names models that have no such figure."""

    rows: tuple[Effect, ...]
    axis: str
    zero: str  # a sentence where intervals include zero, else ""
    without: tuple[str, ...]


def effects(views: Sequence[ModelView]) -> Effects:
    """One row for each model whose verdict was decided by an effect."""
    measured = [(view, *found) for view in views if (found := _decided_by(view))]
    ends: list[float] = []
    for _, finding, _ in measured:
        estimate = finding.judgement.estimate
        ends += (estimate.low, estimate.high, finding.judgement.limit)
    of = scale(ends)
    rows = []
    for view, finding, at in measured:
        judged = finding.judgement
        estimate = judged.estimate
        span = (estimate.low, estimate.high)
        drawn = interval(of, estimate.value, span, judged.limit, view.model.reference)
        rows.append(Effect(view, finding, at, drawn))
    known = {view.id for view, *_ in measured}
    without = [view.name for view in views if view.id not in known]
    return Effects(tuple(rows), axis(of, 100), _zero(rows), tuple(without))


def _decided_by(view: ModelView) -> tuple[Finding, str] | None:
    """The finding that decided, and its id; None where it is no effect, or was not measured."""
    finding = deciding(view.model)
    if finding is None or finding.audit == ABOVE_CHANCE or not finding.judgement.estimate.n:
        return None
    at = next(each.id for each in view.findings if each.finding is finding)
    return finding, at


def _zero(rows: Iterable[Effect]) -> str:
    """Which effects cannot be told from none."""
    names, total = [], 0
    for each in rows:
        total += 1
        estimate = each.finding.judgement.estimate
        if estimate.low <= 0 <= estimate.high:
            names.append(each.view.name)
    if not names:
        return ""
    of = "1 interval includes" if len(names) == 1 else f"{len(names)} of {total} intervals include"
    return (
        f"{of} zero ({', '.join(names)}): so many images do not tell whether there is any effect "
        "at all"
    )
