"""Report -> the table models x audits for a terminal, the deciding figure in each cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from shortcut_audit.records import ABOVE_CHANCE, Decision, Finding, ModelReport, Report, Verdict

Paint = Callable[[str, str], str]  # text, colour -> text

COLOURS = {Verdict.HOLDS: "green", Verdict.VIOLATED: "red", Verdict.UNDECIDED: "yellow"}
MARKS = {Verdict.HOLDS: " ", Verdict.VIOLATED: "!", Verdict.UNDECIDED: "?"}
INNOCENT = "~"  # beyond the limit, and holds, because clean reference models show it too
DECISIONS = {
    Decision.PROMOTE: "green",
    Decision.REJECT: "red",
    Decision.UNDECIDED: "yellow",
    Decision.WAIVED: "yellow",
}
RIGHT = 8  # characters of the column that says how accurate a model is
LEGEND = (
    "right: per cent of plain validation images, ? where that is in doubt",
    "points beyond the control, the worst decoy or pair; ! beyond the limit, ~ beyond it, as in clean models, ? undecided, "
    "- not measured, n/a does not apply",
    "finds: the smallest effect that so many images find four times in five, for the model where it is largest",
)
SEVERITY = (Verdict.HOLDS, Verdict.UNDECIDED, Verdict.VIOLATED)


def unpainted(text: str, _colour: str) -> str:
    """For a terminal without colours."""
    return text


def matrix(report: Report, paint: Paint = unpainted) -> list[str]:
    """Lines: a head, a row for each model and a legend. Each cell is the worst figure over decoys
    (and pairs), in points.
    """
    findings = [finding for model in report.models.values() for finding in model.findings] + list(
        report.pairs
    )
    audits = list(
        dict.fromkeys(finding.audit for finding in findings if finding.audit != ABOVE_CHANCE)
    )
    # influence_precision@50: three rows of the head
    words = {audit: audit.replace("@", "_@").split("_") for audit in audits}
    rows = max((len(each) for each in words.values()), default=0)
    heads = {audit: [""] * (rows - len(each)) + each for audit, each in words.items()}
    widths = {audit: max(len(word) for word in each) + 2 for audit, each in words.items()}
    first = max((len(name) for name in report.models), default=5) + 1
    lines = []
    for row in range(rows):
        right = "right" if row == rows - 1 else ""
        titles = [f"{heads[audit][row].rjust(widths[audit] - 1)} " for audit in audits]
        lines.append("".join([" " * first, right.rjust(RIGHT), *titles]))
    for name, model in report.models.items():
        cells = [
            _cell(_about(findings, name, audit, report), widths[audit], paint) for audit in audits
        ]
        decision = paint(model.decision.value, DECISIONS[model.decision])
        lines.append("".join([name.ljust(first), _right(model, paint), *cells, "  ", decision]))
    least = [
        _least_found([each for each in findings if each.audit == audit], widths[audit])
        for audit in audits
    ]
    if any(each.strip() for each in least):
        lines.append("".join(["finds".ljust(first), " " * RIGHT, *least]))
    return [*lines, *LEGEND]


def told_accuracy(model: ModelReport) -> Finding | None:
    """How often the model is right on plain images, beside chance; None where that was not asked."""
    return next(
        (each for each in model.findings if each.audit == ABOVE_CHANCE and not each.error), None
    )


def _right(model: ModelReport, paint: Paint) -> str:
    """Per cent of plain validation images that the model gets right; ? where that is not shown to
    be above chance.
    """
    found = told_accuracy(model)
    if found is None or found.value is None or found.n == 0:
        return " " * RIGHT
    text = f"{100 * found.value:.0f}{MARKS[found.verdict]}"
    return (
        paint(text.rjust(RIGHT), COLOURS[found.verdict])
        if found.verdict is not Verdict.HOLDS
        else text.rjust(RIGHT)
    )


def disagreements(report: Report) -> Iterable[str]:
    """One sentence for each decoy: how far the members of the set disagree with it, with its
    control and without.
    """
    for decoy, each in report.multiplicity.items():
        if "decoyed" not in each:
            continue
        alike = (
            "equally accurate models"
            if each.get("compared", True)
            else "models, whose accuracy nobody compared,"
        )
        three = [each[name] for name in ("decoyed", "control", "plain")]
        shares = [f"{100 * figures['ambiguity']:.0f} %" for figures in three]
        bits = ", ".join(f"{figures['rashomon_capacity']:.2f}" for figures in three)
        yield (
            f"{len(each['members'])} {alike} disagree on {shares[0]} of other images with {decoy}, "
            f"on {shares[1]} under the control, on {shares[2]} without (capacity {bits} bits)"
        )


def reasons(report: Report, paint: Paint = unpainted) -> Iterable[str]:
    """One sentence for each model that is not promoted."""
    for model in report.models.values():
        if model.decision is not Decision.PROMOTE:
            told = told_accuracy(model)
            right = (
                f" (right on {100 * (told.value or 0.0):.0f} % of {told.n} plain images)"
                if told and told.n and told.claim != model.sentence
                else ""
            )
            yield f"{paint(model.decision.value, DECISIONS[model.decision])}: {model.sentence}{right}"


def _about(findings: list[Finding], model: str, audit: str, report: Report) -> list[Finding]:
    """A reference is shown beside other references only: where it parts from a suspect, the suspect
    is to blame.
    """
    references = {name for name, each in report.models.items() if each.reference}
    company = (
        references
        if model in references
        else {*report.models, *(name for each in findings for name in each.subjects)}
    )
    return [
        each
        for each in findings
        if each.audit == audit and model in each.subjects and company.issuperset(each.subjects)
    ]


def _least_found(findings: list[Finding], width: int) -> str:
    """The effect that every one of these would have found, four times in five."""
    known = [finding.detectable for finding in findings if finding.detectable is not None]
    return f"{100 * max(known):.0f} ".rjust(width) if known else "".rjust(width)


def _cell(findings: list[Finding], width: int, paint: Paint) -> str:
    if not findings:
        return "".rjust(width)
    findings = [finding for finding in findings if finding.applies]
    if not findings:
        return "n/a ".rjust(width)
    worst = max(
        findings, key=lambda finding: (SEVERITY.index(finding.verdict), finding.value or 0.0)
    )
    mark = INNOCENT if worst.excess is not None else MARKS[worst.verdict]
    figure = (
        "-" if worst.error or worst.n == 0 or worst.value is None else f"{100 * worst.value:.0f}"
    )
    return paint(f"{figure}{mark}".rjust(width), COLOURS[worst.verdict])
