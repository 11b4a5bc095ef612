"""Which column of a table says what, where the user does not say it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.whole import canonical
from shortcut_audit.subjects.tables.reading import Sheet

# as names are usual, without their spaces, lines and capitals; the first that there is counts
PATHS = (
    *("path", "filepath", "imagepath", "imgpath", "filename", "imgfilename", "imagefilename"),
    *("file", "image", "img", "imagename", "imageid", "imageindex", "isicid", "picture"),
)
LABELS = ("label", "class", "target", "y", "diagnosis", "dx", "category", "classname", "cls")
SPLITS = ("split", "partition", "subset", "set")
GROUPS = ("patient", "patientid", "subject", "subjectid")  # others may be anything


def named(sheet: Sheet, option: str, asked: str | None, usual: Sequence[str]) -> str | None:
    """The column that an option names, or else the first of the usual ones; None where none is.

    Raises:
        UsageError: the column that is asked for is not there; says which are.
    """
    if asked is not None:
        return column(sheet, option, asked)
    known: dict[str, str] = {}
    for name in sheet.columns:
        known.setdefault(re.sub(r"[\W_]", "", name.casefold()), name)
    return next((known[name] for name in usual if name in known), None)


def column(sheet: Sheet, option: str, asked: str) -> str:
    """The column of this name; raises UsageError where there is none."""
    name = canonical(asked)
    if name not in sheet.columns:
        raise UsageError(
            f"the table '{sheet.name}' has no column '{asked}', which '{option}' names"
            f"{did_you_mean(asked, sheet.columns)}"
        )
    return name


def needed(sheet: Sheet, option: str, asked: str | None, usual: Sequence[str]) -> str:
    """As `named`; raises UsageError where there is no such column: lists those that there are."""
    found = named(sheet, option, asked, usual)
    if found is None:
        there = ", ".join(f"'{name}'" for name in sheet.columns)
        raise UsageError(
            f"which column of '{sheet.name}' is the {option}? There is {there}: "
            f"say it with '{option}: COLUMN'"
        )
    return found
