"""A table that names picture files and says what is on each: CSV or Parquet."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from shortcut_audit.errors import UsageError
from shortcut_audit.files.whole import below
from shortcut_audit.registry import register
from shortcut_audit.subjects.pictures.folders import SUFFIXES
from shortcut_audit.subjects.tables.columns import PATHS, needed
from shortcut_audit.subjects.tables.reading import Row, Sheet, joined, sheet
from shortcut_audit.subjects.tables.tabular import Tabular


@register("dataset")
@dataclass(frozen=True)
class Table(Tabular):
    """A table of picture files.

    The splits are those of a column, or each has a file of its own: a table, or where there is
    `file` too, a list of its pictures. Ids are the paths as the table has them.

    Law: the pictures depend neither on the order of the rows nor on that of the columns.
    """

    file: Path | None = None  # the table
    more: Path | None = None  # another one about the same pictures, such as CelebA's of splits
    train: Path | None = None  # the table, or the list, of the split
    validation: Path | None = None  # likewise
    background: Path | None = None  # likewise; of pictures that show none of the classes
    root: Path | None = None  # where the paths start; None: beside the table

    def sheet(self) -> Sheet:
        """The rows of all files; raises UsageError where none is named."""
        parts = []
        for split in ("train", "validation", "background"):
            file: Path | None = getattr(self, split)
            if file is not None:
                part = sheet(file)
                rows = [replace(row, split=split) for row in part.rows]
                parts.append(replace(part, rows=tuple(rows)))
        whole = [] if self.file is None else [sheet(self.file)]
        if not parts:
            parts, whole = whole, []
        if not parts:
            raise UsageError("the data set names no table: add 'file: TABLE.csv'")
        found = _together(parts)
        for each in [*whole, *([sheet(self.more)] if self.more else [])]:
            keys = [needed(of, "path", None, PATHS) for of in (found, each)]
            found = joined(found, each, (keys[0], keys[1]))
        return found

    def root_of(self) -> Path:
        """The folder in which paths start."""
        beside = self.file or self.validation or self.train or Path()
        return self.root or beside.parent

    def located(self, path: str) -> Path:
        """The file that a path names.

        It may lack its suffix, or begin with the root's own name, or lie deeper below the root if
        no other file there has its name: people's tables are so.
        """
        root, relative = self.root_of(), Path(path.replace("\\", "/"))
        above = root.resolve()
        for start in (root, above.parent) if relative.parts[:1] == (above.name,) else (root,):
            file = start / relative
            if os.path.isfile(file):
                return file
            if relative.suffix.lower() not in SUFFIXES:
                for suffix in sorted(SUFFIXES):
                    if os.path.isfile(named := f"{file}{suffix}"):
                        return Path(named)
        deeper = self._by_name.get(relative.name, []) if len(relative.parts) == 1 else []
        return deeper[0] if len(deeper) == 1 else root / relative

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        """Name -> the files below the root that have it."""
        found: defaultdict[str, list[Path]] = defaultdict(list)
        for file in below(self.root_of()) if self.root_of().is_dir() else ():
            found[file.name].append(file)
        return dict(found)


def _together(parts: list[Sheet]) -> Sheet:
    """The rows of all of them; a sentence names their files."""
    if len(parts) == 1:
        return parts[0]
    rows, columns, problems = list[Row](), dict[str, None](), list[str]()
    for part in parts:
        rows += [replace(row, where=f"{part.name}, {row.where}") for row in part.rows]
        columns |= dict.fromkeys(part.columns)
        problems += part.problems
    name = ", ".join(part.name for part in parts)
    return Sheet(name, tuple(columns), tuple(rows), tuple(problems))
