"""Which pictures belong together: those of a patient, a site, a video."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.subjects.tables.cells import said
from shortcut_audit.subjects.tables.columns import column, named
from shortcut_audit.subjects.tables.reading import Row, Sheet


@dataclass(frozen=True)
class Grouping:
    """The column of groups, and the group of a row: empty text where it says none."""

    column: str
    of: Callable[[Row], str]


def grouping(
    sheet: Sheet, asked: str | Mapping[str, str] | None, usual: Sequence[str]
) -> Grouping | None:
    """How groups are read; None where there are none.

    Args:
        sheet: the table.
        asked: a column, or one and the pattern of a group in it, as `{column: Path, pattern:
            'patient[0-9]+'}`; "": no groups; None: a column of a usual name, if there is one.
        usual: such names.

    Raises:
        UsageError: no such column, or no such pattern.
    """
    if asked == "":
        return None
    if not isinstance(asked, Mapping):
        found = named(sheet, "group", asked, usual)
        return Grouping(found, lambda row: said(row.cells.get(found))) if found else None
    if set(asked) != {"column", "pattern"}:
        raise UsageError(
            f"'group' needs 'column' and 'pattern', or just the name of a column, not {asked}"
        )
    by = column(sheet, "group", asked["column"])
    try:
        pattern = re.compile(asked["pattern"])
    except re.error as error:
        raise UsageError(
            f"'group' has a bad pattern '{asked['pattern']}': {error}; see Python's regular "
            "expressions"
        ) from None
    return Grouping(by, lambda row: _part(pattern, said(row.cells.get(by))))


def numbered(groups: Iterable[str]) -> np.ndarray:
    """(n,) int64: the place of each group among all of them, sorted."""
    every = list(groups)
    places = {group: place for place, group in enumerate(sorted(set(every)))}
    return np.array([places[group] for group in every], dtype=np.int64)


def _part(pattern: re.Pattern[str], text: str) -> str:
    """What the pattern finds: its first bracket, if it has one."""
    found = pattern.search(text)
    return (found[1] if pattern.groups else found[0]) or "" if found else ""
