"""Files that appear whole or not at all, and their SHA-256."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError, machine_fault


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to; it takes `path`'s place at the end, and is gone if something was raised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_placeholder(path: Path) -> None:
    """Raises ModelError where the file is empty, UsageError where it is only Git LFS's note of where it would be."""
    with path.open("rb") as file:
        start = file.read(100)
    if not start:
        raise ModelError(f"'{path.name}' is empty")
    if start.startswith(b"version ") and b"git-lfs" in start:
        raise UsageError(f"'{path.name}' is only a Git LFS pointer; fetch the file itself with: git lfs pull")


def unreadable(path: Path, error: Exception) -> ShortcutAuditError | None:
    """The sentence for a file that was not read because of the machine or the folder; None where its bytes are at fault."""
    fault = machine_fault(error)
    if fault is None and isinstance(error, OSError) and error.filename is not None:  # it was not even opened
        return UsageError(f"'{path.name}' cannot be read: {error.strerror or error}")
    return fault
