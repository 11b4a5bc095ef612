"""The fixtures that an audit can ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shortcut_audit.errors import UsageError
from shortcut_audit.harness.kinds import KINDS
from shortcut_audit.plugin.startup import RUN
from shortcut_audit.records import Case

if TYPE_CHECKING:
    from shortcut_audit.harness.audit import Audit


@pytest.fixture(scope="session")
def audit_case(request: pytest.FixtureRequest) -> Case:
    """The model (or pair) and the decoy of this test; the plugin parametrises it."""
    if isinstance(request.param, str):
        raise UsageError(request.param)
    refusal = request.config.stash[RUN].refusal
    if refusal:
        raise UsageError(refusal)
    found: Case = request.param
    return found


@pytest.fixture
def audit(audit_case: Case) -> Audit:
    """Takes the numbers: `audit.check(values, control, at_most(limit))`."""
    from shortcut_audit.harness.audit import Audit

    return Audit()


def _evidence(name: str) -> Any:
    """The fixture that gives the evidence of this name for the test's case."""

    def value(audit_case: Case, request: pytest.FixtureRequest) -> Any:
        return request.config.stash[RUN].harness.measurements.value(name, audit_case)

    value.__doc__ = KINDS[name].about
    return pytest.fixture(name=name)(value)


FIXTURES = {name: _evidence(name) for name in KINDS}
