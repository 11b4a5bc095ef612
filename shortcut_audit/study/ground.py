"""Scenario + checkpoints -> what experiments ask for: models by coverage, pictures by group, and
their evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from torch import Tensor

from shortcut_audit.errors import DataError
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.records import Bait, Pictures
from shortcut_audit.training.plan import Job

FULL = 1.0


@dataclass(frozen=True)
class Pair:
    """Two models of the trio, by their names on the page."""

    first: str
    second: str

    @property
    def label(self) -> str:
        return f"{self.first} and {self.second}"


@dataclass(frozen=True)
class Shown:
    """Pictures of one class on which models are compared."""

    label: str  # "cat with stop_sign"
    target: int  # the class's index
    pixels: Tensor  # (n, 3, h, w) uint8
    decoyed: bool = False
    footprint: np.ndarray | None = None  # (n, h, w) bool: where the decoy is, if it is on them


class Ground:
    """One scenario's models and pictures, for one study.

    Raises (every method): DataError with one sentence where the scenario has no such decoy or
    models.
    """

    def __init__(self, answers: Answers, jobs: Sequence[Job]) -> None:
        self.answers = answers
        self.material = answers.material
        self.scenario = answers.scenario
        self.jobs = jobs
        self.groups = cache(self._groups)  # pictures are hashed once, for as long as they live
        self._of_class = cache(self._training_of)

    @cached_property
    def size(self) -> int:
        return self.scenario.training.size

    @cached_property
    def validation(self) -> Pictures:
        return self.material.pictures("validation", self.size)

    def sweep(self, decoy: str) -> dict[float, str]:
        """Coverage -> model, the lowest first, 0 is the clean one; the first seed of each, of those
        that are there.
        """
        found: dict[float, str] = {}
        for job in self.jobs:
            trained_on_it = job.decoy == decoy and job.worn_by == "target"
            if (trained_on_it or job.decoy is None) and job.name in self.answers.candidates:
                found.setdefault(job.coverage, job.name)
        return dict(sorted(found.items()))

    @cached_property
    def swept(self) -> str:
        """The decoy with the most coverages: the thesis's stop sign."""
        counts = {decoy: len(self.sweep(decoy)) for decoy in self.scenario.decoys}
        best = max(counts, key=lambda decoy: counts[decoy], default="")
        if counts.get(best, 0) < 2:
            raise DataError(
                "no decoy has models of two coverages: train some, e.g. {decoy: stop_sign, coverage: [0.5, 1.0]}"
            )
        return best

    def trio(self) -> dict[str, str]:
        """F0, F50, F100 -> the models of the swept decoy that are nearest to these coverages."""
        sweep = self.sweep(self.swept)
        partial = [share for share in sweep if 0 < share < FULL]
        if 0 not in sweep or FULL not in sweep or not partial:
            have = ", ".join(f"{share:g}" for share in sweep)
            raise DataError(
                f"comparing F0, F50 and F100 needs models of coverage 0, about 0.5 and 1; {self.swept} has {have}"
            )
        middle = min(partial, key=lambda share: abs(share - 0.5))
        return {f"F{round(100 * share)}": sweep[share] for share in (0.0, middle, FULL)}

    def pairs(self) -> list[Pair]:
        """The first and the middle, the first and the last, the last two: decoy models with each
        other come last.
        """
        clean, half, full = self.trio()
        return [Pair(clean, half), Pair(clean, full), Pair(half, full)]

    def tagged(self) -> dict[str, str]:
        """Decoy -> its model of full coverage, for each copyright tag of the scenario."""
        kinds = {
            decoy: options.get("kind", decoy) for decoy, options in self.scenario.decoys.items()
        }
        found = {
            decoy: self.sweep(decoy).get(FULL)
            for decoy, kind in kinds.items()
            if kind == "copyright_tag"
        }
        models = {decoy: model for decoy, model in found.items() if model}
        if not models:
            raise DataError(
                "the scenario has no copyright tag with a model of coverage 1: add a decoy of kind copyright_tag"
            )
        return models

    def bait(self, decoy: str) -> Bait:
        return self.material.bait(decoy)

    def members(self, target: int, most: int | None = None) -> np.ndarray:
        """(t,) indices of the validation pictures of a class, the first `most` of them."""
        return np.flatnonzero(self.validation.labels == target)[:most]

    def _groups(self, decoy: str, most: int) -> list[Shown]:
        """The decoy's class with the decoy and without it, then each other class; `most` pictures
        of each.
        """
        placed, target = (
            self.material.with_decoy(decoy, "validation", self.size),
            self.bait(decoy).target_index,
        )
        at, label = self.members(target, most), self.material.classes[target]
        if not len(at):
            raise DataError(f"no validation picture shows '{label}', the class of {decoy}")
        worn = Shown(
            f"{label} with {decoy}", target, placed.decoyed[at], True, placed.footprint[at].numpy()
        )
        order = [target, *(i for i in range(len(self.material.classes)) if i != target)]
        return [
            worn,
            *(
                Shown(self.material.classes[i], i, self.validation.pixels[self.members(i, most)])
                for i in order
            ),
        ]

    def right(self, model: str, shown: Shown) -> np.ndarray:
        """(n,) bool: the model is right about these pictures."""
        found: np.ndarray = self.answers.logits(model, shown.pixels).argmax(1) == shown.target
        return found

    def masks(self, model: str, shown: Shown) -> np.ndarray:
        """(n, h, w) bool: what the model needs to see of each picture's class."""
        return self.answers.revealed(model, shown.pixels, shown.target)

    def training(self, shown: Shown, decoy: str, coverage: float) -> tuple[Tensor, np.ndarray]:
        """The training pictures (m, 3, h, w) of the class, and (m,) bool which carry the decoy:
        only of its own class.
        """
        if shown.target == self.bait(decoy).target_index:
            return self.material.partly_decoyed(decoy, self.size, coverage)
        return self._of_class(shown.target)

    def _training_of(self, target: int) -> tuple[Tensor, np.ndarray]:
        pictures = self.material.pictures("train", self.size)
        at = np.flatnonzero(pictures.labels == target)
        return pictures.pixels[at], np.zeros(len(at), bool)

    def scores(self, model: str, shown: Shown, decoy: str, coverage: float) -> np.ndarray:
        """(q, m) influence of the class's training pictures on these queries."""
        training, _ = self.training(shown, decoy, coverage)
        return self.answers.ranking(model, shown.pixels, training, shown.target)["scores"]

    def decoy_only(self, decoy: str) -> tuple[Tensor, str]:
        """Pictures (b, 3, h, w) of the decoy without any class, and in words what they are.

        Photographs of the real thing where the data set has them (`in_the_wild`), else the decoy on
        the background.
        """
        wild = getattr(self.material.dataset, "in_the_wild", None)
        category = getattr(self.scenario.build_decoy(decoy), "category", None)
        if wild is not None and category:
            found = wild(category, self.size)
            self.material.notes |= set(found.notes)
            return found.pixels, f"photographs of a {category} with none of the classes"
        placed = self.material.with_decoy(decoy, "background", self.size).decoyed
        return placed, f"pictures with {decoy} and none of the classes"
