"""Scenario -> the pictures of a run: each split, with each decoy, made once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files import canonical
from shortcut_audit.records import Bait, Decoyed, Pictures
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.coverage import covered

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class Material:
    """The data of one scenario. What is asked for twice is made once and stays in memory."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.broken: set[str] = set()  # a sentence for each file that could not be read
        self.notes: set[str] = set()  # what data sets say of themselves: counts, and what was dropped
        self._seen: dict[str, Pictures | Tensor] = {}  # "validation@64" or "stop_sign@64" -> what models were asked about
        self._trained: dict[int, frozenset[str]] = {}  # size -> digests of the training pictures
        self.pictures = cache(self._pictures)
        self.with_decoy = cache(self._with_decoy)
        self.partly_decoyed = cache(self._partly_decoyed)

    @cached_property
    def dataset(self) -> Any:
        return self.scenario.build_dataset()

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(canonical(name) for name in self.dataset.classes)

    def bait(self, decoy: str) -> Bait:
        """The decoy's target as an index into the data set's classes.

        Raises:
            UsageError: the target is none of the classes.
        """
        target = self.scenario.decoys[decoy]["target"]
        if target not in self.classes:
            raise UsageError(f"decoy '{decoy}' stands for the class '{target}'{did_you_mean(target, self.classes)}")
        return Bait(decoy, target, self.classes.index(target))

    def check(self, decoys: Iterable[str]) -> None:
        """That each decoy can be built and stands for a class that there is: before any picture is loaded.

        Raises:
            UsageError: an option or a target that cannot be; DataError: the data set's folders are not there.
        """
        for decoy in decoys:
            self.scenario.build_decoy(decoy)
            self.bait(decoy)

    def digests(self) -> dict[str, str]:
        """SHA-256 of what models were asked about so far: `validation@64` and other splits, and `stop_sign@64`.

        The first covers pixels, labels, ids and classes of a split at that size, the last the pixels of all validation
        pictures with that decoy on them.
        """
        from shortcut_audit.subjects.pictures import pixel_digest

        seen = sorted(self._seen.items())
        return {name: each.digest if isinstance(each, Pictures) else pixel_digest(each) for name, each in seen}

    def try_decoys(self, decoys: Iterable[str], size: int) -> None:
        """Puts each on a grey picture, so that a mistake in one is found before any long work.

        Raises:
            UsageError, DataError: the decoy cannot be built or pasted.
        """
        import torch

        grey = torch.full((1, 3, size, size), 128, dtype=torch.uint8)
        for decoy in decoys:
            self.scenario.build_decoy(decoy).apply(grey, ["trial"])

    def members(self, decoy: str, split: str, size: int) -> np.ndarray:
        """(t,) indices of the pictures that show the decoy's class."""
        shown: np.ndarray = (self.pictures(split, size).labels == self.bait(decoy).target_index).nonzero()[0]
        return shown

    def _pictures(self, split: str, size: int) -> Pictures:
        loaded: Pictures = self.dataset.load(split, size)
        if not getattr(self.dataset, "counts_once", False):
            from shortcut_audit.subjects.own_data_sets import counted_once

            loaded = counted_once(self.dataset, loaded, split, size, lambda: self._trained_on(size))
        self.broken |= set(loaded.broken)
        self.notes |= set(loaded.notes)
        self._seen[f"{split}@{size}"] = loaded
        return loaded

    def _trained_on(self, size: int) -> frozenset[str]:
        """Digests of the training pictures; none where the data set has no training pictures, which an audit can do without."""
        from shortcut_audit.subjects.own_data_sets import digests

        if size not in self._trained:
            try:
                self._trained[size] = frozenset(digests(self.dataset.load("train", size).pixels))
            except Exception as error:  # whatever a user's own data set raises where it has no such split
                self.notes.add(f"whether validation pictures are in the training set is not known: {error}")
                self._trained[size] = frozenset()
        return self._trained[size]

    def _with_decoy(self, decoy: str, split: str, size: int) -> Decoyed:
        pictures = self.pictures(split, size)
        placed: Decoyed = self.scenario.build_decoy(decoy).apply(pictures.pixels, pictures.ids)
        if split == "validation":
            self._seen[f"{decoy}@{size}"] = placed.decoyed
        return placed

    def _partly_decoyed(self, decoy: str, size: int, coverage: float) -> tuple[Tensor, np.ndarray]:
        pictures = self.pictures("train", size)
        members = self.members(decoy, "train", size)
        flags = covered([pictures.ids[i] for i in members], coverage)  # (m,) bool
        pixels = pictures.pixels[members].clone()  # (m, 3, h, w) uint8
        chosen = members[flags]
        placed = self.scenario.build_decoy(decoy).apply(pictures.pixels[chosen], [pictures.ids[i] for i in chosen])
        pixels[flags] = placed.decoyed
        return pixels, flags
