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
from jinja2 import Environment, StrictUndefined

from shortcut_audit.files.whole import replacing
from shortcut_audit.study.sections import Agreement, Cell, Figure, Section, Table
from shortcut_audit.training.train import writing

DPI = 110
# the same drawing is the same file
STYLE: dict[Any, str] = {"svg.hashsalt": "shortcut-audit", "font.family": "DejaVu Sans"}


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
    """Every file of the study, each whole or not at all; `stem` is the page's name. Returns the
    page.

    Tables and figures that the page of this name had before, and has no longer, are removed.

    Args:
        told: `title`, `facts` (pairs of a word and what it says), `models` (a Table), `notes`
            (sentences).
    """
    chapters = list(chapters)
    pictures: dict[str, str] = {}
    content: dict[str, bytes] = {}
    for chapter in chapters:
        for table in chapter.section.tables:
            content[f"tables/{table.name}.csv"] = _csv(table).encode()
        for figure in chapter.section.figures:
            png, svg = (_drawn(figure, kind) for kind in ("png", "svg"))
            content |= {f"figures/{figure.name}.png": png, f"figures/{figure.name}.svg": svg}
            pictures[figure.name] = base64.b64encode(png).decode()
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"cell": cell, "word": word, "label": label}
    template = environment.from_string(
        files("shortcut_audit.study").joinpath("page.html.jinja").read_text(encoding="utf-8")
    )
    counts = {
        name: sum(word(each) == name for c in chapters for each in c.section.agreements)
        for name in WORDS.values()
    }
    html = template.render(chapters=chapters, pictures=pictures, counts=counts, **told)
    for name in set(_listed(out / f"{stem}.json")) - set(content):
        (out / name).unlink(missing_ok=True)
    summary = {**_summary(chapters, counts), "files": sorted(content)}
    content |= {
        f"{stem}.json": (json.dumps(summary, indent=1) + "\n").encode(),
        f"{stem}.html": html.encode(),
    }
    for name, each in content.items():
        _put(out / name, each)
    return out / f"{stem}.html"


def _listed(summary: Path) -> list[str]:
    """The tables and figures of the page that was there before."""
    try:
        listed: list[str] = json.loads(summary.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [
        name for name in listed if re.fullmatch(r"(tables|figures)/\w+\.(csv|png|svg)", str(name))
    ]


WORDS = {True: "agrees", False: "differs", None: "not measured"}


def word(agreement: Agreement) -> str:
    """agrees, differs or not measured."""
    return WORDS[agreement.agrees]


def cell(value: Cell) -> str:
    """Three significant digits; nothing where there is no number."""
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def label(name: str) -> str:
    """`figure_5_5_k150` -> `Figure 5.5, k150`; a name of another form stays."""
    found = re.fullmatch(r"(table|figure)_(\d|a)_(\d+)(?:_(.+))?", name)
    if found is None:
        return name
    kind, chapter, number, rest = found.groups()
    return f"{kind.title()} {chapter.upper()}.{number}" + (
        f", {rest.replace('_', ' ')}" if rest else ""
    )


def _summary(chapters: list[Chapter], counts: Mapping[str, int]) -> dict[str, Any]:
    experiments = {
        c.name: {
            "title": c.title,
            "seconds": round(c.seconds, 1),
            "agreements": [asdict(each) for each in c.section.agreements],
        }
        for c in chapters
    }
    return {
        "schema": 1,
        **{name.replace(" ", "_"): count for name, count in counts.items()},
        "experiments": experiments,
    }


def _csv(table: Table) -> str:
    """One row for each row; `source` says whether it is measured here or published."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("source", *table.columns))
    for source, rows in (("here", table.rows), ("published", table.published)):
        writer.writerows(
            (source, *("" if value is None else value for value in row)) for row in rows
        )
    return text.getvalue()


def _drawn(figure: Figure, kind: str) -> bytes:
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
