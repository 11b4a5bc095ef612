"""Evidence of a run -> what was proposed, and what a model answers on pictures it is laid on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortcut_audit.discovery.families.family import decoy_of
from shortcut_audit.discovery.search import Discovery
from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.evidence.each_label import groups
from shortcut_audit.remembered import remembered
from shortcut_audit.subjects.decoying.worn import worn


@dataclass(frozen=True)
class Unnamed:
    """A model's logits under a decoy that nobody named, on the n validation pictures.

    They are part C: neither search nor ranking has looked at them.
    """

    name: str
    target: str  # the class that it may turn pictures into, as the text of a claim writes it
    target_index: int
    decoyed: np.ndarray  # (n, k)
    control: np.ndarray  # (n, k)
    labels: np.ndarray  # (n,) int64
    groups: np.ndarray  # (n,) int64


@remembered
def discovery_of(answers: Answers) -> Discovery:
    """The search of a run; asked again it is the same, and nothing of it is made twice.

    Raises:
        UsageError: the scenario does not ask for one.
    """
    settings = answers.scenario.discover
    if settings is None:
        raise UsageError(
            "shortcuts that nobody named are sought only where the scenario asks: "
            "add 'discover: {}' to it"
        )
    return Discovery(answers, settings)


def unnamed(answers: Answers, model: str) -> tuple[Unnamed, ...]:
    """What a model answers under everything that was proposed in any model of the run.

    So the same question is put to all, references included.

    Raises:
        ModelError, UsageError: nothing can be said of this model; see `Discovery.check`.
    """
    discovery_of(answers).check(model)
    validation = answers.material.pictures("validation", answers.described(model).size)
    found = []
    for name, family in discovery_of(answers).named().items():
        placed = worn(decoy_of(family), validation.pixels, validation.ids, name)
        found.append(
            Unnamed(
                name.replace("{", "{{").replace("}", "}}"),
                family.target.replace("{", "{{").replace("}", "}}"),
                validation.classes.index(family.target),
                answers.logits(model, placed.decoyed),
                answers.logits(model, placed.control),
                validation.labels,
                groups(validation),
            )
        )
    return tuple(found)
