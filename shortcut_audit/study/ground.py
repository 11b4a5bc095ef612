"""Scenario + checkpoints -> what experiments ask for.

These are models by coverage, pictures by group, and their evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from shortcut_audit.errors import DataError
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.records import NamedDecoy, Pictures, Worn
from shortcut_audit.remembered import remembered
from shortcut_audit.subjects.decoying.coverage import covered
from shortcut_audit.training.plan import Job

FULL = 1.0


@dataclass(frozen=True)
class Pair:
    """Two of the three models that are compared, by their names on the page."""

    first: str
    second: str

    @property
    def label(self) -> str:
        """The panel's name in a figure, e.g. `F0 and F50`."""
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

    Every method raises a DataError of one sentence where the scenario has no such decoy or models.
    """

    def __init__(self, answers: Answers, jobs: Sequence[Job]) -> None:
        self.answers = answers
        self.material = answers.material
        self.scenario = answers.scenario
        self.jobs = jobs

    @cached_property
    def size(self) -> int:
        """Height and width of every picture, in pixels."""
        return self.scenario.training.size

    @cached_property
    def validation(self) -> Pictures:
        """The validation pictures of all classes, without any decoy."""
        return self.material.pictures("validation", self.size)

    def sweep(self, decoy: str) -> dict[float, str]:
        """Coverage in [0, 1] -> the model of it, the lowest first; 0 is the model without decoy.

        Of a coverage's seeds it is the first whose checkpoint is there.
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
        decoys = self.scenario.decoys
        best = max(decoys, key=lambda decoy: len(self.sweep(decoy)), default=None)
        if best is None or len(self.sweep(best)) < 2:
            raise DataError(
                "no decoy has models of two coverages: train some, "
                "e.g. {decoy: stop_sign, coverage: [0.5, 1.0]}"
            )
        return best

    def trio(self) -> dict[str, str]:
        """F0, F50, F100 -> the models of the swept decoy that are nearest to these coverages."""
        sweep = self.sweep(self.swept)
        partial = [share for share in sweep if 0 < share < FULL]
        if 0 not in sweep or FULL not in sweep or not partial:
            have = ", ".join(f"{share:g}" for share in sweep)
            raise DataError(
                "comparing F0, F50 and F100 needs models of coverage 0, about 0.5 and 1; "
                f"{self.swept} has {have}"
            )
        middle = min(partial, key=lambda share: abs(share - 0.5))
        return {f"F{round(100 * share)}": sweep[share] for share in (0.0, middle, FULL)}

    def pairs(self) -> list[Pair]:
        """The three pairs of the trio: F0 with F50, F0 with F100, and F50 with F100."""
        clean, half, full = self.trio()
        return [Pair(clean, half), Pair(clean, full), Pair(half, full)]

    def tagged(self) -> dict[str, str]:
        """Decoy -> its model of full coverage, for each copyright tag of the scenario."""
        models = {}
        for decoy, options in self.scenario.decoys.items():
            if options.get("kind", decoy) == "copyright_tag":
                model = self.sweep(decoy).get(FULL)
                if model is not None:
                    models[decoy] = model
        if not models:
            raise DataError(
                "the scenario has no copyright tag with a model of coverage 1: "
                "add a decoy of kind copyright_tag"
            )
        return models

    def named_decoy(self, decoy: str) -> NamedDecoy:
        """The decoy and its class, the one that carries it in training."""
        return self.material.named_decoy(decoy)

    def placed(self, decoy: str) -> Worn:
        """The validation pictures of all classes with the decoy on every one."""
        return self.material.with_decoy(decoy, "validation", self.size)

    def beginning_with(self, target: int) -> list[int]:
        """The indices of all k classes, `target` first."""
        others = [i for i in range(len(self.material.classes)) if i != target]
        return [target, *others]

    def members(self, target: int, most: int | None = None) -> np.ndarray:
        """(t,) indices of the validation pictures of a class, the first `most` of them."""
        return np.flatnonzero(self.validation.labels == target)[:most]

    def carriers(self, at: np.ndarray, coverage: float) -> np.ndarray:
        """(t,) bool: which of the validation pictures at these indices (t,) carry the decoy.

        They are a share of `coverage` of them, the same ones each time.
        """
        return covered([self.validation.ids[i] for i in at], coverage)

    @remembered
    def groups(self, decoy: str, most: int) -> list[Shown]:
        """The decoy's class with the decoy, the same without it, then each other class.

        Each group has at most `most` pictures. They are the same tensors each time, so that each
        is hashed once.
        """
        placed, target = self.placed(decoy), self.named_decoy(decoy).target_index
        at, label = self.members(target, most), self.material.classes[target]
        if not len(at):
            raise DataError(f"no validation picture shows '{label}', the class of {decoy}")
        footprint = placed.footprint[at].numpy()
        groups = [Shown(f"{label} with {decoy}", target, placed.decoyed[at], True, footprint)]
        for i in self.beginning_with(target):
            pixels = self.validation.pixels[self.members(i, most)]
            groups.append(Shown(self.material.classes[i], i, pixels))
        return groups

    def right(self, model: str, shown: Shown) -> np.ndarray:
        """(n,) bool: whether the model is right about each of these pictures."""
        found: np.ndarray = self.answers.logits(model, shown.pixels).argmax(1) == shown.target
        return found

    def masks(self, model: str, shown: Shown) -> np.ndarray:
        """(n, h, w) bool: the pixels that say most for the pictures' class, by the explainer."""
        return self.answers.revealed(model, shown.pixels, shown.target)

    def training(self, shown: Shown, decoy: str, coverage: float) -> tuple[Tensor, np.ndarray]:
        """The training pictures (m, 3, h, w) of these pictures' class, and which carry the decoy.

        The second array is (m,) bool. Only pictures of the decoy's own class carry it, a share of
        `coverage` of them.
        """
        if shown.target == self.named_decoy(decoy).target_index:
            pixels, flags = self.material.partly_decoyed(decoy, self.size, coverage)
            return pixels[:], flags
        return self._of_class(shown.target)

    @remembered
    def _of_class(self, target: int) -> tuple[Tensor, np.ndarray]:
        pictures = self.material.pictures("train", self.size)
        at = np.flatnonzero(pictures.labels == target)
        return pictures.pixels[at], np.zeros(len(at), bool)

    def scores(self, model: str, shown: Shown, decoy: str, coverage: float) -> np.ndarray:
        """(q, m) influence of the class's m training pictures on these q queries."""
        training, _ = self.training(shown, decoy, coverage)
        return self.answers.ranking(model, shown.pixels, training, shown.target)["scores"]

    def decoy_only(self, decoy: str) -> tuple[Tensor, str]:
        """Pictures (b, 3, h, w) of the decoy without any class, and in words what they are.

        They are photographs of the real thing where the data set has them (`in_the_wild`), else
        background pictures with the decoy on them.
        """
        wild = getattr(self.material.dataset, "in_the_wild", None)
        category = getattr(self.scenario.build_decoy(decoy), "category", None)
        if wild is not None and category:
            found = wild(category, self.size)
            self.material.notes |= set(found.notes)
            return found.pixels[:], f"photographs of a {category} with none of the classes"
        placed = self.material.with_decoy(decoy, "background", self.size).decoyed
        return placed[:], f"pictures with {decoy} and none of the classes"
