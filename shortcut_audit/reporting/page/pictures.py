"""Pictures on the page: inside it as base64, or beside it as files; and which of them fit."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from markupsafe import Markup, escape
from PIL import Image, UnidentifiedImageError

from shortcut_audit.exhibits import Exhibit, Faintest, Looked, Spoke, Tile
from shortcut_audit.showing.exhibits_file import kept_picture

Item = Tile | Looked | Spoke | Faintest
Kind = TypeVar("Kind", Tile, Looked, Spoke, Faintest)
Place = tuple[int, str, int]  # exhibit, its field, place in it
SMALLEST = 96  # pixels: a smaller picture is shown as large as this
LISTS = ("tiles", "looked", "spoke", "faintest")


@dataclass(frozen=True)
class Embedded:
    """The pictures of a folder of reports. split: the page names the files and holds none."""

    folder: Path
    split: bool = False
    _known: dict[str, str] = field(default_factory=dict, repr=False)

    def cost(self, item: Item) -> int:
        """Characters that the item's pictures add to the page."""
        return sum(len(self.shown(file, "")) for file in files_of(item))

    def shown(self, file: str, alt: str) -> Markup:
        """The element for one picture; where the file is gone, its words alone."""
        if file not in self._known:
            self._known[file] = self._source(file)
        if not self._known[file]:
            return Markup('<span class="gone">{} (not kept)</span>').format(alt)
        return Markup('<img {} alt="{}">').format(Markup(self._known[file]), alt)

    def _source(self, file: str) -> str:
        """`src`, `width` and `height`; "" where the picture is not kept."""
        kept = kept_picture(self.folder, file)
        try:
            with Image.open(io.BytesIO(kept)) as image:
                width, height = image.size
        except (OSError, UnidentifiedImageError):
            return ""
        times = max(1.0, SMALLEST / max(width, height))
        size = f'width="{round(times * width)}" height="{round(times * height)}"'
        if self.split:
            return f'src="{escape(file)}" {size} loading="lazy"'
        return f'src="data:image/webp;base64,{base64.b64encode(kept).decode()}" {size}'


def files_of(item: Item) -> Iterator[str]:
    """The pictures of a tile, of where a model looks, or of what spoke for an answer."""
    if isinstance(item, Tile):
        yield from (each.file for each in (item.plain, item.decoyed, item.control))
    elif isinstance(item, Looked):
        yield from (item.file, item.revealed)
    elif isinstance(item, Faintest):
        yield item.file
    else:
        yield item.file
        yield from (each.file for each in item.images)


def fitting(
    exhibits: Sequence[Exhibit], failing: Collection[int], album: Embedded, room: int
) -> tuple[Exhibit, ...]:
    """The exhibits with as many of their pictures as fit into so many characters.

    failing: places of the exhibits whose pictures say why a model fails; these go first.
    Law: of a failing exhibit every tile that turned is kept, also where there is no room.
    """
    kept: set[Place] = set()
    for urgency, _, place, item in sorted(_queue(exhibits, failing), key=lambda each: each[:3]):
        cost = album.cost(item)
        if urgency == 0 or cost <= room:
            kept.add(place)
            room -= cost
        else:
            room = 0  # so that nothing overtakes what was left out
    return tuple(_only(exhibit, at, kept) for at, exhibit in enumerate(exhibits))


def _queue(
    exhibits: Iterable[Exhibit], failing: Collection[int]
) -> Iterator[tuple[int, int, Place, Item]]:
    """Every item with its urgency, its rank in its exhibit and its place."""
    for at, exhibit in enumerate(exhibits):
        for name in LISTS:
            for rank, item in enumerate(getattr(exhibit, name)):
                turned = isinstance(item, Tile) and item.turned
                urgency = (0 if turned else 1) if at in failing else 2
                yield urgency, rank, (at, name, rank), item


def _only(exhibit: Exhibit, at: int, kept: Collection[Place]) -> Exhibit:
    return replace(
        exhibit,
        tiles=tuple(_kept(exhibit.tiles, (at, "tiles"), kept)),
        looked=tuple(_kept(exhibit.looked, (at, "looked"), kept)),
        spoke=tuple(_kept(exhibit.spoke, (at, "spoke"), kept)),
        faintest=tuple(_kept(exhibit.faintest, (at, "faintest"), kept)),
    )


def _kept(items: Sequence[Kind], where: tuple[int, str], kept: Collection[Place]) -> Iterator[Kind]:
    for rank, item in enumerate(items):
        if (*where, rank) in kept:
            yield item
