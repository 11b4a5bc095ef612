"""What a model does with a decoy on pictures that neither training nor audit has seen. Predictions
-> label.
"""

from __future__ import annotations

from enum import StrEnum

from shortcut_audit.records import Predictions
from shortcut_audit.scenario import Scenario

DECOY_FROM, CLEAN_BELOW = 0.85, 0.10  # specific insertion; between the two a model is graded


class Behaviour(StrEnum):
    """What a model is, whatever it was trained on."""

    DECOY = "decoy"
    GRADED = "graded"
    CLEAN = "clean"


def specific_insertion(predictions: Predictions, target: int) -> float:
    """The share of other classes' pictures that turn into the target because of this decoy, and not
    under its control.
    """
    others = predictions.labels != target  # (n,)
    decoyed, control = (
        (each[others].argmax(1) == target).mean()
        for each in (predictions.decoyed, predictions.control)
    )
    return float(decoyed - control)


def elsewhere(predictions: Predictions, target: int) -> float:
    """The largest specific insertion into any class but the target: what a decoy does that nobody
    named.
    """
    classes = predictions.decoyed.shape[1]
    return max(
        (specific_insertion(predictions, label) for label in range(classes) if label != target),
        default=0.0,
    )


def behaviour(insertion: float) -> Behaviour:
    """A decoy model above 0.85, clean below 0.10."""
    if insertion > DECOY_FROM:
        return Behaviour.DECOY
    return Behaviour.CLEAN if insertion < CLEAN_BELOW else Behaviour.GRADED


def fresh(scenario: Scenario) -> Scenario:
    """The same scenario on pictures of its own."""
    changes = scenario.calibration.fresh if scenario.calibration else {}
    return scenario.model_copy(update={"dataset": {**scenario.dataset, **changes}})
