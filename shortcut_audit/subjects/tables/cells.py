"""A cell of a table, whatever wrote it -> text, a number, a yes or a no."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from shortcut_audit.errors import UsageError
from shortcut_audit.files.whole import canonical

WHOLE = re.compile(r"[+-]?\d{1,18}\.0*")  # 1.0, as a column of whole numbers with gaps is written
BLANK = {"", "nan", "NaN", "<NA>"}
YES = {"1", "true", "yes", "y", "t"}
NO = {"0", "false", "no", "n", "f"}
MINUS, DROP = "-1", "drop"
Answers = Mapping[str, bool | None]  # what a cell says -> yes, no, or None: leave the row out


def said(cell: Any) -> str:
    """A cell as text: empty where it is blank or no number, `1` for 1, 1.0 and "1.0", `true`.

    Law: what a table says is the same in CSV and in Parquet.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return _in_words(str(cell))


@lru_cache(maxsize=1 << 16)  # columns say the same again and again
def _in_words(written: str) -> str:
    text = canonical(written.strip())
    if text in BLANK:
        return ""
    if text in ("True", "False", "TRUE", "FALSE"):
        return text.lower()
    return str(int(text.partition(".")[0])) if WHOLE.fullmatch(text) else text


def in_order(values: Iterable[str]) -> list[str]:
    """Values sorted as numbers where all of them are, else as text."""
    every = set(values)
    if all(re.fullmatch(r"-?\d{1,18}", value) for value in every):
        return sorted(every, key=int)
    return sorted(every)


def answers(column: str, values: Iterable[str], meant: Mapping[str, bool | None]) -> Answers:
    """What each value of a column of yes and no means; one that is not among them says neither.

    Where `meant` does not say it, -1 is no if there is no 0 (as in CelebA).

    Args:
        column: its name.
        values: all that its cells say.
        meant: what the user says of some.

    Raises:
        UsageError: it has both 0 and -1, and nobody says what -1 means.
    """
    every = set(values)
    if {MINUS, "0"} <= every and MINUS not in meant:
        raise UsageError(
            f"the column '{column}' has both 0 and -1: say what -1 means, "
            "with 'yes_no: {-1: drop}', or no, or yes"
        )
    found: dict[str, bool | None] = {MINUS: False}
    for value in every:
        if value.casefold() in YES | NO:
            found[value] = value.casefold() in YES
    return {**found, **meant}


def meant_by(yes_no: Mapping[Any, Any]) -> dict[str, bool | None]:
    """The user's words on yes and no; raises UsageError for a word that is none of them."""
    found: dict[str, bool | None] = {}
    for value, word in yes_no.items():
        text = said(word).casefold()
        if text not in YES | NO | {DROP}:
            raise UsageError(
                f"'yes_no' says that '{said(value)}' means {word!r}: it can mean yes, no or drop"
            )
        found[said(value)] = None if text == DROP else text in YES
    return found
