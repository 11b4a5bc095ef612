"""Exhibits <-> `exhibits.json`, which names the pictures that lie beside it. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from shortcut_audit.exhibits import Exhibit
from shortcut_audit.files.whole import replacing
from shortcut_audit.records import ModelReport

NAME = "exhibits.json"
PICTURES = "pictures"  # the folder of the pictures, beside the file
OURS = re.compile(PICTURES + r"/[0-9a-f]{16}\.webp")
EXHIBITS = TypeAdapter(tuple[Exhibit, ...])


def write(exhibits: tuple[Exhibit, ...], path: Path) -> None:
    """Writes them in one piece; the same exhibits have the same bytes."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(EXHIBITS.dump_json(exhibits, indent=1) + b"\n")


def read(folder: Path, models: Mapping[str, ModelReport]) -> tuple[tuple[Exhibit, ...], list[str]]:
    """What lies in the folder about the very files that these models were read from, and a sentence
    for what is left out.

    Nothing is raised, for a report can do without; the pictures themselves may be gone.
    """
    path = folder / NAME
    try:
        found = EXHIBITS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return (), []
    except (OSError, ValidationError):
        found = None
    if found is None or not all(map(_names_ours, found)):
        return (), [f"'{path}' cannot be read, so that no pictures are shown: run the audits again"]
    audited = {name: model.sha256 for name, model in models.items()}
    shown = tuple(each for each in found if audited.get(each.model) == each.sha256)
    if len(shown) < len(found):
        left_out = f"'{path}' shows other models as well as those of the verdict: they are left out"
        return shown, [left_out]
    return shown, []


def _names_ours(exhibit: Exhibit) -> bool:
    """Whether it names pictures of ours alone: what a stranger wrote there opens no other file."""
    return all(map(OURS.fullmatch, files(exhibit)))


def files(exhibit: Exhibit) -> Iterator[str]:
    """Every picture that an exhibit names, as seen from the folder of the reports."""
    for tile in exhibit.tiles:
        yield from (tile.plain.file, tile.decoyed.file, tile.control.file)
    for looked in exhibit.looked:
        yield from (looked.file, looked.revealed)
    for spoke in exhibit.spoke:
        yield spoke.file
        yield from (image.file for image in spoke.images)
