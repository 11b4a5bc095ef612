"""Other work of a run, for a process that would wait for what another one makes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cached_property

from shortcut_audit.errors import ShortcutAuditError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.gathering.tasks import Task, perform, tasks
from shortcut_audit.progress import Unit


class Meanwhile:
    """Does one task of the run each time it is called, and gives True; False where none is left.

    turn: a share in [0, 1), another one for each process, so that they begin at different tasks.
    """

    def __init__(self, units: Collection[Unit], evidence: Evidence, turn: float) -> None:
        self.units, self.evidence, self.turn = units, evidence, turn

    @cached_property
    def _left(self) -> Iterator[Task]:
        every = tasks(self.units, self.evidence)
        first = int(self.turn * len(every))
        return iter(every[first:] + every[:first])

    def __call__(self) -> bool:
        """What is wrong with a task's model is said where it is judged."""
        task = next(self._left, None)
        if task is not None:
            with suppress(ShortcutAuditError):
                perform(task, self.evidence)
        return task is not None
