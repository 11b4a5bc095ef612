"""What files that no manifest names are called: each unlike the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from shortcut_audit.files.whole import canonical
from shortcut_audit.subjects.manifest.file import FORBIDDEN


def names_of(folder: Path, claimed: Mapping[Path, str | None], taken: set[str]) -> dict[Path, str]:
    """A name for each file, unlike those of the other files and those that are taken.

    It is what the file calls itself or its stem, or as much of its path as makes it unlike the
    others.
    """
    possible = {}
    for file, name in claimed.items():
        possible[file] = _possible_names(file.relative_to(folder), name)
    used = set(taken)
    names = {}
    for file, own in possible.items():
        elsewhere = used | _names_of_others(possible, file)
        free = [name for name in own if name not in elsewhere]
        names[file] = free[0] if free else f"{own[-1]}-{len(used)}"
        used.add(names[file])
    return names


def _possible_names(path: Path, name: str | None) -> list[str]:
    """What a file below the folder may be called, from the shortest name to its whole path."""
    possible = (name or path.stem, path.stem, path.with_suffix("").as_posix(), path.as_posix())
    return [FORBIDDEN.sub("-", canonical(each)) for each in possible]


def _names_of_others(possible: Mapping[Path, Iterable[str]], file: Path) -> set[str]:
    """Every name that a file other than this one may get."""
    found: set[str] = set()
    for other, names in possible.items():
        if other != file:
            found.update(names)
    return found
