"""Files of an earlier run, taken away before anything of this run can fail.

So a verdict never outlives the run after it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


class Withdrawn:
    """The files that were there, each renamed to `.NAME.withdrawn` beside it.

    Law: after `drop` nothing of them is left; after `put_back` each is where it was, unless a
    newer one is.
    `problem` is the sentence that says which file could not be taken away; empty where all were.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self.problem = ""
        self._asides = {file: file.with_name(f".{file.name}.withdrawn") for file in files}
        self._moved: list[Path] = []
        for file, aside in self._asides.items():
            if file.is_file():
                self._take(file, aside)

    def _take(self, file: Path, aside: Path) -> None:
        try:
            os.replace(file, aside)
        except FileNotFoundError:
            return  # another process of the same run took it
        except OSError as error:
            self._not_taken(file, error)
        else:
            self._moved.append(file)

    def put_back(self) -> None:
        """Gives every file its place again, for a run that turned out to be none of ours."""
        for file in self._moved:
            if file.exists():
                self._asides[file].unlink(missing_ok=True)
            else:
                os.replace(self._asides[file], file)
        self._moved = []

    def drop(self) -> None:
        """Removes every file for a run of ours, and what a killed run had put aside as well."""
        for file, aside in self._asides.items():
            if os.path.lexists(aside):
                try:
                    aside.unlink(missing_ok=True)
                except OSError as error:
                    self._not_taken(file, error)
        self._moved = []

    def _not_taken(self, file: Path, error: OSError) -> None:
        self.problem = (
            f"cannot take away '{file}' of the run before ({error.strerror}): "
            "make its folder writable, or name another with --audit-reports"
        )
