"""What files hold, remembered from run to run: a file that is as it was is not read again."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from shortcut_audit.files.store import cache_folder
from shortcut_audit.subjects.pictures.counted_once import Content

# a file that was written in the last moments may be written again within one tick of its clock
SETTLED = 2_000_000_000  # nanoseconds
TABLE = (
    "create table if not exists seen (path text primary key, size integer, written integer, "
    "changed integer, node integer, disk integer, part blob, digest text)"
)
Stamp = tuple[int, int, int, int, int]  # size, times of content and entry in ns, number, disk


class Listing:
    """Path -> content, for as long as size, times and number on the disk are the same.

    Where it cannot be kept, each file is read each time.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or cache_folder() / "listing.sqlite"

    def known(self, files: Sequence[Path]) -> dict[Path, Content]:
        """The contents of those files that are as they were when they were noted."""
        found: dict[Path, Content] = {}
        with suppress(sqlite3.Error, OSError), self._opened() as listing:
            for file in files:
                stamp = stamp_of(file)
                row = listing.execute("select * from seen where path = ?", (_path(file),))
                noted = row.fetchone()
                if stamp is not None and noted is not None and noted[1:6] == stamp:
                    found[file] = Content(noted[1], noted[6], noted[7])
        return found

    def note(self, read: Sequence[tuple[Path, Stamp, Content]]) -> None:
        """Remembers what files held, each with its stamp from before it was read."""
        settled = time.time_ns() - SETTLED
        rows = []
        for file, stamp, content in read:
            if max(stamp[1:3]) < settled and stamp[0] == content.length:
                rows.append((_path(file), *stamp, content.part, content.digest))
        with suppress(sqlite3.Error, OSError), self._opened() as listing:
            listing.executemany("insert or replace into seen values (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        listing = sqlite3.connect(self.file, timeout=10)
        try:
            listing.execute(TABLE)
            with listing:
                yield listing
        finally:
            listing.close()


def stamp_of(file: Path) -> Stamp | None:
    """What changes when a file does; None where there is none."""
    try:
        found = file.stat()
    except (OSError, ValueError):  # a name that no file can have
        return None
    node = found.st_ino % 2**63  # SQLite takes no larger ones, and some disks have them
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, node, found.st_dev % 2**63


def _path(file: Path) -> str:
    """The file's name, whatever its bytes, as SQLite takes it."""
    return str(file.absolute()).encode("utf-8", "surrogateescape").hex()
