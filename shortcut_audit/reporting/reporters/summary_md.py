"""`summary.md`: the verdicts as a comment of a pull request, or a job's summary, shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shortcut_audit.files.whole import replacing
from shortcut_audit.promotion import stops
from shortcut_audit.records import Decision, ModelReport, Report
from shortcut_audit.registry import register
from shortcut_audit.reporting.conclusion import not_asked
from shortcut_audit.reporting.deciding import (
    SYMBOLS,
    deciding,
    effect,
    headline,
    limit,
    ordered,
    would_change,
)
from shortcut_audit.reporting.markdown import escaped
from shortcut_audit.reporting.matrix import disagreements

MIB = 2**20  # bytes: GitHub takes no longer summary of a step
NOTHING = "–"
HEAD = ("", "model", "verdict", "decoy", "effect [interval]", "limit", "n")
LEGEND = (
    "Effect: points beyond the neutral control, with its interval; of a promoted model the effect "
    "that came nearest to its limit."
)
WHERE = "every finding is in `verdict.json`"


@register("reporter")
@dataclass(frozen=True)
class SummaryMd:
    """One sentence, the table that decides, why each model is not promoted, and the notes.

    most: bytes that the file may have; models for which there is no room are counted.
    Laws: same report, same bytes; nothing that a model, a decoy or a claim is called is read as
        Markdown or HTML, or links to anybody.
    """

    name: str = "summary.md"
    most: int = MIB

    def write(self, report: Report, folder: Path) -> Path:
        """Writes the file in one piece and returns its path."""
        path = folder / self.name
        with replacing(path) as unfinished:
            unfinished.write_bytes("\n".join(_lines(report, self.most)).encode() + b"\n")
        return path


def _lines(report: Report, most: int) -> Iterator[str]:
    models = ordered(report)
    held = [(name, model) for name, model in models if model.decision is not Decision.PROMOTE]
    opening = ["## Shortcut audit", "", f"**{escaped(headline(report))}**", ""]
    closing = ["", "### Notes", "", *_fitting(list(_notes(report)), most // 4, "notes")]
    closing += _sources(report)
    room = most - _size(opening) - _size(closing) - 1000  # for the lines in between
    rows = _fitting([_row(name, model) for name, model in models], room, "models")
    yield from opening
    if models:
        yield _cells(HEAD)
        yield "|" + "---|" * len(HEAD)
        yield from rows
        yield from ("", LEGEND, "")
    yield from _fitting([_why(*each) for each in held], room - _size(rows), "models' reasons")
    yield from closing


def _fitting(parts: Sequence[str], room: int, what: str) -> list[str]:
    """The first of the parts that go into so many bytes, and how many do not."""
    kept: list[str] = []
    for part in parts:
        room -= _size([part])
        if room < 0:
            break
        kept.append(part)
    left = len(parts) - len(kept)
    if left:
        more = f"{what} that are left out for want of room: {left}; {WHERE}."
        kept += ["", more.capitalize(), ""]
    return kept


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _row(name: str, model: ModelReport) -> str:
    finding = deciding(model)
    about = [SYMBOLS[model.decision], name, model.decision.value]
    if finding is None:
        return _cells([*about, *[NOTHING] * 4])
    n = finding.judgement.estimate.n
    return _cells([*about, finding.decoy or NOTHING, effect(finding), limit(finding), f"{n}"])


def _cells(texts: Sequence[str]) -> str:
    return f"| {' | '.join(map(escaped, texts))} |"


def _why(name: str, model: ModelReport) -> str:
    """What opens below the table, for one model."""
    title = f"{SYMBOLS[model.decision]} {name}: {model.decision.value}"
    return (
        f"<details><summary>{escaped(title, markdown=False)}</summary>\n\n"
        f"Why: {escaped(model.sentence)}\n\n"
        f"What would change it: {escaped(would_change(model))}\n\n"
        "</details>\n"
    )


def _notes(report: Report) -> Iterator[str]:
    """What else is to be known, each as an item of a list that begins with words of ours."""
    for pair in report.pairs:
        if stops(pair):
            yield f"- A pair of models blocks: {escaped(pair.claim)}"
    for note in (*not_asked(report), *disagreements(report), *report.provenance.get("notes", ())):
        yield f"- Note: {escaped(note)}"


def _sources(report: Report) -> list[str]:
    """Which scenario and which audits this was decided by, and where there is more to read."""
    scenario, audits = report.scenario, str(report.suite.get("digest", ""))
    return [
        f"- Scenario: {escaped(scenario['path'])}, SHA-256 {escaped(scenario['digest'])}",
        f"- Audits: SHA-256 {escaped(audits)}; {WHERE}",
    ]
