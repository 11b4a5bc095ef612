"""What every data set of rows shares: its options, and how its rows become pictures."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.files.whole import canonical, printable
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.decoding.photograph import Outline, Photograph
from shortcut_audit.subjects.pictures.counted_once import Stored
from shortcut_audit.subjects.pictures.photographs import BROKEN, load, note_of, showing
from shortcut_audit.subjects.pictures.record import check_split
from shortcut_audit.subjects.tables import labels as labelling
from shortcut_audit.subjects.tables import splits as splitting
from shortcut_audit.subjects.tables.cells import meant_by, said
from shortcut_audit.subjects.tables.columns import (
    GROUPS,
    LABELS,
    PATHS,
    SPLITS,
    column,
    named,
    needed,
)
from shortcut_audit.subjects.tables.entries import (
    Entry,
    How,
    Left,
    counts,
    entries,
    refuse_straddling,
)
from shortcut_audit.subjects.tables.groups import grouping
from shortcut_audit.subjects.tables.marks import marks, reader
from shortcut_audit.subjects.tables.reading import Row, Sheet, left_out, short
from shortcut_audit.subjects.tables.regions import box_mask, mask
from shortcut_audit.subjects.tables.understood import Understood, told

FINDINGS = ("findinglabels",)  # as NIH calls the column of several labels


@dataclass(frozen=True)
class Tabular(ABC):
    """Rows that say of each picture its class or classes, and perhaps its split, its group, and
    which attributes it has.

    A column that no option names is found by its usual name. Pictures are sorted by their
    identities. A row that cannot be used is left out, and `Pictures.broken` says how many are, and
    why.
    """

    counts_once = True
    frames = True

    path: str | None = None  # the column that names the picture
    # the column of its class, or one of yes and no for each class
    label: str | tuple[str, ...] | None = None
    # in place of `label`: columns of yes and no, or one of names that `separator` parts
    labels: str | tuple[str, ...] | None = None
    separator: str = "|"
    none: str = "No Finding"  # the name, among several, that stands for none of them
    # value -> name of its class, or the names in their order; empty: what the table says
    class_names: dict[Any, str] | tuple[str, ...] = ()
    split: str | None = None  # the column of splits
    splits: dict[str, Any] = field(default_factory=dict)  # split -> its value, or several
    # the column of patients or sites, and which part of it if not all; "": there are no groups
    group: str | dict[str, str] | None = None
    # names of columns, or the name of each with its column, value, mask, box, coco, category
    attributes: tuple[str, ...] | dict[str, Any] = ()
    yes_no: dict[Any, Any] = field(default_factory=dict)  # a value -> yes, no or drop
    # threads that decode, 0: as many as cores; no part of the recipe, as the pictures are the same
    workers: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        """Raises UsageError for options that contradict each other, or say nothing."""
        if self.label is not None and self.labels is not None:
            raise UsageError(
                "a data set has one class a picture ('label') or several ('labels'), not both"
            )
        marks(self.attributes)
        meant_by(self.yes_no)

    @property
    def in_groups(self) -> bool:
        """Whether its pictures come from patients, sites or videos."""
        return self.understood.how.group is not None

    @abstractmethod
    def sheet(self) -> Sheet:
        """The rows; no picture is opened."""

    @abstractmethod
    def root_of(self) -> Path:
        """The folder in which paths start."""

    @abstractmethod
    def located(self, path: str) -> Path:
        """The file that a row's path names."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Those that `class_names` or the table says; else the column's values, sorted."""
        return self.understood.classes

    def class_counts(self, split: str) -> dict[str, int]:
        """How many pictures of each class the table has, none of them opened."""
        return dict(counts(self.understood.entries, self.classes, split))

    def load(self, split: str, size: int, label: int | None = None) -> Pictures:
        """Decodes a split at this size, with its labels, groups, attributes and regions.

        With a label it decodes only what shows that class.

        Raises:
            DataError: the table cannot be read, none of its pictures is there, or a group is in
                two splits.
            UsageError: a column or a value that there is not.
        """
        check_split(split, size)
        known = self.understood
        left = [*known.sheet.problems, *known.left.said(split)]
        asked = [each for each in known.entries if each.split == split]
        if not asked and split != "background":
            raise DataError(self._no_pictures(split, left))
        there = self._there(asked, left)
        photographs = showing([self._outlined(each) for each in there], label)
        training = self._training() if split == "validation" else ()
        loaded = load(split, photographs, size, self.classes, self.workers, left, training)
        tally = {"photos": len(asked), "that are not there": len(asked) - len(there)}
        dropped = Counter(loaded.dropped.values())
        tally |= {**dropped, "that cannot be read": dropped.pop(BROKEN, 0)}
        tally.pop(BROKEN, None)
        note = note_of(f"{split}: '{known.sheet.name}'", len(loaded.pictures.ids), tally)
        notes = tuple(map(printable, (*known.notes, note))) if asked else ()
        by_identity = {each.photograph.identity: each for each in there}
        kept = [by_identity[identity] for identity in loaded.pictures.ids]
        return told(known, split, replace(loaded.pictures, notes=notes), kept)

    @cached_property
    def understood(self) -> Understood:
        """The table, read once; raises as `load` does."""
        try:
            return self._understood()
        except (DataError, UsageError) as error:  # a table may hold any bytes
            raise type(error)(printable(error)) from None

    def _understood(self) -> Understood:
        """As `understood`, each time anew."""
        read = self.sheet()
        path = needed(read, "path", self.path or read.picture, PATHS)
        of_splits, rows = self._split_rows(read)
        showing = [row for split, row in rows if split != "background"]
        labels = self._labels(read, showing)
        group = grouping(read, self.group, GROUPS)
        meant = meant_by(self.yes_no)
        readers = []
        for mark in marks(self.attributes):
            readers.append(reader(mark, read, meant, path, self.root_of()))
        left = Left(read.name)
        how = How(labels, readers, partial(self._photograph, path), group.of if group else None)
        if group:
            of_rows = [(split, group.of(row)) for split, row in rows]
            refuse_straddling(of_rows, f"the column '{group.column}'")
        found = entries(rows, how, left)
        said_of_groups = (f"groups are those of the column '{group.column}'",) if group else ()
        return Understood(read, how, found, left, (*of_splits, *said_of_groups))

    def _split_rows(self, read: Sheet) -> tuple[tuple[str, ...], list[tuple[str, Row]]]:
        """Notes, and the rows that are used, each with its split."""
        if all(row.split for row in read.rows) and read.rows:
            return (), [(row.split, row) for row in read.rows]
        of_splits = named(read, "split", self.split, SPLITS)
        if of_splits is None:
            said_so = "there is no column of splits, so that every picture is one of validation"
            return (said_so,), [("validation", row) for row in read.rows]
        values = [said(row.cells.get(of_splits)) for row in read.rows]
        meaning = splitting.meanings(of_splits, values, self.splits)
        rows = []
        for value, row in zip(values, read.rows, strict=True):
            if value in meaning:
                rows.append((meaning[value], row))
        return splitting.unused(of_splits, values, meaning), rows

    def _labels(self, read: Sheet, rows: Sequence[Row]) -> labelling.Labels:
        """How a row's class, or its classes, are read."""
        asked, meant = self.labels, meant_by(self.yes_no)
        if isinstance(self.label, tuple):
            columns = [column(read, "label", each) for each in self.label]
            return labelling.just_one(labelling.each_of(columns, rows, self.class_names, meant))
        if asked is None and self.label is None:
            asked = named(read, "labels", None, FINDINGS)
        if isinstance(asked, str):
            several = column(read, "labels", asked)
            return labelling.several_in(several, self.separator, self.none, rows, self.class_names)
        if asked is not None:
            columns = [column(read, "labels", each) for each in asked]
            return labelling.each_of(columns, rows, self.class_names, meant)
        one = needed(read, "label", self.label, LABELS)
        return labelling.one_of(one, rows, self.class_names, read.classes.get(one, ()))

    def _photograph(self, path: str, row: Row) -> Photograph | str:
        """The picture of a row, which may be a part of a file; text where it has none."""
        stored, text = stored_in(row.cells.get(path))
        if stored is not None:
            return Photograph(row.file, row.identity or content(stored), stored=stored)
        if not text:
            return f"name no picture in '{path}'"
        plain = canonical(os.path.normpath(text.replace("\\", "/")))
        return Photograph(Path(text), row.identity or plain)  # located when it is loaded

    def _located(self, photograph: Photograph) -> Photograph:
        """The photograph with its file where it is."""
        if photograph.stored:
            return photograph
        return replace(photograph, file=self.located(str(photograph.file)))

    def _there(self, asked: Sequence[Entry], told: list[str]) -> list[Entry]:
        """The entries whose files are there; `told` gets a sentence on the others.

        Raises:
            DataError: there are some, and not one file is there.
        """
        name, there, missing = self.understood.sheet.name, [], []
        for each in asked:
            photograph = self._located(each.photograph)
            if photograph.stored or os.path.isfile(photograph.file):
                there.append(replace(each, photograph=photograph))
            else:
                missing.append(f"{each.where} ('{photograph.file}')")
        if missing and not there:
            raise DataError(
                printable(
                    f"none of the {len(missing)} pictures that '{name}' names is there; the first "
                    f"is of {short(missing[0])}: say with 'root' where their paths start"
                )
            )
        told += left_out(name, "name pictures that are not there", missing)
        return there

    def _outlined(self, entry: Entry) -> Photograph:
        """The picture with a mask for each attribute that the table has a place for."""
        outlines: dict[str, Outline] = {}
        for each, place in zip(self.understood.how.marks, entry.places, strict=True):
            if place is not None and each.mark.mask:
                stored, text = stored_in(place)
                outlines[each.mark.name] = partial(mask, stored or self.located(text).read_bytes)
            elif place is not None:
                outlines[each.mark.name] = partial(box_mask, place)
        return replace(entry.photograph, outlines=outlines)

    def _training(self) -> Iterator[Path | Stored]:
        """The training pictures, or what gives their bytes."""
        for each in self.understood.entries:
            if each.split == "train":
                yield each.photograph.stored or self._located(each.photograph).file

    def _no_pictures(self, split: str, told: Sequence[str]) -> str:
        """The sentence for a split of which the table has no picture."""
        why = f" ({'; '.join(told)})" if told else ""
        return printable(
            f"the table '{self.understood.sheet.name}' has no picture of {split}: give it rows of "
            f"that split, or say with 'splits' what its rows of {split} say{why}"
        )


def stored_in(cell: Any) -> tuple[Stored | None, str]:
    """What gives a picture's bytes, if a cell holds them; else the path in the cell."""
    if callable(cell):
        return cell, ""
    if isinstance(cell, Mapping):  # as Hugging Face writes pictures to Parquet
        data = cell.get("bytes")
        return (lambda: data, "") if data is not None else (None, said(cell.get("path")))
    return None, said(cell)


def content(stored: Stored) -> str:
    """An identity that follows from a picture's bytes alone."""
    return hashlib.sha256(stored()).hexdigest()[:20]
