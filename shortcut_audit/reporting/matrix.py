"""Report -> the table models x audits for a terminal, the deciding figure in each cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from shortcut_audit.promotion import Standing, standing, stops
from shortcut_audit.records import ABOVE_CHANCE, Decision, Finding, ModelReport, Report, Verdict
from shortcut_audit.reporting.deciding import ordered

Paint = Callable[[str, str], str]  # text, colour -> text

COLOURS = {Verdict.HOLDS: "green", Verdict.VIOLATED: "red", Verdict.UNDECIDED: "yellow"}
MARKS = {Verdict.HOLDS: " ", Verdict.VIOLATED: "!", Verdict.UNDECIDED: "?"}
WAIVED = "w"  # somebody took the responsibility
INNOCENT = "~"  # beyond the limit, and holds, because clean reference models show it too
DECISIONS = {
    Decision.PROMOTE: "green",
    Decision.REJECT: "red",
    Decision.UNDECIDED: "yellow",
    Decision.WAIVED: "yellow",
}
RIGHT = 8  # characters of the column that says how accurate a model is
DECISION = 11  # of the one that says what becomes of it
LEGEND = (
    "right: per cent of plain validation images, ? where that is in doubt",
    "points beyond the control, the worst decoy or pair; ! beyond the limit, ~ beyond it, as in "
    "clean models, ? undecided, w waived, - not measured, n/a does not apply",
    "finds: the smallest effect that so many images find four times in five, for the model where "
    "it is largest",
)
SEVERITY = (Verdict.HOLDS, Verdict.UNDECIDED, Verdict.VIOLATED)


def unpainted(text: str, _colour: str) -> str:
    """For a terminal without colours."""
    return text


def matrix(report: Report, paint: Paint = unpainted, width: int = 1000) -> list[str]:
    """Lines: a head, a row for each model and a legend; one below the other where a terminal of
    `width` characters does not have room for all audits side by side.

    Each cell is the worst figure over decoys (and pairs), in points.
    """
    lines: list[str] = []
    first = max((len(name) for name in report.models), default=5) + 1
    for audits in _side_by_side(audits_of(report), width - first - RIGHT - DECISION):
        lines += [*([""] if lines else []), *_block(report, audits, first, paint)]
    return [*lines, *LEGEND]


def _side_by_side(audits: Sequence[str], room: int) -> list[list[str]]:
    """The audits in groups, each of which has room; one audit at least is in each."""
    groups: list[list[str]] = [[]]
    left = room
    for audit in audits:
        width = _width(audit)
        if groups[-1] and width > left:
            groups.append([])
            left = room
        groups[-1].append(audit)
        left -= width
    return groups


def _block(report: Report, audits: Sequence[str], first: int, paint: Paint) -> list[str]:
    """A head, a row for each model, and what would have been found."""
    findings = list(report.pairs)
    for model in report.models.values():
        findings += model.findings
    widths, lines = _head(audits, first)
    for name, model in report.models.items():
        row = name.ljust(first) + _right(model, paint)
        for audit in audits:
            row += _cell(_about(findings, name, audit, report), widths[audit], paint)
        lines.append(f"{row}  {paint(model.decision.value, DECISIONS[model.decision])}")
    least = "".join(_least_found(findings, audit, widths[audit]) for audit in audits)
    if least.strip():
        lines.append("finds".ljust(first) + " " * RIGHT + least)
    return lines


def audits_of(report: Report) -> list[str]:
    """The audits of the models in the order of their findings, then those of pairs."""
    names: dict[str, None] = {}
    for model in report.models.values():
        names |= dict.fromkeys(finding.audit for finding in model.findings)
    names |= dict.fromkeys(finding.audit for finding in report.pairs)
    names.pop(ABOVE_CHANCE, None)
    return list(names)


def _head(audits: Sequence[str], first: int) -> tuple[dict[str, int], list[str]]:
    """Each audit's width, and the lines of the head: `influence_precision@50` is three of them."""
    words = {audit: _words(audit) for audit in audits}
    rows = max((len(each) for each in words.values()), default=0)
    widths = {audit: _width(audit) for audit in audits}
    lines = []
    for row in range(rows):
        line = " " * first + ("right" if row == rows - 1 else "").rjust(RIGHT)
        for audit, each in words.items():
            at = row - (rows - len(each))
            line += (each[at] if at >= 0 else "").rjust(widths[audit] - 1) + " "
        lines.append(line)
    return widths, lines


def _words(audit: str) -> list[str]:
    return audit.replace("@", "_@").split("_")


def _width(audit: str) -> int:
    return len(max(_words(audit), key=len)) + 2


