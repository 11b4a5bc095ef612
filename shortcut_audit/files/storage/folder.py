"""A folder of this machine, or of a share that it has mounted; its locks are those of files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from shortcut_audit.errors import UsageError
from shortcut_audit.files.storage.contract import Held
from shortcut_audit.files.whole import replacing

DAY = 24 * 3600.0  # seconds
LOCK = ".lock"


@dataclass(frozen=True)
class Folder:
    """Files below `path`, which is made when something is first kept there."""

    path: Path
    locks = True

    @property
    def where(self) -> str:
        """The folder as it was given."""
        return str(self.path)

    def check(self) -> None:
        """Raises UsageError where a file is in the way; a folder that is full or closed costs only
        the keeping.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"'{self.path}' is a file, and no folder to keep evidence in")

    def read(self, name: str) -> bytes | None:
        """As `Storage.read`."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return (self.path / name).read_bytes()
        return None

    def write(self, name: str, content: bytes) -> None:
        """As `Storage.write`."""
        with replacing(self.path / name) as unfinished:
            unfinished.write_bytes(content)

    def has(self, name: str) -> bool:
        """As `Storage.has`."""
        return (self.path / name).exists()

    def use(self, name: str) -> None:
        """Dates a file anew, once a day: not every file system notes when a file was read."""
        with suppress(OSError):
            if (self.path / name).stat().st_mtime < time.time() - DAY:
                os.utime(self.path / name)

    def claim(self, name: str, patience: float) -> Callable[[], None] | None:
        """As `Storage.claim`, by a lock file beside it, which stays."""
        path = (self.path / name).with_suffix(LOCK)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            return None
        return lock.release

    def listed(self) -> Iterator[Held]:
        """As `Storage.listed`: the files two folders down, where entries are."""
        for path in self.path.glob("*/??/*"):
            with suppress(FileNotFoundError):  # a writer has finished meanwhile
                found = path.stat()
                yield Held(path.relative_to(self.path).as_posix(), found.st_size, found.st_mtime)

    def remove(self, names: Sequence[str]) -> None:
        """As `Storage.remove`."""
        for name in names:
            release = self.claim(name, 0) if name.endswith(LOCK) else lambda: None
            if release is not None:
                (self.path / name).unlink(missing_ok=True)
                release()
