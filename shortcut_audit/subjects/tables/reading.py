"""A CSV or Parquet file -> its rows, as people's tools write them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

from shortcut_audit.errors import DataError, UsageError, did_you_mean, machine_fault
from shortcut_audit.files.whole import canonical, printable
from shortcut_audit.subjects.pictures.folders import SUFFIXES

DELIMITERS = ",;\t"
LONGEST_NAME = 200  # characters of a row's name that a sentence shows
LARGEST_CELL = 1 << 24  # characters: long enough for a polygon, and no file's end for a quote


@dataclass(frozen=True)
class Row:
    """One row: what each column says of one picture."""

    where: str  # "row 7", as a spreadsheet counts
    cells: Mapping[str, Any]
    split: str = ""  # where the file that it stands in says it
    identity: str = ""  # where that is not the picture's path
    file: Path = Path()  # what a picture is a part of, where it is no file of its own


@dataclass(frozen=True)
class Sheet:
    """A table."""

    name: str  # as a sentence names it
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()  # a sentence for each kind of row that cannot be read
    picture: str | None = None  # the column that holds the pictures, where the table says so itself
    # column -> all of its values in their order, where the table says so itself
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def sheet(file: Path) -> Sheet:
    """The table in a file, CSV (also with ; or tabs, or CelebA's spaces) or Parquet.

    A file that names a picture where the column names should be has none: its columns are then
    called `path`, `2`, `3`, and so on.

    Raises:
        DataError: it is not there, cannot be read, or has two columns of one name.
        UsageError: it is Parquet, and pyarrow is not installed.
    """
    if not file.is_file():
        beside = []
        if file.parent.is_dir():
            beside = [each.name for each in file.parent.iterdir() if each.is_file()]
        found = "is a folder" if file.is_dir() else "does not exist"
        hint = did_you_mean(file.name, beside) if beside else ": check the path in the scenario"
        raise DataError(f"the table '{printable(file)}' {found}{printable(hint)}")
    if file.suffix.lower() in (".parquet", ".pq"):
        return _parquet(file)
    try:
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
            lines = list(_lines(opened.read(), file.suffix.lower() == ".txt"))
    except (OSError, csv.Error) as error:
        raise _unreadable(file, error) from None
    return _of_lines(file, [line for line in lines if any(line)])


def joined(one: Sheet, other: Sheet, keys: tuple[str, str]) -> Sheet:
    """The rows of `one`, each with what `other` says of the same picture.

    Laws: no row is added or lost; a column that both have is that of `one`.

    Args:
        one: a table.
        other: another one about the same pictures.
        keys: the column of either that names the picture.
    """
    known = {}
    for row in other.rows:
        known[picture_key(row.cells[keys[1]])] = row.cells
    rows = []
    for row in one.rows:
        more = known.get(picture_key(row.cells[keys[0]]), {})
        rows.append(replace(row, cells={**more, **row.cells}))
    added = [name for name in other.columns if name not in one.columns]
    return replace(
        one,
        columns=(*one.columns, *added),
        rows=tuple(rows),
        problems=(*one.problems, *other.problems),
        classes={**other.classes, **one.classes},
    )


def picture_key(path: Any) -> str:
    """What is the same for `a.jpg` in one table and `a` in another."""
    text = canonical(str(path))
    suffix = PurePosixPath(text).suffix
    return text.removesuffix(suffix) if suffix.lower() in SUFFIXES else text


def _lines(text: str, spaced: bool) -> Iterator[list[str]]:
    """The cells of each line; `spaced` lines may be parted by spaces, as CelebA's are.

    CelebA's first line is how many there are.
    """
    head, _, rest = text.partition("\n")
    if head.strip().isdigit():
        text, head = rest, rest.partition("\n")[0]
    counts = {each: head.count(each) for each in DELIMITERS}
    delimiter = max(counts, key=counts.__getitem__)
    if spaced and not counts[delimiter]:
        for line in text.splitlines():
            cells = line.split()
            yield cells if len(cells) < 2 or _is_picture(cells[0]) or line == head else [line]
        return
    csv.field_size_limit(LARGEST_CELL)
    for cells in csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True):
        yield [cell.strip() for cell in cells]


def _of_lines(file: Path, lines: Sequence[Sequence[str]]) -> Sheet:
    """The table of these lines, the first of which may be the names of the columns."""
    if not lines:
        raise DataError(f"the table '{printable(file)}' is empty")
    names, first = lines[0], 2
    if _is_picture(names[0]):
        names, first = ["path", *map(str, range(2, len(names) + 1))], 1
    elif len(lines) > 1 and len(lines[1]) == len(names) + 1 and _is_picture(lines[1][0]):
        names = ["path", *names]
    columns, odd, rows = _columns(file, names), [], []
    for number, given in enumerate(lines[first - 1 :], first):
        cells = list(given)
        while len(cells) > len(columns) and not cells[-1]:
            cells.pop()
        if len(cells) != len(columns):
            odd.append(f"row {number} ({len(cells)})")
            continue
        rows.append(Row(f"row {number}", dict(zip(columns, cells, strict=True))))
    said = left_out(file.name, f"have not as many cells as its {len(columns)} columns", odd)
    return Sheet(file.name, columns, tuple(rows), tuple(said))


def left_out(name: str, why: str, which: Sequence[str]) -> Iterator[str]:
    """The sentence on rows that are left out, if there are any; it names the first three."""
    if which:
        named = ", ".join(map(short, which[:3])) + (", ..." if len(which) > 3 else "")
        yield printable(f"{name}: {len(which)} rows are left out, as they {why}: {named}")


def short(name: str) -> str:
    """A row's name, in one line of at most so many characters."""
    return " ".join(name.split())[:LONGEST_NAME]


def _columns(file: Path, names: Iterable[str]) -> tuple[str, ...]:
    """The names of the columns; raises DataError where two are the same."""
    columns = tuple(canonical(name.strip()) for name in names)
    twice = [name for name, times in Counter(columns).items() if times > 1 and name]
    if twice:
        raise DataError(
            f"the table '{printable(file)}' has two columns called '{printable(twice[0])}': "
            "rename one"
        )
    return columns


def _parquet(file: Path) -> Sheet:
    """The table of a Parquet file."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise UsageError(
            f"pyarrow is not installed, and '{printable(file)}' is read with it; "
            "run: pip install 'shortcut-audit[parquet]'"
        ) from None
    try:
        read = parquet.read_table(file)
        content = read.to_pylist()
    except (OSError, ArrowException, ValueError) as error:
        raise _unreadable(file, error) from None
    rows = [Row(f"row {number}", cells) for number, cells in enumerate(content, 1)]
    return Sheet(file.name, _columns(file, read.column_names), tuple(rows))


def _unreadable(file: Path, error: Exception) -> Exception:
    said = " ".join(printable(error).split())
    return machine_fault(error) or DataError(
        f"the table '{printable(file)}' cannot be read ({said}): save it as CSV in UTF-8, "
        "or as Parquet"
    )


def _is_picture(text: str) -> bool:
    return PurePosixPath(text).suffix.lower() in SUFFIXES
