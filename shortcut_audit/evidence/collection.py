"""What the audits of a run ask of a model: Subject -> Predictions, Masks, Influence, by case; each
when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from shortcut_audit.evidence.each_label import (
    YES,
    answers_each,
    groups,
    of_label,
    refuse_several,
    shown,
)
from shortcut_audit.evidence.masks.area import mask_of_area
from shortcut_audit.evidence.plain_answers import PlainAnswers
from shortcut_audit.evidence.sanity_networks import COPIES, Versions, sanity_masks
from shortcut_audit.files.store import Arrays
from shortcut_audit.observations import (
    ExplainerCheck,
    Influence,
    Masks,
    Predictions,
    SeenThrough,
    Transfer,
)
from shortcut_audit.records import NamedDecoy, Pictures, Worn
from shortcut_audit.remembered import remembered
from shortcut_audit.rows import rows_digest

CHECKED = 36  # images on which the explainer itself is checked
LEARNED = 1000  # images at most from which the copy for that check learns the decoy


class Evidence(PlainAnswers):
    """What is known about the models of one run."""

    @remembered
    def predictions(
        self, model: str, decoy: str, strength: int = 0, control: str | None = None
    ) -> Predictions:
        """Logits on the validation pictures: plain, decoyed, under the control, and the decoy on
        pictures without a class.

        strength, control: as in a `Case`.
        """
        size = self._size(model)
        validation = self.material.pictures("validation", size)
        refuse_several(self.described(model), validation)
        placed, alone = (
            self.placed(decoy, split, size, strength, control)
            for split in ("validation", "background")
        )
        return Predictions(
            plain=self.logits(model, validation.pixels),
            decoyed=self.logits(model, placed.decoyed),
            control=self.logits(model, placed.control),
            decoy_only=self.logits(model, alone.decoyed),
            control_only=self.logits(model, alone.control),
            labels=validation.labels,
            groups=groups(validation),
            alone_groups=groups(self.material.pictures("background", size)),
            shown=shown(validation) if answers_each(self.described(model)) else None,
        )

    def about(
        self,
        model: str,
        decoy: str,
        target: str | None,
        strength: int = 0,
        control: str | None = None,
    ) -> Predictions:
        """As `predictions`; of a model that answers each label on its own, about that of `target`.

        `named_decoy` has the column of the target, and `columns` the names of all.
        """
        said = self.predictions(model, decoy, strength, control)
        if target is None or not answers_each(self.described(model)):
            return said
        return of_label(said, self.outputs(model).index(target))

    def placed(self, decoy: str, split: str, size: int, strength: int, control: str | None) -> Worn:
        """A split with the decoy on; strength, control: as in a `Case`."""
        if strength or control:
            return self.material.varied(decoy, split, size, strength, control)
        return self.material.with_decoy(decoy, split, size)

    def target(self, decoy: str, models: Sequence[str]) -> str:
        """The class that the scenario names, or, where it names none, the one that most pictures
        turn into in the last model.
        """
        named = self.scenario.target(decoy)
        if named is None and decoy in self.scenario.attributes:
            return self._goes_with(models[-1], decoy)
        return named or self.turned_into(models[-1], decoy)

    def _goes_with(self, model: str, attribute: str) -> str:
        """The data set's class that pictures with the attribute get more often than others do."""
        pictures = self.material.pictures("validation", self._size(model))
        on, logits = (
            self.material.attribute(attribute, pictures),
            self.logits(model, pictures.pixels),
        )
        shares = [self.often(model, logits[at]) / max(1, at.sum()) for at in (on, ~on)]
        gained = (shares[0] - shares[1])[: len(self.material.classes)]
        return self.material.classes[int(np.argmax(gained))]

    def turned_into(self, model: str, decoy: str) -> str:
        """The data set's class that gains most answers when the decoy takes the control's place."""
        seen, classes = self.predictions(model, decoy), self.material.classes
        before, after = self.often(model, seen.control), self.often(model, seen.decoyed)
        gained = after[: len(classes)] - before[: len(classes)]
        return classes[int(np.argmax(gained))]

    def named_decoy(self, model: str, decoy: str, target: str | None = None) -> NamedDecoy:
        """The decoy and the column of its class, or of `target`, in this model's logits."""
        outputs = self.outputs(model)
        if target is not None and target in outputs:
            named = NamedDecoy(decoy, target, outputs.index(target))
        else:
            named = self.material.named_decoy(decoy, target)
        return replace(named, target_index=YES) if answers_each(self.described(model)) else named

    @remembered
    def masks(self, model: str, decoy: str, target: str | None = None) -> Masks:
        """Masks for the decoy's class (or `target`), on the first `masks.images` validation
        pictures of that class.
        """
        chosen, validation, placed = self._members(model, decoy, self.scenario.masks.images, target)
        index = self.material.named_decoy(decoy, target).target_index
        return Masks(
            plain=self.revealed(model, validation.pixels[chosen], index),
            decoyed=self.revealed(model, placed.decoyed[chosen], index),
            control=self.revealed(model, placed.control[chosen], index),
            footprint=placed.footprint[chosen].numpy(),
            objects=None if validation.objects is None else validation.objects[chosen].numpy(),
            area=self.scenario.masks.area,
            groups=groups(validation)[chosen],
        )

    @remembered
    def explainer_check(self, model: str, decoy: str, target: str | None = None) -> ExplainerCheck:
        """Masks of two copies of the model, on pictures that neither was fitted to."""
        chosen, validation, placed = self._members(model, decoy, CHECKED, target)
        index, area = (
            self.material.named_decoy(decoy, target).target_index,
            self.scenario.masks.area,
        )
        rest = np.setdiff1d(np.arange(len(validation.labels)), chosen)[
            :: len(validation.labels) // LEARNED + 1
        ]
        footprint, together = placed.footprint[chosen].numpy(), groups(validation)[chosen]
        # no mask could miss the decoy; nothing to learn it from
        if footprint.all() or min(len(chosen), len(rest)) < 2:
            nothing = np.zeros(len(chosen), bool)
            return ExplainerCheck(footprint, footprint, nothing, footprint, together)

        def check() -> Arrays:
            def versions(of: np.ndarray) -> Versions:
                shown = [self.as_images(each[of]) for each in pictures]
                return Versions(shown[0], shown[1], shown[2], placed.footprint[of].to(self.device))

            network, at = self.question(model, index)
            explain = partial(self.explained, target=at, what=f"explainer check of {model}")
            return sanity_masks(network, versions(chosen), versions(rest), at, explain)

        pictures = (placed.decoyed, placed.control, validation.pixels)
        digests = []
        for part in (chosen, rest):
            digests += [rows_digest(each[part]) for each in (*pictures, placed.footprint)]
        key = {
            **self.mask_key(placed.decoyed[chosen], index),
            "from": digests,
            "copies": COPIES,
            "learned": LEARNED,
        }
        found = self.stored("explainer_check", model, key, check)
        sighted, forgetful = (
            mask_of_area(torch.from_numpy(found[name]), area).numpy()
            for name in ("planted", "randomised")
        )
        return ExplainerCheck(sighted, forgetful, found["known"], footprint, together)

    @remembered
    def transfer(self, model: str, other: str, decoy: str, target: str | None = None) -> Transfer:
        """Each model's score through its own mask and through the other's."""
        chosen, validation, _ = self._members(model, decoy, self.scenario.masks.images, target)
        return Transfer(
            decoyed=self._seen_through(model, other, decoy, target, "decoyed"),
            control=self._seen_through(model, other, decoy, target, "control"),
            groups=groups(validation)[chosen],
        )

    def _seen_through(
        self, model: str, other: str, decoy: str, target: str | None, variant: str
    ) -> SeenThrough:
        chosen, _, placed = self._members(model, decoy, self.scenario.masks.images, target)
        pixels = getattr(placed, variant)[chosen]
        revealed = {
            name: getattr(self.masks(name, decoy, target), variant) for name in (model, other)
        }
        nothing = np.zeros_like(revealed[model])
        index = self.material.named_decoy(decoy, target).target_index
        views = (
            (revealed[model], revealed[other], nothing),
            (revealed[other], revealed[model], nothing),
        )
        scores = []
        for name, three in zip((model, other), views, strict=True):
            scores.append([self.score(name, pixels, view, index) for view in three])
        own, through_other, blurred = np.stack(scores, axis=1)  # each (2, n)
        return SeenThrough(own, through_other, blurred)

    @remembered
    def influence(self, model: str, decoy: str, target: str | None = None) -> Influence:
        """How much each training picture of the decoy's class, some of which carry it, speaks for
        each query.
        """
        settings = self.scenario.influence
        named_decoy = self.material.named_decoy(decoy, target)
        chosen, validation, placed = self._members(model, decoy, settings.queries, target)
        queries = torch.cat([placed.decoyed[chosen], placed.control[chosen]])
        training, flags = self.material.partly_decoyed(
            decoy, self._size(model), settings.coverage, target
        )
        found = self.ranking(model, queries, training, named_decoy.target_index)
        decoyed, control = np.split(found["scores"], 2)
        predictions = self.about(model, decoy, named_decoy.target)
        asked = self.named_decoy(model, decoy, named_decoy.target).target_index
        right = [
            logits[chosen].argmax(1) == asked
            for logits in (predictions.decoyed, predictions.control)
        ]
        return Influence(
            decoyed,
            control,
            flags,
            right[0],
            right[1],
            found["basis"].tobytes().decode(),
            groups(validation)[chosen],
        )

    def _members(
        self, model: str, decoy: str, most: int, target: str | None = None
    ) -> tuple[np.ndarray, Pictures, Worn]:
        size = self._size(model)
        chosen = self.material.members(decoy, "validation", size, target)[:most]
        return (
            chosen,
            self.material.pictures("validation", size),
            self.material.with_decoy(decoy, "validation", size),
        )
