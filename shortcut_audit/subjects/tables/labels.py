"""What a table says of classes -> their names, and what is right for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.whole import canonical
from shortcut_audit.subjects.tables.cells import Answers, answers, in_order, said
from shortcut_audit.subjects.tables.reading import Row

# one class as its number, or of several labels which there are; text: why the row is left out
Answer = int | tuple[bool, ...] | str


@dataclass(frozen=True)
class Labels:
    """The k classes, and how a row is read."""

    classes: tuple[str, ...]
    answer: Callable[[Row], Answer]
    none: int | tuple[bool, ...]  # the answer of a picture with none of the classes


def one_of(
    column: str, rows: Sequence[Row], asked: Mapping[Any, str] | Sequence[str], known: Sequence[str]
) -> Labels:
    """One class for each row.

    Args:
        column: which says it.
        rows: those that may show a class.
        asked: value -> name of its class, or the names in their order; empty: the values.
        known: all values in their order, where the table says them.

    Raises:
        UsageError: fewer than two classes, or names for values that do not occur.
    """
    values = in_order({said(row.cells.get(column)) for row in rows} - {""})
    names = _names(column, values, asked or known)
    classes = tuple(dict.fromkeys(names.values()))
    if len(classes) < 2:
        raise UsageError(
            f"the column '{column}' has {len(classes)} class: a data set has two or more; "
            "name another column with 'label: COLUMN'"
        )
    numbers = {value: classes.index(name) for value, name in names.items()}

    def answer(row: Row) -> Answer:
        value = said(row.cells.get(column))
        if not value:
            return f"have nothing in '{column}'"
        return numbers.get(value, f"have in '{column}' what is no class")

    return Labels(classes, answer, -1)


def each_of(
    columns: Sequence[str],
    rows: Sequence[Row],
    asked: Mapping[Any, str] | Sequence[str],
    meant: Mapping[str, bool | None],
) -> Labels:
    """A yes or no for each of several columns, each a class of its own.

    Args:
        columns: k of them.
        rows: those that may show a class.
        asked: column -> name of its class, or k names; empty: those of the columns.
        meant: as in `cells.answers`.

    Raises:
        UsageError: another number of names than of columns, or -1 that may mean no or nothing.
    """
    names = asked
    if isinstance(asked, Mapping):
        names = [asked.get(column, column) for column in columns]
    elif asked and len(asked) != len(columns):
        raise UsageError(
            f"'labels' names {len(columns)} columns, and 'class_names' {len(asked)} classes"
        )
    means: dict[str, Answers] = {}
    for column in columns:
        means[column] = answers(column, (said(row.cells.get(column)) for row in rows), meant)

    def answer(row: Row) -> Answer:
        shown = []
        for column, words in means.items():
            found = flag(row, column, words)
            if isinstance(found, str):
                return found
            shown.append(found)
        return tuple(shown)

    return Labels(tuple(map(canonical, names or columns)), answer, (False,) * len(columns))


def just_one(labels: Labels) -> Labels:
    """One class for each row, of columns of yes and no of which one says yes, as ISIC has them."""

    def answer(row: Row) -> Answer:
        shown = labels.answer(row)
        if not isinstance(shown, tuple):
            return shown
        return shown.index(True) if sum(shown) == 1 else "say yes to no class, or to several"

    return Labels(labels.classes, answer, -1)


def several_in(
    column: str,
    separator: str,
    none: str,
    rows: Sequence[Row],
    asked: Mapping[Any, str] | Sequence[str],
) -> Labels:
    """The names of a row's classes in one cell, joined by a separator.

    Args:
        column: which holds them.
        separator: such as `|`.
        none: the word for none of them.
        rows: those that may show a class.
        asked: word -> name of its class, or the classes that count; empty: all that occur.

    Raises:
        UsageError: a class that never occurs, or no class at all.
    """
    words: set[str] = set()
    for row in rows:
        words |= set(_parts(row, column, separator, none))
    chosen = asked if isinstance(asked, Mapping) else {name: name for name in asked}
    names = {said(word): canonical(name) for word, name in chosen.items()} or {
        word: word for word in sorted(words)
    }
    for word in names:
        if word not in words:
            raise UsageError(
                f"the column '{column}' never names the class '{word}'{did_you_mean(word, words)}"
            )
    if not names:
        raise UsageError(f"the column '{column}' names no class at all")
    classes = tuple(dict.fromkeys(names.values()))

    def answer(row: Row) -> Answer:
        if not said(row.cells.get(column)):
            return f"have nothing in '{column}'"
        found = {names.get(part) for part in _parts(row, column, separator, none)}
        return tuple(name in found for name in classes)

    return Labels(classes, answer, (False,) * len(classes))


def flag(row: Row, column: str, words: Answers) -> bool | str:
    """What a row says in a column of yes and no, or why it is left out."""
    value = said(row.cells.get(column))
    if value not in words:
        if not value:
            return f"have nothing in '{column}' ('yes_no: {{\"\": no}}' makes that a no)"
        return f"say neither yes nor no in '{column}'"
    found = words[value]
    return f"have in '{column}' what 'yes_no' drops" if found is None else found


def _names(
    column: str, values: Sequence[str], asked: Mapping[Any, str] | Sequence[str]
) -> dict[str, str]:
    """Value -> name of its class."""
    if isinstance(asked, Mapping):
        names = {said(value): canonical(name) for value, name in asked.items()}
    elif not asked:
        return {value: value for value in values}
    elif set(values) & set(map(said, asked)):
        names = {said(name): canonical(said(name)) for name in asked}
    else:  # as y is 0 and 1 in Waterbirds
        names = {str(place): canonical(name) for place, name in enumerate(asked)}
    if not set(names) & set(values):
        raise UsageError(
            f"'class_names' fits nothing in the column '{column}', which says "
            f"{', '.join(values[:8])}{', ...' if len(values) > 8 else ''}"
        )
    return names


def _parts(row: Row, column: str, separator: str, none: str) -> list[str]:
    """The words in a cell, without the one for none of them."""
    parts = map(str.strip, said(row.cells.get(column)).split(separator))
    return [part for part in parts if part and part.casefold() != none.casefold()]
