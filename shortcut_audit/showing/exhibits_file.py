"""Exhibits <-> `exhibits.json`, which names the pictures that lie beside it. Imports no torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from shortcut_audit.exhibits import Exhibit
from shortcut_audit.files.whole import replacing
from shortcut_audit.records import Report

NAME = "exhibits.json"
PICTURES = "pictures"  # the folder of the pictures, beside the file
OURS = re.compile(PICTURES + r"/[0-9a-f]{16}\.webp")


@dataclass(frozen=True)
class Shown:
    """What the file holds."""

    scenario: str  # digest of the scenario that the run was about
    exhibits: tuple[Exhibit, ...]


SHOWN = TypeAdapter(Shown)


def write(report: Report, path: Path) -> None:
    """Writes a report's exhibits in one piece; the same ones have the same bytes."""
    shown = Shown(report.scenario["digest"], report.exhibits)
    with replacing(path) as unfinished:
        unfinished.write_bytes(SHOWN.dump_json(shown, indent=1) + b"\n")


def read(folder: Path, report: Report) -> tuple[tuple[Exhibit, ...], list[str]]:
    """What lies in the folder about the scenario and the very files that the report is about, and a
    sentence for what is left out.

    Nothing is raised, for a report can do without; the pictures themselves may be gone.
    """
    path = folder / NAME
    try:
        found = SHOWN.validate_json(path.read_bytes())
    except FileNotFoundError:
        return (), []
    except (OSError, ValidationError):
        found = None
    if found is None or not all(map(_names_ours, found.exhibits)):
        return (), [f"'{path}' cannot be read, so that no pictures are shown: run the audits again"]
    if found.scenario != report.scenario.get("digest"):
        other = f"'{path}' is of another scenario than the verdict, so that no pictures are shown"
        return (), [f"{other}: run the audits again"]
    audited = {name: model.sha256 for name, model in report.models.items()}
    shown = tuple(each for each in found.exhibits if audited.get(each.model) == each.sha256)
    if len(shown) < len(found.exhibits):
        left_out = f"'{path}' shows other models as well as those of the verdict: they are left out"
        return shown, [left_out]
    return shown, []


def _names_ours(exhibit: Exhibit) -> bool:
    """Whether it names pictures of ours alone: what a stranger wrote there opens no other file."""
    return all(map(OURS.fullmatch, files(exhibit)))


def named_by(content: bytes) -> str:
    """What a picture is called, by its content: `pictures/3f2a….webp`."""
    return f"{PICTURES}/{hashlib.sha256(content).hexdigest()[:16]}.webp"


def kept_picture(folder: Path, file: str) -> bytes:
    """A picture that a report in this folder names; nothing where it is gone, or another content
    lies there than the one that it is called by.
    """
    try:
        found = (folder / file).read_bytes()
    except OSError:
        return b""
    return found if named_by(found) == file else b""


def files(exhibit: Exhibit) -> Iterator[str]:
    """Every picture that an exhibit names, as seen from the folder of the reports."""
    for tile in exhibit.tiles:
        yield from (tile.plain.file, tile.decoyed.file, tile.control.file)
    for looked in exhibit.looked:
        yield from (looked.file, looked.revealed)
    for spoke in exhibit.spoke:
        yield spoke.file
        yield from (image.file for image in spoke.images)
