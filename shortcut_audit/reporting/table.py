"""Report -> what a terminal shows at the end: one sentence, the table that decides, the reasons.

The table fits the terminal. Where that is narrow, names are cut in the middle, and the columns that
matter least are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shortcut_audit.records import ModelReport, Report
from shortcut_audit.reporting.conclusion import not_asked
from shortcut_audit.reporting.deciding import (
    SYMBOLS,
    class_in_question,
    deciding,
    effect,
    headline,
    limit,
    ordered,
)
from shortcut_audit.reporting.matrix import (
    DECISIONS,
    INNOCENT,
    Paint,
    disagreements,
    matrix,
    reasons,
    unpainted,
)

MODEL, VERDICT, DECOY, POINTS, LIMIT, COUNT, AUDIT = COLUMNS = (
    "model",
    "verdict",
    "worst decoy",
    "points",
    "limit",
    "n",
    "audit",
)
LEFT_OUT = (AUDIT, COUNT, LIMIT, DECOY)  # the first of these goes first where all are too wide
LEAST = {MODEL: 12, DECOY: 11}  # characters that say something; others are never cut
FIGURES = {POINTS, LIMIT, COUNT}
GAP = "  "
LEGEND = "points: what the decoy does beyond its control [interval], held against the limit"
NEAREST = "; of a promoted model the nearest to it"
AS_CLEAN = f"; {INNOCENT} clean models show as much"

Row = Mapping[str, str]  # column -> cell


@dataclass(frozen=True)
class Look:
    """How a terminal is written to: its colours, its width in characters, and how much is said
    (pytest's -v is 1, its -q is -1).
    """

    paint: Paint = unpainted
    width: int = 1000
    verbosity: int = 0


PLAIN = Look()


def summary(report: Report, look: Look = PLAIN) -> Iterator[str]:
    """The lines; with -q no more than why models are not promoted, with -v every audit as well."""
    if look.verbosity < 0:
        yield from reasons(report, look.paint)
        return
    yield headline(report)
    yield ""
    yield from table(report, look)
    yield ""
    if look.verbosity > 0:
        yield from matrix(report, look.paint, look.width)
        yield ""
    yield from reasons(report, look.paint)
    yield from disagreements(report)
    yield from not_asked(report)
    yield from report.provenance.get("notes", ())


def table(report: Report, look: Look = PLAIN) -> list[str]:
    """A head, a line for each model with the finding that decided, and what the figures are.

    Law: no line of a model is wider than the terminal, if that has 40 characters.
    """
    models = ordered(report)
    rows = [_cells(report, name, model) for name, model in models]
    if not rows:
        return []
    widths = _fitting([dict(zip(COLUMNS, COLUMNS, strict=True)), *rows], look.width)
    lines = [_line({column: column for column in widths}, widths)]
    for row, (_, model) in zip(rows, models, strict=True):
        word = row[VERDICT]
        painted = look.paint(word, DECISIONS[model.decision])
        lines.append(_line(row, widths).replace(word, painted, 1))
    return [line.rstrip() for line in lines] + [_legend(rows, report)]


def _cells(report: Report, name: str, model: ModelReport) -> Row:
    finding = deciding(model)
    cells = {MODEL: name, VERDICT: f"{SYMBOLS[model.decision]} {model.decision.value}"}
    if finding is None:
        return cells
    innocent = finding.judgement.excess is not None
    asked = class_in_question(report, name, finding)
    return cells | {
        DECOY: (finding.decoy or "") + (f": {asked}" if asked else ""),
        POINTS: effect(finding).replace(" points", INNOCENT if innocent else ""),
        LIMIT: limit(finding).partition(" beyond ")[0],  # the mark at the effect says the rest
        COUNT: str(finding.judgement.estimate.n),
        AUDIT: finding.audit,
    }


def _fitting(rows: Sequence[Row], width: int) -> dict[str, int]:
    """The columns that have room, each with its width: names are cut for all but the audit's."""
    widths = {}
    for column in COLUMNS:
        widths[column] = max(len(row.get(column, "")) for row in rows)
    for column in LEFT_OUT:
        cut_off = 0 if column == AUDIT else sum(_spare(widths).values())
        if _whole(widths) - cut_off <= width:
            break
        del widths[column]
    for column, spare in _spare(widths).items():
        widths[column] -= min(spare, max(0, _whole(widths) - width))
    return widths


def _whole(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _spare(widths: Mapping[str, int]) -> dict[str, int]:
    """How many characters could be taken off each column that may be cut, the widest first."""
    spare = {column: max(0, widths[column] - LEAST[column]) for column in LEAST if column in widths}
    return dict(sorted(spare.items(), key=lambda each: -each[1]))


def _line(row: Row, widths: Mapping[str, int]) -> str:
    cells = []
    for column, width in widths.items():
        cell = cut(row.get(column, ""), width)
        cells.append(cell.rjust(width) if column in FIGURES else cell.ljust(width))
    return GAP.join(cells)


def cut(text: str, width: int) -> str:
    """The text in at most so many characters, its middle left out: `copyright…F100-s0`."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"


def _legend(rows: Sequence[Row], report: Report) -> str:
    """What the figures are, as far as they occur."""
    promoted = any(model.decision.value == "promote" for model in report.models.values())
    innocent = any(INNOCENT in row.get(POINTS, "") for row in rows)
    return LEGEND + (NEAREST if promoted else "") + (AS_CLEAN if innocent else "")
