"""Sections -> `study.html`, a CSV for each table, PNG and SVG for each figure, and `study.json`."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, StrictUndefined, Template

from shortcut_audit.files.whole import replacing
from shortcut_audit.study.sections import Agreement, Cell, Figure, Section, Table
from shortcut_audit.training.train import writing

DPI = 110
# with a fixed salt the same drawing gives the same bytes
STYLE: dict[Any, str] = {"svg.hashsalt": "shortcut-audit", "font.family": "DejaVu Sans"}
WORDS = {True: "agrees", False: "differs", None: "not measured"}


@dataclass(frozen=True)
class Chapter:
    """A section with its place on the page."""

    name: str  # of the experiment
    title: str
    source: str  # where in the thesis
    section: Section
    seconds: float


def write(
    chapters: Iterable[Chapter], told: Mapping[str, Any], out: Path, stem: str = "study"
) -> Path:
    """Writes every file of the study, each whole or not at all, and returns the page.

    Tables and figures that the page of this name had before, and has no longer, are removed.

    Args:
        told: `title`, `facts` (pairs of a word and what it says), `models` (a Table), `notes`
            (sentences).
        stem: the page's name.
    """
    chapters = list(chapters)
    content = _tables_and_figures(chapters)
    counts = _counts(chapters)
    html = _template().render(
        chapters=chapters, pictures=_pictures(chapters, content), counts=counts, **told
    )
    for name in set(_files_before(out / f"{stem}.json")) - set(content):
        (out / name).unlink(missing_ok=True)
    summary = {**_summary(chapters, counts), "files": sorted(content)}
    content[f"{stem}.json"] = (json.dumps(summary, indent=1) + "\n").encode()
    content[f"{stem}.html"] = html.encode()
    for name, each in content.items():
        _put(out / name, each)
    return out / f"{stem}.html"


def _tables_and_figures(chapters: Iterable[Chapter]) -> dict[str, bytes]:
    """File name -> content, for a CSV of each table and a PNG and an SVG of each figure."""
    content: dict[str, bytes] = {}
    for chapter in chapters:
        for table in chapter.section.tables:
            content[f"tables/{table.name}.csv"] = _csv(table).encode()
        for figure in chapter.section.figures:
            for kind in ("png", "svg"):
                content[f"figures/{figure.name}.{kind}"] = _drawn(figure, kind)
    return content


def _pictures(chapters: Iterable[Chapter], content: Mapping[str, bytes]) -> dict[str, str]:
    """Figure's name -> its PNG in base64, which the page holds itself."""
    pictures = {}
    for chapter in chapters:
        for figure in chapter.section.figures:
            png = content[f"figures/{figure.name}.png"]
            pictures[figure.name] = base64.b64encode(png).decode()
    return pictures


def _counts(chapters: Iterable[Chapter]) -> dict[str, int]:
    """Word -> how many findings of all chapters it is said of."""
    counts = dict.fromkeys(WORDS.values(), 0)
    for chapter in chapters:
        for agreement in chapter.section.agreements:
            counts[word(agreement)] += 1
    return counts


def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"cell": cell, "word": word, "label": label}
    source = files("shortcut_audit.study").joinpath("page.html.jinja")
    return environment.from_string(source.read_text(encoding="utf-8"))


def _files_before(summary: Path) -> list[str]:
    """The tables and figures of the page that was there before, by its `study.json`."""
    try:
        names: list[str] = json.loads(summary.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    ours = re.compile(r"(tables|figures)/\w+\.(csv|png|svg)")
    return [name for name in names if ours.fullmatch(str(name))]


def word(agreement: Agreement) -> str:
    """`agrees`, `differs` or `not measured`."""
    return WORDS[agreement.agrees]


def cell(value: Cell) -> str:
    """A table's cell as text: a float with three significant digits, None as nothing."""
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def label(name: str) -> str:
    """`figure_5_5_k150` -> `Figure 5.5, k150`; a name of another form stays."""
    found = re.fullmatch(r"(table|figure)_(\d|a)_(\d+)(?:_(.+))?", name)
    if found is None:
        return name
    kind, chapter, number, rest = found.groups()
    more = f", {rest.replace('_', ' ')}" if rest else ""
    return f"{kind.title()} {chapter.upper()}.{number}{more}"


def _summary(chapters: Iterable[Chapter], counts: Mapping[str, int]) -> dict[str, Any]:
    """The study as JSON: how many findings agree, and each experiment's findings."""
    summary: dict[str, Any] = {"schema": 1}
    for name, count in counts.items():
        summary[name.replace(" ", "_")] = count
    experiments = {}
    for chapter in chapters:
        experiments[chapter.name] = {
            "title": chapter.title,
            "seconds": round(chapter.seconds, 1),
            "agreements": [asdict(each) for each in chapter.section.agreements],
        }
    return {**summary, "experiments": experiments}


def _csv(table: Table) -> str:
    """The table's rows; the column `source` says whether a row is measured here or published."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("source", *table.columns))
    for row in table.rows:
        writer.writerow(("here", *row))
    for row in table.published:
        writer.writerow(("published", *row))
    return text.getvalue()


def _drawn(figure: Figure, kind: str) -> bytes:
    """The figure as a `png` or `svg`; an SVG bears no date, so that it is the same each time."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.drawing.savefig(
            buffer, format=kind, dpi=DPI, metadata={"Date": None} if kind == "svg" else {}
        )
    return buffer.getvalue()


def _put(path: Path, content: bytes) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as unfinished:
            unfinished.write_bytes(content)
