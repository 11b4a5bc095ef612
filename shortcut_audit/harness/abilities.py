"""Can a model do its task at all? Evidence on plain pictures -> the finding that every model gets
beside those of its audits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.evidence.each_label import answers_each, refuse_several, shown
from shortcut_audit.harness import claims
from shortcut_audit.judging.competence import Competence, competence, read_better
from shortcut_audit.records import Finding
from shortcut_audit.remembered import remembered


class Abilities:
    """How accurate the models of a run are."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence

    @remembered
    def competence(self, model: str) -> Competence:
        """How often the model is right on plain images, and how often chance would be.

        Of a model that answers each label on its own: about the label that it knows least of.
        """
        if answers_each(self.evidence.described(model)):
            return self.weakest(model)[1]
        pictures = self.evidence.material.pictures(
            "validation", self.evidence.described(model).size
        )
        refuse_several(self.evidence.described(model), pictures)
        answers = self.evidence.logits(model, pictures.pixels).argmax(1)
        return competence(pictures.labels, answers, pictures.groups)

    def _groups(self, model: str) -> np.ndarray | None:
        """(n,) the groups of the validation pictures, if there are any."""
        size = self.evidence.described(model).size
        return self.evidence.material.pictures("validation", size).groups

    @remembered
    def weakest(self, model: str) -> tuple[str, Competence]:
        """The label that a model knows least of, and how well it knows it.

        Asked are the labels that decoys are said to stand for; all that any picture shows, where a
        decoy names none.
        """
        known, scenario = self.evidence.material.classes, self.evidence.scenario
        targets = [scenario.target(each) for each in scenario.named]
        asked = [each for each in targets if each is not None]
        if None in targets or not asked:
            size = self.evidence.described(model).size
            seen = shown(self.evidence.material.pictures("validation", size))  # (n, k)
            told_apart = seen.any(0) & ~seen.all(0)
            asked = [known[at] for at in np.flatnonzero(told_apart)] or list(known)
        found = {label: self._about(model, label) for label in asked}
        worst = max(found, key=lambda label: found[label].p)
        return worst, found[worst]

    def _about(self, model: str, label: str) -> Competence:
        """How often the model is right about one label."""
        return competence(*self.evidence.right_about(model, label), self._groups(model))

    def above_chance(self, model: str) -> Finding:
        """HOLDS where the model is shown to be better than chance, and read as it was trained."""
        own, stated = self.competence(model), self.evidence.stated_accuracy(model)
        size = 2 * self.evidence.described(model).size
        better = read_better(*self.evidence.otherwise(model), larger=f"an input size of {size}")
        if better and (label := self.evidence.asked_otherwise(model)):
            better = (f"{better[0]}, asked about '{label}',", *better[1:])
        peers = claims.Peers(stated, tuple(self._accuracies_beside(model)), better)
        if not answers_each(self.evidence.described(model)):
            return claims.above_chance(model, own, self.evidence.outputs(model), peers)
        label, _ = self.weakest(model)
        return claims.above_chance(model, own, self.evidence.columns(model, label), peers, label)

    def _accuracies_beside(self, model: str) -> Iterator[float]:
        """Of the reference models, this one left out."""
        for name, candidate in self.evidence.candidates.items():
            if candidate.reference and name != model:
                try:
                    yield self.competence(name).accuracy
                except (ModelError, UsageError):
                    continue  # said in that model's own cases
