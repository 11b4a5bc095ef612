"""What a table's column of splits says -> train, validation or background."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.subjects.pictures.record import SPLITS
from shortcut_audit.subjects.tables.cells import in_order, said

TEST = "test"
WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), TEST),
    "background": "background",
}
NUMBERS = {"0": "train", "1": "validation", "2": TEST}  # as in Waterbirds and CelebA


def meanings(column: str, values: Iterable[str], asked: Mapping[str, Any]) -> dict[str, str]:
    """Value of the column -> split; of a value that is not among them no row is used.

    What is called test is validation where nothing else is.

    Args:
        column: its name.
        values: all that its cells say.
        asked: split -> a value, or several, as the user says; empty: the usual words.

    Raises:
        UsageError: an unknown split, a value that does not occur, or one that stands for two, and
            words that are not usual.
    """
    every = set(values) - {""}
    if asked:
        return _asked(column, every, asked)
    known = NUMBERS if every <= NUMBERS.keys() else {}
    found = {}
    for value in every:
        word = known.get(value) or WORDS.get(value.casefold())
        if word is None:
            raise UsageError(
                f"the column '{column}' of splits says {_listed(every)}: say which is which, "
                "with 'splits: {train: [...], validation: [...]}'"
            )
        found[value] = word
    if "validation" not in found.values():
        return {value: "validation" if word == TEST else word for value, word in found.items()}
    return {value: word for value, word in found.items() if word != TEST}


def unused(column: str, values: Iterable[str], used: Mapping[str, str]) -> tuple[str, ...]:
    """A note on the rows of no split, if there are any."""
    rest = Counter(value for value in values if value not in used)
    return tuple(
        f"{count} rows whose '{column}' is '{value}' are used for nothing: 'splits' can name them"
        for value, count in sorted(rest.items())
    )


def _asked(column: str, every: set[str], asked: Mapping[str, Any]) -> dict[str, str]:
    """As `meanings`, where the user says it."""
    found: dict[str, str] = {}
    for split, given in asked.items():
        if split not in SPLITS:
            raise UsageError(
                f"'splits' names no split called '{split}'{did_you_mean(split, SPLITS)}"
            )
        for each in given if isinstance(given, list | tuple) else (given,):
            value = said(each)
            if value not in every:
                raise UsageError(
                    f"'splits' says that '{value}' is {split}, and the column '{column}' never "
                    f"says that: it says {_listed(every)}"
                )
            if found.setdefault(value, split) != split:
                raise UsageError(f"'splits' says that '{value}' is {found[value]} and {split}")
    return found


def _listed(values: set[str]) -> str:
    ordered = in_order(values)
    return ", ".join(f"'{value}'" for value in ordered[:8]) + (", ..." if len(ordered) > 8 else "")