def accuracy_of(model: ModelReport) -> Finding | None:
    """How often the model is right on plain images, beside chance; None: that was not asked."""
    for finding in model.findings:
        if finding.audit == ABOVE_CHANCE and not finding.error:
            return finding
    return None


def _right(model: ModelReport, paint: Paint) -> str:
    """Per cent of plain images that the model gets right; ? where that may be chance."""
    found = accuracy_of(model)
    if found is None or found.judgement.estimate.n == 0:
        return " " * RIGHT
    share = 100 * found.judgement.estimate.value
    text = f"{share:.0f}{MARKS[found.verdict]}".rjust(RIGHT)
    return text if found.verdict is Verdict.HOLDS else paint(text, COLOURS[found.verdict])


def disagreements(report: Report) -> Iterable[str]:
    """One sentence for each decoy: how far the members of the set disagree with it.

    Beside that stands how far they do with its control, and without.
    """
    for decoy, each in report.multiplicity.items():
        if "decoyed" in each:
            yield _disagreement(decoy, each)


def _disagreement(decoy: str, figures: Mapping[str, Any]) -> str:
    alike = "equally accurate models"
    if not figures.get("compared", True):
        alike = "models, whose accuracy nobody compared,"
    shares, bits = [], []
    for condition in ("decoyed", "control", "plain"):
        shares.append(f"{100 * figures[condition]['ambiguity']:.0f} %")
        bits.append(f"{figures[condition]['rashomon_capacity']:.2f}")
    return (
        f"{len(figures['members'])} {alike} disagree on {shares[0]} of other images with {decoy}, "
        f"on {shares[1]} under the control, on {shares[2]} without "
        f"(capacity {', '.join(bits)} bits)"
    )


def reasons(report: Report, paint: Paint = unpainted) -> Iterable[str]:
    """One sentence for each model that is not promoted, in the order of the table."""
    for _, model in ordered(report):
        if model.decision is not Decision.PROMOTE:
            decision = paint(model.decision.value, DECISIONS[model.decision])
            yield f"{decision}: {model.sentence}{_how_right(model)}"


def _how_right(model: ModelReport) -> str:
    """What is added where the sentence does not say how accurate the model is."""
    found = accuracy_of(model)
    if found is None or found.claim == model.sentence or not found.judgement.estimate.n:
        return ""
    estimate = found.judgement.estimate
    return f" (right on {100 * estimate.value:.0f} % of {estimate.n} plain images)"


def _about(findings: list[Finding], model: str, audit: str, report: Report) -> list[Finding]:
    """The findings of one cell.

    A reference is shown beside other references only: where it parts from a suspect, the suspect
    is to blame.
    """
    references = {name for name, each in report.models.items() if each.reference}
    shown = []
    for each in findings:
        among_references = model not in references or references.issuperset(each.subjects)
        if each.audit == audit and model in each.subjects and among_references:
            shown.append(each)
    return shown


def _least_found(findings: Sequence[Finding], audit: str, width: int) -> str:
    """The effect that every finding of the audit would have found, four times in five."""
    known = []
    for finding in findings:
        if finding.audit == audit and finding.judgement.detectable is not None:
            known.append(finding.judgement.detectable)
    return (f"{100 * max(known):.0f} " if known else "").rjust(width)


def _cell(findings: list[Finding], width: int, paint: Paint) -> str:
    if not findings:
        return "".rjust(width)
    findings = [finding for finding in findings if finding.applies]
    if not findings:
        return "n/a ".rjust(width)
    worst = max(findings, key=badness)
    estimate = worst.judgement.estimate
    known = not worst.error and estimate.n > 0 and not math.isnan(estimate.value)
    figure = f"{100 * estimate.value:.0f}" if known else "-"
    mark, colour = _mark(worst)
    return paint(f"{figure}{mark}".rjust(width), colour)


def _mark(finding: Finding) -> tuple[str, str]:
    """What stands behind a figure, and its colour."""
    if standing(finding) is Standing.WAIVED:
        return WAIVED, DECISIONS[Decision.WAIVED]
    innocent = finding.judgement.excess is not None
    return INNOCENT if innocent else MARKS[finding.verdict], COLOURS[finding.verdict]


def badness(finding: Finding) -> tuple[bool, bool, int, float]:
    """For the worst of a cell: what applies, then what stops its model, then by verdict, then by
    effect.
    """
    value = finding.judgement.estimate.value
    effect = -1.0 if math.isnan(value) else value
    return finding.applies, stops(finding), SEVERITY.index(finding.verdict), effect
