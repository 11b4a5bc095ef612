"""What files that no manifest names are called: each unlike the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from shortcut_audit.files.checkpoint_files import hub_files
from shortcut_audit.files.whole import canonical
from shortcut_audit.subjects.manifest.file import FORBIDDEN
from shortcut_audit.subjects.manifest.hub import name_of


def names_of(folder: Path, claimed: Mapping[Path, str | None], taken: set[str]) -> dict[Path, str]:
    """A name for each file, unlike those of the other files and those that are taken.

    It is what the file calls itself, or its stem, or the folder of a hub's file, or as much of its
    path as makes it unlike the others.
    """
    possible = {}
    for file, name in claimed.items():
        possible[file] = _possible_names(file, file.relative_to(folder), name)
    used = set(taken)
    names = {}
    for file, own in possible.items():
        elsewhere = used | _names_of_others(possible, file)
        free = [name for name in own if name not in elsewhere]
        names[file] = free[0] if free else f"{own[-1]}-{len(used)}"
        used.add(names[file])
    return names


def _possible_names(file: Path, path: Path, name: str | None) -> list[str]:
    """What a file may be called, from the shortest name to its whole path below the folder."""
    # all weights of a hub have the same few names
    stems = [name_of(file)] if hub_files(file) else [path.stem]
    possible = [name, *stems, path.with_suffix("").as_posix(), path.as_posix()]
    return [FORBIDDEN.sub("-", canonical(each)) for each in possible if each]


def _names_of_others(possible: Mapping[Path, Iterable[str]], file: Path) -> set[str]:
    """Every name that a file other than this one may get."""
    found: set[str] = set()
    for other, names in possible.items():
        if other != file:
            found.update(names)
    return found
