"""Scenario + folder -> the planted pictures in it, the list of them, and how to answer them.

A picture's name is the digest of its pixels: it says nothing of what is on it, the same picture
stands there once, and an answer to it stays one whatever becomes of the folder.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.each_label import shown
from shortcut_audit.files.whole import printable, replacing
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.planting.read_me import read_me
from shortcut_audit.planting.sets import Planted, counted, planted
from shortcut_audit.rows import Rows, each_row
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.pictures.material import Material
from shortcut_audit.subjects.pictures.record import pixel_digest
from shortcut_audit.training.train import progress_bar, writing

PLANT, INDEX, READ_ME = "planted.json", "pictures.csv", "README.txt"
QUICK = 1  # of PNG's levels of compression; all give the same pixels
COLUMNS = ("file", "split", "decoy", "strength", "condition")
LABELS = ("picture", "label")


def plant(
    scenario: Scenario, sizes: Sequence[int], out: Path, labels: bool = False
) -> Iterator[str]:
    """Writes all that there is to answer, and says in lines how much that is and what to do next.

    Laws: no picture is written twice; stopped and asked again it goes on; the list of the pictures
    is written last, so that where it is nothing is missing.

    Args:
        scenario: which data, and which decoys.
        sizes: of the pictures, as the models take them.
        out: the folder.
        labels: whether the list says what is right, and which picture it was.

    Raises:
        UsageError: the folder holds something else, or cannot be written to.
        DataError: the pictures cannot be had.
    """
    material = Material(scenario)
    rows: list[list[Any]] = []
    with writing(out):
        _begin(out, _described(scenario, sizes))
    for size in sizes:
        yield _cost(material, size, out)
        with progress_bar(counted(material, size), "picture", progress=True) as bar:
            for each in planted(material, size):
                with writing(out):
                    files = _written(each.pixels, out, str(size))
                rows += _rows(each, files, labels)
                bar.update(len(files))
    with writing(out):
        with replacing(out / READ_ME) as unfinished:
            unfinished.write_text(read_me(material.classes), encoding="utf-8")
        _write_index(out / INDEX, [*COLUMNS, *(LABELS if labels else ())], rows)
    different = len({row[0] for row in rows})
    yield (
        f"planted: {different} different pictures; '{out / READ_ME}' says how to have them answered"
    )


def _described(scenario: Scenario, sizes: Sequence[int]) -> dict[str, Any]:
    return {"schema": 1, "scenario": scenario.digest, "sizes": [str(size) for size in sizes]}


def _begin(out: Path, described: dict[str, Any]) -> None:
    """Makes the folder; raises UsageError where it holds anything but this very plant."""
    file = out / PLANT
    if out.is_dir() and any(out.iterdir()):
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = None
        if known != described:
            what = "something else" if known is None else "what another scenario or size planted"
            raise UsageError(f"'{printable(out)}' holds {what}: name an empty folder with --out")
        (out / INDEX).unlink(missing_ok=True)
    with replacing(file) as unfinished:
        unfinished.write_text(json.dumps(described, indent=1), encoding="utf-8")


def _cost(material: Material, size: int, out: Path) -> str:
    """How much is about to be written, at most."""
    most, side = counted(material, size), InputSize.of(size)
    megabytes = most * 3 * side.height * side.width / 1e6
    return (
        f"planting at most {most} pictures of {size} pixels, {megabytes:.0f} MB, into "
        f"'{printable(out)}'"
    )


def _written(pixels: Rows, out: Path, size: str) -> list[str]:
    """Writes those of the pictures (n, 3, h, w) uint8 that are not there; the names of all."""
    names = []
    for picture in each_row(pixels):
        name = f"{size}/{pixel_digest(picture)}.png"
        names.append(name)
        if not (out / name).exists():
            with replacing(out / name) as unfinished:
                image = Image.fromarray(picture.permute(1, 2, 0).numpy())
                image.save(unfinished, "PNG", compress_level=QUICK)
    return names


def _rows(each: Planted, files: Sequence[str], labels: bool) -> Iterator[list[Any]]:
    """What the list says of each picture."""
    about = [each.split, each.decoy, each.strength, each.condition]
    on, classes = shown(each.pictures), each.pictures.classes
    for at, file in enumerate(files):
        right = "|".join(name for name, is_on in zip(classes, on[at], strict=True) if is_on)
        yield [file, *about, *([printable(each.pictures.ids[at]), right] if labels else ())]


def _write_index(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with replacing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
