"""What an audit can ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shortcut_audit.errors import UsageError
from shortcut_audit.plugin.running import RUN
from shortcut_audit.records import Case

if TYPE_CHECKING:
    from shortcut_audit.harness.judge import Audit


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
    from shortcut_audit.harness.judge import Audit

    return Audit()


def _evidence(name: str, text: str) -> Any:
    def value(audit_case: Case, request: pytest.FixtureRequest) -> Any:
        return request.config.stash[RUN].harness.value(name, audit_case)

    value.__doc__ = text
    return pytest.fixture(name=name)(value)


subject = _evidence(
    "subject", "The loaded model: `subject.network` maps (n, 3, h, w) in [0, 1] to logits (n, k)."
)
pair = _evidence(
    "pair",
    "The two models' entries of the manifest; every other fixture then gives a tuple of two.",
)
decoy = _evidence("decoy", "The decoy's name, target and target_index.")
predictions = _evidence("predictions", "Logits on the validation images: plain, decoyed, control.")
masks = _evidence("masks", "What the model needs to see of images of the decoy's class.")
explainer_check = _evidence(
    "explainer_check", "Masks in copies of the model of which it is known where they must lie."
)
transfer = _evidence(
    "transfer", "Scores of a pair of models through their own and each other's masks."
)
influence = _evidence("influence", "How much each training image speaks for each query.")
accuracy = _evidence(
    "accuracy", "Which plain validation images the model, and the best model, get right."
)
limits = _evidence("limits", "The scenario's limits.")
scenario = _evidence("scenario", "The whole scenario.")
