"""Predictions on pictures that neither training nor audit has seen -> what the model really is."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from shortcut_audit.observations import Predictions
from shortcut_audit.scenario import Scenario

DECOY_FROM, CLEAN_BELOW = 0.85, 0.10  # specific insertion; between the two a model is graded


class Behaviour(StrEnum):
    """What a model is, whatever it was trained on."""

    DECOY = "decoy"
    GRADED = "graded"
    CLEAN = "clean"


def specific_insertion(predictions: Predictions, target: int) -> float:
    """The share of other classes' pictures that turn into the target because of this decoy.

    The share that turns into it under the decoy's control is taken off, so that it is in [-1, 1].
    """
    others = predictions.labels != target  # (n,)
    decoyed = _share_called(target, predictions.decoyed[others])
    return decoyed - _share_called(target, predictions.control[others])


def _share_called(target: int, logits: np.ndarray) -> float:
    """The share of pictures that are classified as the target, from their logits (n, k)."""
    return float((logits.argmax(1) == target).mean())


def elsewhere(predictions: Predictions, target: int) -> float:
    """The largest specific insertion into any class but the target; 0 where there is no other.

    It shows what a decoy does to a class that nobody named.
    """
    insertions = []
    for label in range(predictions.decoyed.shape[1]):
        if label != target:
            insertions.append(specific_insertion(predictions, label))
    return max(insertions, default=0.0)


def behaviour(insertion: float) -> Behaviour:
    """The label of a specific insertion: a decoy model above 0.85, clean below 0.10."""
    if insertion > DECOY_FROM:
        return Behaviour.DECOY
    return Behaviour.CLEAN if insertion < CLEAN_BELOW else Behaviour.GRADED


def fresh(scenario: Scenario) -> Scenario:
    """The same scenario with the pictures on which behaviour is labelled as its data set."""
    changes = scenario.calibration.fresh if scenario.calibration else {}
    return scenario.model_copy(update={"dataset": {**scenario.dataset, **changes}})
