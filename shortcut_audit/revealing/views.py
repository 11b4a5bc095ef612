"""Revealed -> what the page shows of it: plain values, with the pictures in an album."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from shortcut_audit.discovery.families.family import Family, decoy_of
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.evidence.each_label import groups
from shortcut_audit.exhibits import Exhibit, Tile
from shortcut_audit.files.whole import printable
from shortcut_audit.observations import Predictions
from shortcut_audit.records import NamedDecoy
from shortcut_audit.reporting.page.states import State as Look
from shortcut_audit.revealing.revealed import Answer, Revealed, Thing
from shortcut_audit.revealing.states import State
from shortcut_audit.showing import predicted
from shortcut_audit.showing.album import Album
from shortcut_audit.showing.drawing import picture
from shortcut_audit.subjects.decoying.worn import worn

LOOKS = {
    State.CONFIRMED: Look("confirmed", "✗", "bad"),
    State.SHARED: Look("shared", "=", "waived"),
    State.UNCOMPARED: Look("not compared", "?", "open"),
    State.NOT_CONFIRMED: Look("not confirmed", "○", "open"),
}
TRIED = Look("only tried", "–", "none")
TRAINING, TURNED = 4, 3  # pictures of each thing at most: it was seen on these, it turned those
LARGE, SMALL = 128, 64  # pixels of a mark's longer side, at least
MOST_TRIED = 8  # of a class


@dataclass(frozen=True)
class Card:
    """One thing with its pictures. Files are named as the album names them."""

    id: str
    thing: Thing
    look: Look
    mark: str  # file; "" where it is of the whole picture
    where: str
    training: tuple[str, ...]  # files: training pictures that show it
    model: str  # which the turned pictures are about; "" where no model could be asked
    exhibit: Exhibit | None
    tiles: tuple[Tile, ...]
    rows: tuple[tuple[str, Answer, Look], ...]
    rest: tuple[int, float]  # how many models have no row, and the most that any of them turns


@dataclass(frozen=True)
class Tried:
    """What was tried in one model and not proposed."""

    family: Family
    mark: str
    where: str
    peers: float | None  # the largest share that it turns in a peer; None: no peer


@dataclass(frozen=True)
class Section:
    """One class."""

    target: str
    cards: tuple[Card, ...]
    tried: tuple[Tried, ...]
    left_out: int  # more that were tried


def sections(revealed: Revealed, evidence: Evidence, album: Album) -> list[Section]:
    """What turns pictures into each class, the classes with the worst things first."""
    found = []
    for target in revealed.classes:
        cards = tuple(_cards(revealed, target, evidence, album))
        tried = _tried(revealed, target)
        shown = tuple(_shown(each, album) for each in tried[:MOST_TRIED])
        found.append(Section(target, cards, shown, len(tried) - len(shown)))
    order = [thing.family.target for thing in revealed.things]
    return sorted(
        found, key=lambda each: order.index(each.target) if each.cards else len(order) + 1
    )


def by_model(
    revealed: Revealed, shown: Sequence[Section]
) -> dict[str, list[tuple[Card, Answer, Look]]]:
    """What is worth a look in each model: those that were searched, and others with a line."""
    found: dict[str, list[tuple[Card, Answer, Look]]] = {model: [] for model in revealed.tried}
    for section in shown:
        for card in section.cards:
            for model, answer, look in card.rows:
                found.setdefault(model, []).append((card, answer, look))
    return found


def where(family: Family) -> str:
    """How large it is and where it stands, in words."""
    if family.rgba is None:
        options = [f"{key} {value}" for key, value in (family.filter or {}).items()]
        return f"the whole picture: {', '.join(options).replace('kind ', '')}"
    height, width = family.rgba.shape[:2]
    size = f"{height} × {width} pixels in pictures of {family.side}"
    if family.corner is None:
        return f"{size}, at any place"
    top, left = family.corner
    always = "always " if family.recurs > 1 else ""
    return f"{size}, {always}{top} from the top and {left} from the left"


def _cards(revealed: Revealed, target: str, evidence: Evidence, album: Album) -> Iterator[Card]:
    for at, thing in enumerate(revealed.things, 1):
        if thing.family.target != target:
            continue
        model = thing.worst
        exhibit, tiles = _turned(thing, model, evidence, album) if model else (None, ())
        told = thing.told()
        others = [each.share for name, each in thing.answers.items() if name not in told]
        yield Card(
            f"t{at}",
            thing,
            LOOKS[thing.state],
            _mark(thing.family, LARGE, album),
            where(thing.family),
            tuple(_training(thing.family, evidence, album)),
            model,
            exhibit,
            tiles,
            tuple((name, each, LOOKS[each.state]) for name, each in told.items()),
            (len(others), max(others, default=0.0)),
        )


def _mark(family: Family, least: int, album: Album) -> str:
    """The mark alone, its pixels made large enough to be seen."""
    if family.rgba is None:
        return ""
    image = Image.fromarray(family.rgba)
    times = -(-least // max(image.size))
    size = (times * image.width, times * image.height)
    return album.add(image.resize(size, Image.Resampling.NEAREST))


def _training(family: Family, evidence: Evidence, album: Album) -> Iterator[str]:
    """Training pictures on which it was seen, as far as there is room."""
    pictures = evidence.material.pictures("train", family.side)
    known = {identity: at for at, identity in enumerate(pictures.ids)}
    for identity in family.sources[:TRAINING]:
        if identity in known and not album.full:
            yield album.add(picture(pictures.pixels[known[identity]]))


def _turned(
    thing: Thing, model: str, evidence: Evidence, album: Album
) -> tuple[Exhibit, tuple[Tile, ...]]:
    """Validation pictures of other classes that it turns in the model, the worst first."""
    validation = evidence.material.pictures("validation", evidence.described(model).size)
    entry, target = decoy_of(thing.family), validation.classes.index(thing.family.target)
    placed = worn(entry, validation.pixels, validation.ids, thing.name)
    plain, decoyed, control = (
        evidence.logits(model, each) for each in (validation.pixels, placed.decoyed, placed.control)
    )
    none = np.zeros((0, plain.shape[1]), np.float32)
    alone, together = np.zeros(0, np.int64), groups(validation)
    said = Predictions(plain, decoyed, control, none, none, validation.labels, together, alone)
    named = NamedDecoy(thing.name, thing.family.target, target)
    seen = predicted.scene(said, named, validation, evidence.outputs(model))
    shift = seen.shares["decoyed"] - seen.shares["control"]
    tiles = []
    for i in predicted.worst_first(seen.turned, shift, seen.steady, seen.ids)[:TURNED]:
        if seen.turned[i] and not album.full:
            at = int(seen.at[i])
            tiles.append(predicted.tile(seen, i, entry, validation.pixels[at : at + 1], album))
    exhibit = Exhibit(
        model,
        evidence.sha256(model),
        thing.name,
        printable(thing.family.target),
        pictures=len(seen.at),
        turned=int(seen.turned.sum()),
    )
    return exhibit, tuple(tiles)


def _shown(family: Family, album: Album) -> Tried:
    peers = [rate.decoyed for name, rate in family.rates.items() if name != family.model]
    return Tried(family, _mark(family, SMALL, album), where(family), max(peers, default=None))


def _tried(revealed: Revealed, target: str) -> list[Family]:
    """What else was tried for the class in any model, what turns most first."""
    found: list[Family] = []
    for families in revealed.tried.values():
        found += [each for each in families if each.target == target]
    return sorted(found, key=lambda each: (-each.beyond, -each.own))
