"""The evidence of a run, with a watch over what may take long. No answer depends on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.harness.course.work import version_of
from shortcut_audit.observations import ExplainerCheck, Influence, Masks, Predictions, Transfer
from shortcut_audit.progress import Unit, Watch


@dataclass(eq=False)
class Timed(Evidence):
    """The same answers as `Evidence`; each of these methods is one kind of `Unit`."""

    watch: Watch = field(kw_only=True)

    def predictions(
        self, model: str, decoy: str, strength: int = 0, control: str | None = None
    ) -> Predictions:
        """As in `Evidence`."""
        with self.watch.over(Unit("predictions", model, decoy, version_of(strength, control))):
            return super().predictions(model, decoy, strength, control)

    def masks(self, model: str, decoy: str, target: str | None = None) -> Masks:
        """As in `Evidence`."""
        with self.watch.over(Unit("masks", model, decoy)):
            return super().masks(model, decoy, target)

    def explainer_check(self, model: str, decoy: str, target: str | None = None) -> ExplainerCheck:
        """As in `Evidence`."""
        with self.watch.over(Unit("explainer_check", model, decoy)):
            return super().explainer_check(model, decoy, target)

    def transfer(self, model: str, other: str, decoy: str, target: str | None = None) -> Transfer:
        """As in `Evidence`."""
        with self.watch.over(Unit("transfer", f"{model} and {other}", decoy)):
            return super().transfer(model, other, decoy, target)

    def influence(self, model: str, decoy: str, target: str | None = None) -> Influence:
        """As in `Evidence`."""
        with self.watch.over(Unit("influence", model, decoy)):
            return super().influence(model, decoy, target)
