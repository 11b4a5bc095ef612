"""`technical_documentation.md`: the run as a part of a system's technical documentation.

It follows annex IV, point 2(g), of the EU's AI Act: the data that were tested on, metrics and
thresholds as they were set before, the test report, and a line to date and sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shortcut_audit.files.whole import replacing
from shortcut_audit.promotion import Standing, standing
from shortcut_audit.records import ABOVE_CHANCE, Finding, ModelReport, Report
from shortcut_audit.registry import register
from shortcut_audit.reporting.deciding import effect, limit
from shortcut_audit.reporting.markdown import escaped

OPENING = (
    "# Validation and testing: reliance on shortcuts",
    "",
    "For the technical documentation under Regulation (EU) 2024/1689 (AI Act), annex IV, point "
    "2(g). It reports one run of shortcut-audit, which tests one thing: whether a classifier's "
    "answers hang on decoys that do not belong to the class. It says nothing of any other "
    "requirement.",
)
METRICS = (
    "An effect is the mean over pictures of what the model does with a decoy, less what it does "
    "with a neutral control of the same place, size and opacity, in percentage points. HOLDS: the "
    "effect is shown to be inside the threshold. VIOLATED: it is shown to be beyond. UNDECIDED: "
    "neither is shown, which never counts as a pass. Thresholds were read from the scenario before "
    "the first test; its digest says that they were not changed since. What the scenario does not "
    "name (`@elsewhere`, `@stronger`) is also held against clean reference models, so that its "
    "threshold is not the same for every model."
)
LIMITS = (
    "A result speaks for the decoys, sizes, opacities and places that it names, and for these "
    "pictures. How often these tests err, measured on models whose right answer is known, is said "
    "on the calibration page of the version that is named above."
)
SIGNED = ("date", "name and role of the person responsible", "signature")
RESULTS = ("test", "decoy", "result", "effect [interval]", "threshold", "pictures", "decides")


@register("reporter")
@dataclass(frozen=True)
class TechnicalDocumentation:
    """A fragment in Markdown, to be taken over, dated and signed.

    Law: nothing that a model, a decoy or a claim is called is read as Markdown.
    """

    name: str = "technical_documentation.md"

    def write(self, report: Report, folder: Path) -> Path:
        """Writes the file in one piece and returns its path."""
        path = folder / self.name
        with replacing(path) as unfinished:
            unfinished.write_text("\n".join(_lines(report)) + "\n", encoding="utf-8")
        return path


def _lines(report: Report) -> Iterator[str]:
    yield from OPENING
    if not report.finished:
        yield from ("", "**The run did not come to its end, so that it decides nothing.**")
    yield from ("", "## What was tested, and by what", "")
    yield from _table(("", ""), _sources(report))
    yield from (
        "",
        "## Test data",
        "",
        "Pictures of each split and decoy, at the models' input size.",
    )
    yield from ("", *_table(("pictures", "SHA-256"), sorted(report.data.items())))
    yield from ("", "## Metrics and thresholds, set before the run", "", METRICS, "")
    yield from _table(("test", "decoy", "threshold", "decides"), _thresholds(report))
    yield from ("", "## Test report")
    for name, model in report.models.items():
        yield from _model(name, model)
    yield from ("", "## What these tests do not say", "", LIMITS)
    yield from ("", "## Responsible", "", *_table(SIGNED, [("&nbsp;",) * 3]))


def _sources(report: Report) -> Iterator[tuple[str, str]]:
    provenance = report.provenance
    yield "time of the run", provenance.get("time", "")
    yield "machine", provenance.get("machine", "")
    yield from provenance.get("packages", {}).items()
    yield "scenario", f"{report.scenario['path']}, SHA-256 {report.scenario['digest']}"
    yield "tests", f"SHA-256 {report.suite.get('digest', '')}"


def _thresholds(report: Report) -> Iterator[tuple[str, ...]]:
    """Each test once, with its threshold: the least and the largest where models differ."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for model in report.models.values():
        for finding in filter(limit, model.findings):
            found.setdefault((finding.audit, finding.decoy or ""), []).append(finding)
    for (audit, decoy), each in found.items():
        limits = sorted({_points(finding) for finding in each})
        ends = [f"{value:.3g}" for value in (limits[0], limits[-1])]
        words = " to ".join(dict.fromkeys(ends))
        unit = "% right by chance" if audit == ABOVE_CHANCE else "points"
        decides = any(finding.blocking for finding in each)
        yield audit, decoy, f"{words} {unit}", _yes(decides)


def _points(finding: Finding) -> float:
    return 100 * finding.judgement.limit


def _yes(said: bool) -> str:
    return "yes" if said else "no"


def _model(name: str, model: ModelReport) -> Iterator[str]:
    """A model's part of the test report."""
    yield from ("", f"### {escaped(name)}: {model.decision.value}", "")
    rows = [("checkpoint", Path(model.file).name), ("SHA-256", model.sha256 or "")]
    yield from _table(("", ""), [*rows, *_read_as(model)])
    yield from (
        "",
        escaped(model.sentence) + ".",
        "",
        *_table(RESULTS, map(_result, model.findings)),
    )
    for finding in model.findings:
        if finding.waived:
            yield from ("", f"Waived: {escaped(finding.claim)}; {escaped(finding.waived)}.")


def _read_as(model: ModelReport) -> Iterator[tuple[str, str]]:
    """How the file was read, where that is known."""
    read = model.read_as
    if read:
        yield "architecture", str(read.get("arch", ""))
        yield "classes", ", ".join(map(str, read.get("classes", ())))
        yield "input", f"{dict(read.get('input', {})).get('size', '')} px"


def _result(finding: Finding) -> tuple[str, ...]:
    said = finding.verdict.value
    if not finding.applies or finding.error:
        said = "not measured" if finding.error else "does not apply"
    n = finding.judgement.estimate.n
    decides = "waived" if standing(finding) is Standing.WAIVED else _yes(finding.blocking)
    about = (finding.audit, finding.decoy or "", said)
    return (*about, effect(finding), limit(finding), str(n or ""), decides)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = tuple(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_cell(each) for each in row)} |"


def _cell(text: str) -> str:
    return text if re.fullmatch("&nbsp;|", text) else escaped(text)
