"""A checkpoint -> how the manifest beside it reads it now, held against how it was audited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shortcut_audit.errors import UsageError
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.manifest.descriptions import read_as
from shortcut_audit.subjects.manifest.file import MANIFEST


def read_otherwise(audited: dict[str, Any], file: Path, model: str) -> Iterator[str]:
    """A sentence where the checkpoint is read otherwise than it was audited."""
    found = read_now(file, model)
    if found is None:
        return
    if found.get("code") == "":  # not to be found here: see `_not_compared`
        found = {**found, "code": audited.get("code")}
        if "code" not in audited:
            del found["code"]
    if audited == found:
        return
    keys = sorted(found.keys() | audited.keys())
    other = [key for key in keys if found.get(key) != audited.get(key)]
    yield (
        f"'{file}' is read otherwise now than it was audited "
        f"({', '.join(other) or 'not at all'}; see {MANIFEST} beside it): audit it again"
    )


def read_now(file: Path, model: str) -> dict[str, Any] | None:
    """How the manifest beside the file has this model read, or else the file itself.

    None where nothing says how. A manifest that does not list the file under any name says that
    it is not read at all: {}.
    """
    listed = (file.parent / MANIFEST).exists()
    try:
        candidates = read_candidates(file.parent if listed else file)
    except UsageError as error:
        if listed:
            raise UsageError(f"how '{file}' is to be read is not known: {error}") from None
        return None
    described = None
    for each in candidates:
        if each.problem or each.file.resolve() != file.resolve():
            continue
        if each.name == model:
            return read_as(each)
        described = described or each
    if described is not None:
        return read_as(described)
    return {} if listed else None
