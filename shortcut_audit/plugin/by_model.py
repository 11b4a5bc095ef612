"""xdist's scheduling by scopes, with models as scopes, and for workers that die. Imports xdist."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from shortcut_audit.harness.course.work import as_given


class ByModel(LoadScopeScheduling):  # type: ignore[misc]
    """All tests of a model go to one worker; `model_of` gives the model of a test's id."""

    def __init__(self, config: pytest.Config, log: Any, model_of: Callable[[str], str]) -> None:
        super().__init__(config, log)
        self.model_of = model_of

    def _split_scope(self, nodeid: str) -> str:
        return self.model_of(as_given(nodeid))

    def _reschedule(self, node: Any) -> None:
        """Gives no tests to a worker that has not collected any yet.

        xdist's own scheduler does where two workers die shortly after one another, and breaks.
        """
        if node in self.registered_collections:
            super()._reschedule(node)

    def remove_node(self, node: Any) -> str | None:
        """Does not try a test again that killed its worker.

        xdist's own scheduler gives it to the next worker, which it kills as well; and a worker that
        is given a model of which every test has ended waits for ever.
        """
        work = self.assigned_work.get(node, {})
        killer = _first_not_done(work.values())
        for model, unit in list(work.items()):
            if killer in unit:
                unit[killer] = True
            if all(unit.values()):
                del work[model]
        rest: str | None = super().remove_node(node)
        return killer or rest


def _first_not_done(units: Iterable[Mapping[str, bool]]) -> str | None:
    """The first test that has not ended, of units of node id -> whether it has; None: all have."""
    for unit in units:
        for nodeid, done in unit.items():
            if not done:
                return nodeid
    return None
