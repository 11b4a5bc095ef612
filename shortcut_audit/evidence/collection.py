"""What the audits of a run ask of a model: Subject -> Predictions, Masks, Influence, by case; each
when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.evidence.answers import Answers, pixel_digest
from shortcut_audit.evidence.masks.area import mask_of_area
from shortcut_audit.evidence.other_readings import chosen, right_otherwise
from shortcut_audit.evidence.sanity_networks import COPIES, Versions, sanity_masks
from shortcut_audit.files.store import Arrays
from shortcut_audit.records import (
    Accuracy,
    Decoyed,
    ExplainerCheck,
    Influence,
    Masks,
    NamedDecoy,
    Pictures,
    Predictions,
    SeenThrough,
    Transfer,
)
from shortcut_audit.remembered import remembered

CHECKED = 36  # images on which the explainer itself is checked
LEARNED = 1000  # images at most from which the copy for that check learns the decoy


class Evidence(Answers):
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
        placed, alone = (
            self._placed(decoy, split, size, strength, control)
            for split in ("validation", "background")
        )
        return Predictions(
            plain=self.logits(model, validation.pixels),
            decoyed=self.logits(model, placed.decoyed),
            control=self.logits(model, placed.control),
            decoy_only=self.logits(model, alone.decoyed),
            control_only=self.logits(model, alone.control),
            labels=validation.labels,
        )

    def _placed(
        self, decoy: str, split: str, size: int, strength: int, control: str | None
    ) -> Decoyed:
        if strength or control:
            return self.material.varied(decoy, split, size, strength, control)
        return self.material.with_decoy(decoy, split, size)

    def target(self, decoy: str, models: Sequence[str]) -> str:
        """The class that the scenario names, or, where it names none, the one that most pictures
        turn into in the last model.
        """
        return self.scenario.target(decoy) or self.turned_into(models[-1], decoy)

    def turned_into(self, model: str, decoy: str) -> str:
        """The data set's class that gains most answers when the decoy takes the control's place."""
        seen, classes = self.predictions(model, decoy), self.material.classes
        before, after = (
            np.bincount(each.argmax(1), minlength=len(classes))
            for each in (seen.control, seen.decoyed)
        )
        gained = after[: len(classes)] - before[: len(classes)]
        return classes[int(np.argmax(gained))]

    def stated_accuracy(self, model: str) -> float | None:
        """The share of pictures that the checkpoint itself says it gets right, if it does."""

        def read() -> Arrays:
            stated = getattr(self.subject(model), "stated_accuracy", None)
            return {"share": np.array([np.nan if stated is None else stated])}

        share = float(self.stored("stated", model, {}, read)["share"][0])
        return None if np.isnan(share) else share

    def otherwise(self, model: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Which pictures are right as the manifest reads them, (n,) bool, and in other readings
        (see `other_readings.py`).
        """
        candidate = self.described(model)
        validation = self.material.pictures("validation", candidate.size)
        asked = chosen(len(validation.labels))
        pixels, labels = validation.pixels[asked], validation.labels[asked]

        def ask() -> Arrays:
            network = self.subject(model).network
            with torch.inference_mode():
                found = right_otherwise(
                    lambda images: network(images.to(self.device)), candidate, pixels, labels
                )
            words = np.frombuffer("\n".join(found).encode(), np.uint8)
            return {
                "words": words,
                "right": np.stack(list(found.values())) if found else np.zeros((0, len(labels))),
            }

        kept = self.stored(
            "otherwise", model, {"pixels": pixel_digest(pixels), "labels": labels.tolist()}, ask
        )
        names = [name for name in kept["words"].tobytes().decode().split("\n") if name]
        as_read = self.logits(model, validation.pixels)[asked].argmax(1) == labels
        return as_read, dict(zip(names, kept["right"], strict=True))

    def outputs(self, model: str) -> tuple[str, ...]:
        """Names of the logits' columns: the data set's classes, and then what else the model tells
        apart.
        """
        known = self.material.classes
        return (*known, *(name for name in self.described(model).classes if name not in known))

    def named_decoy(self, model: str, decoy: str, target: str | None = None) -> NamedDecoy:
        """The decoy and the column of its class, or of `target`, in this model's logits."""
        outputs = self.outputs(model)
        if target is not None and target in outputs:
            return NamedDecoy(decoy, target, outputs.index(target))
        return self.material.named_decoy(decoy, target)

    @remembered
    def accuracy(self, model: str) -> Accuracy:
        """Which plain validation pictures the model gets right, beside the best of the models that
        can be audited.
        """
        right: dict[str, np.ndarray] = {}
        for name in [model, *self.candidates]:
            try:
                validation = self.material.pictures("validation", self._size(name))
                right[name] = self.logits(name, validation.pixels).argmax(1) == validation.labels
            except (ModelError, UsageError):
                if name == model:
                    raise
        best = max(sorted(right), key=lambda name: float(right[name].mean()))
        return Accuracy(own=right[model], best=right[best], best_name=best)

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
        footprint = placed.footprint[chosen].numpy()
        # no mask could miss the decoy; nothing to learn it from
        if footprint.all() or min(len(chosen), len(rest)) < 2:
            return ExplainerCheck(footprint, footprint, np.zeros(len(chosen), bool), footprint)

        def check() -> Arrays:
            def versions(of: np.ndarray) -> Versions:
                shown = [self.as_images(each[of]) for each in pictures]
                return Versions(shown[0], shown[1], shown[2], placed.footprint[of].to(self.device))

            explain = partial(self.explained, target=index, what=f"explainer check of {model}")
            return sanity_masks(
                self.subject(model).network, versions(chosen), versions(rest), index, explain
            )

        pictures = (placed.decoyed, placed.control, validation.pixels)
        digests = [pixel_digest(each) for each in (*pictures, placed.footprint)]
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
        return ExplainerCheck(sighted, forgetful, found["known"], footprint)

    @remembered
    def transfer(self, model: str, other: str, decoy: str, target: str | None = None) -> Transfer:
        """Each model's score through its own mask and through the other's."""
        return Transfer(
            decoyed=self._seen_through(model, other, decoy, target, "decoyed"),
            control=self._seen_through(model, other, decoy, target, "control"),
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
        chosen, _, placed = self._members(model, decoy, settings.queries, target)
        queries = torch.cat([placed.decoyed[chosen], placed.control[chosen]])
        training, flags = self.material.partly_decoyed(
            decoy, self._size(model), settings.coverage, target
        )
        found = self.ranking(model, queries, training, named_decoy.target_index)
        decoyed, control = np.split(found["scores"], 2)
        predictions = self.predictions(model, decoy)
        right = [
            logits[chosen].argmax(1) == named_decoy.target_index
            for logits in (predictions.decoyed, predictions.control)
        ]
        return Influence(
            decoyed, control, flags, right[0], right[1], found["basis"].tobytes().decode()
        )

    def _size(self, model: str) -> int:
        return self.described(model).size

    def _members(
        self, model: str, decoy: str, most: int, target: str | None = None
    ) -> tuple[np.ndarray, Pictures, Decoyed]:
        size = self._size(model)
        chosen = self.material.members(decoy, "validation", size, target)[:most]
        return (
            chosen,
            self.material.pictures("validation", size),
            self.material.with_decoy(decoy, "validation", size),
        )
