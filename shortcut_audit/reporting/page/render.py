"""Report -> the whole page as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from shortcut_audit.exhibits import Exhibit, Tile
from shortcut_audit.records import Report
from shortcut_audit.reporting import deciding
from shortcut_audit.reporting.matrix import disagreements
from shortcut_audit.reporting.page import closing, states
from shortcut_audit.reporting.page.effects import effects
from shortcut_audit.reporting.page.evidence import (
    AT_ONCE,
    Evidence,
    evidence,
    example,
    failing,
    shade,
)
from shortcut_audit.reporting.page.grid import grids
from shortcut_audit.reporting.page.models import ModelView, model_views
from shortcut_audit.reporting.page.pairs import pair_matrices, pairs_shown, worth_reading
from shortcut_audit.reporting.page.pictures import Embedded, fitting
from shortcut_audit.reporting.page.questions import in_words, question
from shortcut_audit.reporting.wording import percent

STYLE = Path(__file__).with_name("style.css")
LARGEST = 10_000_000  # bytes; pictures have what words leave


def page(report: Report, folder: Path, split: bool = False) -> str:
    """The HTML document. Law: the same report and pictures give the same text.

    split: style and pictures lie beside it, for servers that forbid them inside.
    """
    views = model_views(report)
    beside = _document(report, views, report.exhibits, Embedded(folder, split=True))
    if split:
        return beside
    album = Embedded(folder)
    room = LARGEST - len(beside.encode(errors="replace")) - STYLE.stat().st_size
    fitted = fitting(report.exhibits, failing(report), album, room)
    return _document(report, views, fitted, album)


def _document(
    report: Report, views: Sequence[ModelView], fitted: Sequence[Exhibit], album: Embedded
) -> str:
    """The page with these exhibits."""
    pairs = pairs_shown(report)
    fail = failing(report)
    shown = {view.id: evidence(view, report, fitted, fail) for view in views}
    first, found = _first(views, shown)
    title, _, causes = deciding.headline(report).partition(": ")
    decide, shown_only = grids(report, views, pairs)
    return _template(album).render(
        report=report,
        style="" if album.split else STYLE.read_text(encoding="utf-8"),
        title=title,
        causes=causes,
        tally=_tally(views),
        first=first,
        example=found,
        decide=decide,
        shown_only=shown_only,
        effects=effects(views),
        views=views,
        evidence=shown,
        matrices=pair_matrices(pairs, views),
        pairs=worth_reading(pairs),
        disagreements=list(disagreements(report)),
        remarks=closing.remarks(views, pairs),
        not_run=closing.not_run(report),
        errs=closing.how_often_they_err(),
        provenance=closing.provenance(report),
    )


def _first(
    views: Sequence[ModelView], shown: Mapping[str, Sequence[Evidence]]
) -> tuple[ModelView | None, tuple[Exhibit, Tile] | None]:
    """The first model that is rejected and has a picture that turned, and that picture."""
    for view in views:
        found = example(shown[view.id])
        if view.state.tone == "bad" and found:
            return view, found
    return None, None


def _tally(views: Sequence[ModelView]) -> list[tuple[states.State, int, int]]:
    """How many models have each verdict, in the order of the list, and how many of these are
    references.
    """
    counts = Counter(view.state for view in views)
    references = Counter(view.state for view in views if view.model.reference)
    return [(state, counts[state], references[state]) for state in states.DECIDED.values()]


def _template(album: Embedded) -> Template:
    return environment(album).get_template("page.html.jinja")


def environment(album: Embedded) -> Environment:
    """Where templates of this look are found, with what they ask for.

    album: `picture` in a template shows what lies there.
    """
    made = Environment(
        loader=PackageLoader("shortcut_audit.reporting", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "attributes": states.attributes,
        "figure": states.figure,
        "figures": deciding.figures,
        "in_words": in_words,
        "percent": percent,
        "question": question,
        "reason": states.reason,
    }
    made.globals |= {
        "picture": album.shown,
        "shade": shade,
        "split": album.split,
        "at_once": AT_ONCE,
    }
    return made
