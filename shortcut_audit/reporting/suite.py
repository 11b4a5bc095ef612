"""Which audits were run: the files of the suite and what was in them when they were collected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from os.path import commonpath, relpath
from pathlib import Path
from typing import Any

from shortcut_audit.files.sources import files_of
from shortcut_audit.files.whole import sha256


@dataclass(frozen=True)
class Suite:
    """The audits' files, and every conftest.py that they are under; absolute path -> SHA-256
    (empty: cannot be read).
    """

    audits: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def read_suite(audits: Iterable[Path], conftests: Iterable[Path]) -> Suite:
    """Hashes the audits, those conftests that lie in a folder of theirs or above one, and what of a
    user's own they import.
    """
    own = sorted({path.absolute() for path in audits})
    above = set(chain.from_iterable(path.parents for path in own))
    beside = {path.absolute() for path in conftests if path.absolute().parent in above}
    named = {*own, *beside}
    for path in sorted(named):
        named |= {each.absolute() for each in _imported(path)}
    return Suite(tuple(map(str, own)), {str(path): _digest(path) for path in sorted(named)})


def _imported(path: Path) -> Iterable[Path]:
    try:
        return files_of(path, path.stem)
    except OSError:
        return ()  # `_digest` says so


def joined(one: Suite, other: Suite) -> Suite:
    """What two processes collected; of a file that they read differently the first digest (see
    `unlike`).
    """
    return Suite(tuple(sorted({*one.audits, *other.audits})), {**other.files, **one.files})


def unlike(one: Suite, other: Suite) -> Iterator[str]:
    """A sentence for each file that two processes read differently."""
    for path in sorted(one.files.keys() & other.files.keys()):
        if one.files[path] != other.files[path]:
            yield f"'{path}' changed while the audits were being collected: run them again"


def changed(suite: Suite) -> Iterator[str]:
    """A sentence for each file that is not any more what was collected."""
    for path, digest in suite.files.items():
        if _digest(Path(path)) != digest or not digest:
            yield (
                f"'{path}' changed while the audits ran, so that nobody knows what was audited: "
                "run them again"
            )


def described(suite: Suite) -> dict[str, Any]:
    """`digest` over all of it, and `files`: path as seen from the audits' common folder -> SHA-256.

    Laws: the same files below another folder have the same digest; a file that changes, comes
        or goes changes it.
    """
    folder = commonpath([str(Path(path).parent) for path in suite.audits]) if suite.audits else "."
    files = {Path(relpath(path, folder)).as_posix(): digest for path, digest in suite.files.items()}
    whole = hashlib.sha256(json.dumps(sorted(files.items())).encode())
    return {"digest": whole.hexdigest(), "files": dict(sorted(files.items()))}


def _digest(path: Path) -> str:
    try:
        return sha256(path)
    except OSError:
        return ""
