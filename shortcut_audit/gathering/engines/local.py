"""Processes of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from shortcut_audit.errors import UsageError
from shortcut_audit.gathering.site import Done, Site, done_at
from shortcut_audit.gathering.tasks import Task
from shortcut_audit.processors import shared_out
from shortcut_audit.registry import register


@register("engine")
@dataclass(frozen=True)
class Local:
    """So many processes of this machine, of one thread each; one is this process."""

    workers: int = 1

    def __post_init__(self) -> None:
        """Raises UsageError for a number below 1."""
        if self.workers < 1:
            raise UsageError(f"{self.workers} workers do nothing: ask for 1 or more")

    def run(self, tasks: Sequence[Task], site: Site) -> Iterator[Done]:
        """Each task as it is done, in no order."""
        yield from shared_out(partial(done_at, site), tasks, min(self.workers, len(tasks) or 1))
