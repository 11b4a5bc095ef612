"""Can a model do its task at all? Evidence on plain pictures -> the finding that every model gets
beside those of its audits.
"""

from __future__ import annotations

from collections.abc import Iterator

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.evidence.collection import Evidence
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
        """How often the model is right on plain images, and how often chance would be."""
        pictures = self.evidence.material.pictures(
            "validation", self.evidence.described(model).size
        )
        answers = self.evidence.logits(model, pictures.pixels).argmax(1)
        return competence(pictures.labels, answers)

    def above_chance(self, model: str) -> Finding:
        """HOLDS where the model is shown to be better than chance, and read as it was trained."""
        own, stated = self.competence(model), self.evidence.stated_accuracy(model)
        size = 2 * self.evidence.described(model).size
        better = read_better(*self.evidence.otherwise(model), larger=f"an input size of {size}")
        peers = claims.Peers(stated, tuple(self._accuracies_beside(model)), better)
        return claims.above_chance(model, own, self.evidence.outputs(model), peers)

    def _accuracies_beside(self, model: str) -> Iterator[float]:
        """Of the reference models, this one left out."""
        for name, candidate in self.evidence.candidates.items():
            if candidate.reference and name != model:
                try:
                    yield self.competence(name).accuracy
                except (ModelError, UsageError):
                    continue  # said in that model's own cases
