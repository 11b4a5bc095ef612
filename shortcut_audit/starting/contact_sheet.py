"""Decoys on the user's own pictures -> one PNG: what will be pasted, before anything is audited."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from shortcut_audit import registry
from shortcut_audit.contracts import Decoy
from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.files.whole import printable, replacing
from shortcut_audit.records import Decoyed, Pictures
from shortcut_audit.scenario import load_scenario
from shortcut_audit.starting.decoy_list import purpose
from shortcut_audit.subjects.pictures.folders import existing, photographs_of, picture_files
from shortcut_audit.subjects.pictures.photographs import by_identity, load

SHOWN = 2  # pictures of each decoy
CHOSEN = 24  # pictures of the folder that are opened
SMALLEST, LARGEST = 160, 256  # sides of a tile
GAP, SMALL, LARGE = 12, 15, 20  # pixels: between tiles, and of letters
PAPER, INK, FAINT = (255, 255, 255), (20, 20, 24), (105, 105, 112)


@dataclass(frozen=True)
class Row:
    """A decoy on some pictures."""

    name: str
    about: str
    ids: tuple[str, ...]
    plain: Sequence[Image.Image]
    decoyed: Sequence[Image.Image]
    control: Sequence[Image.Image]


def write_sheet(folder: Path, scenario: Path | None, size: int, out: Path) -> Iterator[str]:
    """Writes the sheet, and says where it is, what is on it, and which decoys are not.

    Law: the same pictures and decoys give the same bytes.

    Args:
        folder: with pictures, at any depth.
        scenario: its decoys are shown as it has them; None: every registered one as it comes.
        size: pixels of a picture's side, at which the decoys are put on.
        out: the PNG.

    Raises:
        UsageError: a scenario that cannot be read, a size or a name of a file that cannot be, or
            not one decoy that can be shown.
        DataError: no picture in the folder that can be read.
    """
    if out.suffix.lower() != ".png":
        raise UsageError(f"the sheet is a PNG, and '{printable(out)}' is not called so")
    if size < 16:
        raise UsageError(f"a sheet cannot show pictures of {size} pixels: ask for 16 or more")
    decoys, lacking = _decoys(scenario)
    pictures = _pictures(folder, size)
    rows: list[Row] = []
    for name, (decoy, about) in decoys.items():
        try:
            rows.append(_row(name, about, decoy, pictures, len(rows)))
        except (UsageError, DataError) as error:
            lacking[name] = str(error)
    if not rows:
        raise UsageError(f"not one decoy can be shown: {'; '.join(lacking.values())}")
    with replacing(out) as unfinished:
        _drawn(rows).save(unfinished, "PNG")
    count = f"{len(rows)} decoy{'' if len(rows) == 1 else 's'}"
    yield f"written: {printable(out)} ({count}: {', '.join(row.name for row in rows)})"
    yield from (f"not shown: {name}: {said}" for name, said in lacking.items())


def _decoys(path: Path | None) -> tuple[dict[str, tuple[Decoy, str]], dict[str, str]]:
    """Name -> the decoy and what it is; and name -> why there is none."""
    found: dict[str, tuple[Decoy, str]] = {}
    lacking: dict[str, str] = {}
    if path is None:
        for name in registry.names("decoy"):
            found[name] = (registry.build("decoy", name), purpose(name))
        return found, lacking
    scenario = load_scenario(path)
    if not scenario.decoys:
        raise UsageError(f"'{path}' names no decoys to show: add some, or show all without it")
    for name, options in scenario.decoys.items():
        try:
            decoy = scenario.build_decoy(name)
        except UsageError as error:
            lacking[name] = str(error)
            continue
        kind = options.get("kind", name)
        target = scenario.target(name)
        stands = f"target '{target}'" if target else "target any"
        found[name] = (decoy, f"{stands}; {kind}: {purpose(kind)}")
    return found, lacking


def _pictures(folder: Path, size: int) -> Pictures:
    """Some pictures below the folder, chosen by their names, decoded at this size."""
    files = picture_files("pictures", existing("pictures", folder))
    if not files:
        raise DataError(f"'{printable(folder)}' holds no picture to put a decoy on")
    known = photographs_of(files, folder, -1)
    chosen = sorted(known, key=lambda each: by_identity(each.identity))[:CHOSEN]
    return load("pictures", chosen, size, (), workers=0).pictures


def _row(name: str, about: str, decoy: Decoy, pictures: Pictures, number: int) -> Row:
    """The decoy on pictures of other classes than its target; each row begins with another one."""
    others = [i for i, each in enumerate(pictures.ids) if Path(each).parts[0] != decoy.target]
    others = others or list(range(len(pictures.ids)))
    taken = [others[(SHOWN * number + i) % len(others)] for i in range(min(SHOWN, len(others)))]
    ids = tuple(pictures.ids[i] for i in taken)
    made: Decoyed = decoy.apply(pictures.pixels[taken], ids)
    tiles = []
    for pixels in (pictures.pixels[taken], made.decoyed, made.control):
        tiles.append([_tile(Image.fromarray(each.permute(1, 2, 0).numpy())) for each in pixels])
    return Row(name, about, ids, *tiles)


def _tile(picture: Image.Image) -> Image.Image:
    """The picture at a size at which people see what is on it."""
    side = picture.width
    if side < SMALLEST:
        side *= math.ceil(SMALLEST / side)
        return picture.resize((side, side), Image.Resampling.NEAREST)
    if side > LARGEST:
        return picture.resize((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return picture


def _drawn(rows: Sequence[Row]) -> Image.Image:
    """The sheet: under each row's name its tiles, and under each tile what it is."""
    tile = rows[0].plain[0].width
    each = LARGE + tile + SMALL + 4 * GAP
    columns = 3 * max(len(row.ids) for row in rows)
    width = GAP + columns * (tile + GAP) + GAP * (columns // 3 - 1)
    sheet = Image.new("RGB", (width, GAP + each * len(rows)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        top = GAP + number * each
        heading = _text(draw, (GAP, top), row.name, LARGE, INK, width)
        _text(draw, (heading + GAP, top + 4), row.about, SMALL, FAINT, width - GAP)
        left = GAP
        for i, identity in enumerate(row.ids):
            captions = (printable(identity), f"with {row.name}", "with its control")
            for picture, caption in zip(
                (row.plain[i], row.decoyed[i], row.control[i]), captions, strict=True
            ):
                under = top + LARGE + GAP
                sheet.paste(picture, (left, under))
                _text(draw, (left, under + tile + 4), caption, SMALL, FAINT, left + tile)
                left += tile + GAP
            left += GAP
    return sheet


def _text(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    colour: tuple[int, int, int],
    end: int,
) -> int:
    """Writes a line of text, cut off before `end`; returns where it ends, in pixels."""
    font = ImageFont.load_default(size=size)
    room = end - at[0]
    if font.getlength(text) > room:
        while text and font.getlength(f"{text}…") > room:
            text = text[:-1]
        text = f"{text}…"
    draw.text(at, text, fill=colour, font=font)
    return round(at[0] + font.getlength(text))
