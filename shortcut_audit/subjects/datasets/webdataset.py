"""Shards of webdataset: tar files in which the files of one name are one picture's.

They are read by Python's own tarfile: no other library is needed, and nothing is unpickled.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from shortcut_audit.errors import DataError, UsageError, machine_fault
from shortcut_audit.files.whole import canonical, printable
from shortcut_audit.registry import register
from shortcut_audit.subjects.pictures.folders import SUFFIXES, existing
from shortcut_audit.subjects.tables.reading import Row, Sheet, left_out
from shortcut_audit.subjects.tables.tabular import Tabular

PICTURE = "picture"  # the column of the sample's picture, whatever its suffix
WORDS = ("cls", "txt", "text", "id")  # files that are one word or number
LONGEST = 1 << 20  # bytes of a file that is read as text
NUMBERS = re.compile(r"\{(\d+)\.\.(\d+)\}")


@register("dataset")
@dataclass(frozen=True)
class Webdataset(Tabular):
    """Pictures in shards, each with its class in `cls`, or with a `json` of columns.

    Ids are the shard's name and the sample's. What else a sample has is a column of its suffix, so
    that `mask: seg.png` names a mask.
    """

    # a tar file, a folder of them, or a name with {000..009}
    train: Path | None = None
    validation: Path | None = None
    background: Path | None = None  # pictures that show none of the classes

    def sheet(self) -> Sheet:
        """A row for each sample of all shards.

        Raises:
            UsageError: no shard is named.
            DataError: one is not there, or is no tar file.
        """
        rows: list[Row] = []
        problems: list[str] = []
        for split in ("train", "validation", "background"):
            named: Path | None = getattr(self, split)
            for shard in shards(split, named) if named else ():
                odd: list[str] = []
                rows += [replace(row, split=split) for row in _samples(shard, odd)]
                problems += left_out(shard.name, "have a json that is none", odd)
        if not rows:
            raise UsageError(
                "the data set names no shard with pictures: add 'validation: SHARDS.tar'"
            )
        columns: dict[str, None] = {}
        for row in rows:
            columns |= dict.fromkeys(row.cells)
        return Sheet("shards", tuple(columns), tuple(rows), tuple(problems), PICTURE)

    def root_of(self) -> Path:
        """The folder of the shards."""
        return (self.validation or self.train or Path()).parent

    def located(self, path: str) -> Path:
        """A file beside the shards."""
        return self.root_of() / path


def shards(split: str, named: Path) -> list[Path]:
    """The tar files of a split; raises DataError where there is none."""
    braces = NUMBERS.search(named.name)
    if braces:
        first, last = braces[1], braces[2]
        numbers = [str(i).zfill(len(first)) for i in range(int(first), int(last) + 1)]
        return [named.with_name(NUMBERS.sub(each, named.name, count=1)) for each in numbers]
    if named.is_file():
        return [named]
    found = sorted(existing(split, named).glob("*.tar"))
    if not found:
        raise DataError(f"the {split} folder '{printable(named)}' holds no tar file")
    return found


def _samples(shard: Path, odd: list[str]) -> Iterator[Row]:
    """A row for each sample; `odd` is told of those whose json is none."""
    try:
        with tarfile.open(shard, "r:") as opened:
            members = [each for each in opened.getmembers() if each.isreg()]
    except (OSError, tarfile.TarError) as error:
        fault = machine_fault(error)
        raise fault or DataError(
            f"the shard '{printable(shard)}' cannot be read ({printable(error)}): it must be "
            "a tar file that is not compressed"
        ) from None
    samples: dict[str, list[tuple[str, tarfile.TarInfo]]] = {}
    for each in members:
        path = PurePosixPath(each.name)
        stem, _, suffix = path.name.partition(".")
        if stem:
            name = canonical((path.parent / stem).as_posix())
            samples.setdefault(name, []).append((suffix.lower(), each))
    for name, files in samples.items():
        identity = f"{shard.name}/{name}"
        try:
            cells = _cells(shard, files)
        except ValueError:
            odd.append(f"'{name}'")
            continue
        yield Row(f"sample '{identity}'", cells, identity=identity, file=shard)


def _cells(shard: Path, files: Iterable[tuple[str, tarfile.TarInfo]]) -> dict[str, Any]:
    """What the files of one sample say; raises ValueError for a json that is none."""
    cells: dict[str, Any] = {}
    for suffix, member in files:
        stored = partial(_bytes, shard, member.offset_data, member.size)
        if suffix == "json":
            said = json.loads(stored()[:LONGEST])
            if not isinstance(said, dict):
                raise ValueError("no columns")
            cells |= said
        elif suffix in WORDS:
            cells[suffix] = stored()[:LONGEST].decode(errors="replace").strip()
        elif f".{suffix}" in SUFFIXES and PICTURE not in cells:
            cells[PICTURE] = stored
        else:
            cells[suffix] = stored
    return cells


def _bytes(shard: Path, start: int, length: int) -> bytes:
    """A part of a file."""
    with shard.open("rb") as opened:
        opened.seek(start)
        return opened.read(length)
