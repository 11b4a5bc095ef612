"""What else is on a picture: a column says whether, and a mask or a box says where."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.checking import MAPPING, mismatch
from shortcut_audit.subjects.tables.cells import Answers, answers, said
from shortcut_audit.subjects.tables.columns import column
from shortcut_audit.subjects.tables.labels import flag
from shortcut_audit.subjects.tables.reading import Row, Sheet
from shortcut_audit.subjects.tables.regions import Box, as_box, boxes_in

Found = tuple[bool | str, "Place"]
PLACES = ("mask", "box", "coco")
Place = Any  # of a mask: what names it; of boxes: a tuple of them; None where nobody says


@dataclass(frozen=True)
class Mark:
    """An attribute, as the user describes it. At least one of its columns is named."""

    name: str
    column: str | None = None  # says whether; None: what says where does
    value: Any = (
        None  # which value, or values, of the column mean yes; None: a column of yes and no
    )
    mask: str | None = None  # a column of mask files
    box: str | tuple[str, ...] | None = None  # x, y, width and height: four columns, or one
    coco: str | None = None  # a COCO file of boxes, where the pictures' paths start
    category: str | None = None  # of the COCO file; None: the attribute's own name

    @property
    def has_place(self) -> bool:
        """Whether anything says where it is."""
        return bool(self.mask or self.box or self.coco)


def marks(described: Sequence[str] | Mapping[str, Any]) -> tuple[Mark, ...]:
    """The attributes that the user describes.

    Raises:
        UsageError: one has an unknown key or none at all, or says where in two ways.
    """
    if not isinstance(described, Mapping):
        return tuple(Mark(name, name) for name in described)
    known = {each.name for each in fields(Mark)} - {"name"}
    return tuple(_mark(str(name), given, known) for name, given in described.items())


def _mark(name: str, given: Any, known: Collection[str]) -> Mark:
    """One attribute, as the user describes it; raises UsageError as `marks` does."""
    options = {"column": given} if isinstance(given, str) else given
    if not isinstance(options, Mapping):
        raise UsageError(f"the attribute '{name}' cannot be {given!r}: {mismatch(given, MAPPING)}")
    for option in options:
        if option not in known:
            raise UsageError(
                f"the attribute '{name}' has no option '{option}'{did_you_mean(option, known)}"
            )
    words: dict[str, Any] = {}
    for option, value in options.items():
        several = isinstance(value, list | tuple)
        words[option] = tuple(map(str, value)) if several else str(value)
    where = [option for option in PLACES if words.get(option)]
    if len(where) > 1 or not (where or words.get("column")):
        raise UsageError(
            f"the attribute '{name}' needs a 'column' that says which pictures show it, or "
            f"one of 'mask', 'box' and 'coco' that says where, not {sorted(options) or 'none'}"
        )
    return Mark(name, **{**words, "value": options.get("value")})


@dataclass(frozen=True)
class Reader:
    """An attribute of a table's rows."""

    mark: Mark
    column: str | None
    words: Answers
    boxes: Callable[[Row], Sequence[Box] | str | None] | None

    def read(self, row: Row) -> Found:
        """Whether the row has it, or why it is left out; and what says where."""
        place = self._place(row)
        if isinstance(place, str) and self.boxes:
            return place, None
        if self.column is None:
            return bool(place), place
        return flag(row, self.column, self.words), place

    def _place(self, row: Row) -> Place:
        if not self.mark.mask:
            return self.boxes(row) if self.boxes else None
        cell = row.cells.get(self.mark.mask)
        there = any(cell.values()) if isinstance(cell, Mapping) else callable(cell) or said(cell)
        return cell if there else None


def reader(
    mark: Mark, sheet: Sheet, meant: Mapping[str, bool | None], path: str, root: Path
) -> Reader:
    """How an attribute is read from a table.

    Args:
        mark: the attribute.
        sheet: the table.
        meant: as in `cells.answers`.
        path: the column that names the picture.
        root: the folder where a COCO file is.

    Raises:
        UsageError: a column, a value or a category that there is not.
        DataError: the COCO file cannot be read.
    """
    option = f"attributes.{mark.name}"
    if mark.mask:
        column(sheet, option, mark.mask)
    named = column(sheet, option, mark.column) if mark.column else None
    words: Answers = {}
    if named:
        values = {said(row.cells.get(named)) for row in sheet.rows}
        words = (
            _valued(mark, named, values)
            if mark.value is not None
            else answers(named, values, meant)
        )
    return Reader(mark, named, words, _boxes(mark, sheet, path, root))


def _boxes(
    mark: Mark, sheet: Sheet, path: str, root: Path
) -> Callable[[Row], Sequence[Box] | str | None] | None:
    """What gives the boxes of a row; None where the attribute has none. The rest as in `reader`."""
    if mark.box:
        parts = [column(sheet, f"attributes.{mark.name}", each) for each in _several(mark.box)]
        return lambda row: as_box(row.cells, parts)
    if not mark.coco:
        return None
    file, known = mark.coco, boxes_in(root / mark.coco, mark.category or mark.name)
    return lambda row: known.of(row.cells.get(path), file)


def _valued(mark: Mark, named: str, values: set[str]) -> Answers:
    """What each value of the column means where some of them mean yes and the others no."""
    wanted = {said(each) for each in _several(mark.value)}
    for value in sorted(wanted):
        if value not in values:
            raise UsageError(
                f"the attribute '{mark.name}' is where '{named}' says '{value}', and it never "
                f"says that{did_you_mean(value, values - {''})}"
            )
    return {value: value in wanted for value in values if value}


def _several(given: Any) -> Sequence[Any]:
    return given if isinstance(given, list | tuple) else (given,)
