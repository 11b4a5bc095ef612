"""Revealed -> `discovered.html`: what makes the models say each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.whole import replacing
from shortcut_audit.reporting.page import render
from shortcut_audit.reporting.page.pictures import Embedded
from shortcut_audit.revealing.revealed import Revealed
from shortcut_audit.revealing.states import State
from shortcut_audit.revealing.views import LOOKS, TRIED, Section, by_model, sections
from shortcut_audit.revealing.worth import worth
from shortcut_audit.showing.album import Album

NAME = "discovered.html"


def write_gallery(revealed: Revealed, evidence: Evidence, folder: Path) -> Path:
    """Writes the page, with its style and pictures inside, and returns its path."""
    album = Album()
    shown = sections(revealed, evidence, album)
    # the page carries its pictures: nothing lies beside it, where another report may have its own
    with TemporaryDirectory() as kept:
        album.write(Path(kept))
        text = _page(revealed, shown, Embedded(Path(kept)))
    path = folder / NAME
    with replacing(path) as unfinished:
        unfinished.write_bytes(text.encode(errors="replace"))
    return path


def title(revealed: Revealed) -> str:
    """The whole outcome in one line."""
    counts = Counter(thing.state for thing in revealed.things)
    if confirmed := counts[State.CONFIRMED]:
        what = (
            "shortcut that nobody had named is"
            if confirmed == 1
            else ("shortcuts that nobody had named are")
        )
        return f"{confirmed} {what} confirmed"
    if shared := counts[State.SHARED]:
        what = "thing turns" if shared == 1 else "things turn"
        return f"{shared} {what} pictures in all models alike: look at it"
    return "Nothing is confirmed, which is no pass"


def _page(revealed: Revealed, shown: Sequence[Section], album: Embedded) -> str:
    source = files("shortcut_audit.revealing").joinpath("gallery.html.jinja")
    template = render.environment(album).from_string(source.read_text(encoding="utf-8"))
    counts = Counter(thing.state for thing in revealed.things)
    return template.render(
        title=title(revealed),
        style=render.STYLE.read_text(encoding="utf-8"),
        revealed=revealed,
        sections=shown,
        by_model=by_model(revealed, shown),
        tally=[(look, counts[state]) for state, look in LOOKS.items() if counts[state]],
        looks={state.name: look for state, look in LOOKS.items()},
        tried=TRIED,
        worth=worth(),
    )
