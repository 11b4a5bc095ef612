"""Scenario -> the pictures of a run: each split, with each decoy, made once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.whole import canonical
from shortcut_audit.records import NamedDecoy, Pictures, Worn
from shortcut_audit.rows import Rows, rows_digest
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.decoying.coverage import covered, partly
from shortcut_audit.subjects.decoying.strengths import on_grey, stronger
from shortcut_audit.subjects.decoying.worn import worn
from shortcut_audit.subjects.pictures.record import showing

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from shortcut_audit.contracts import Decoy

SCRAMBLED = "scrambled"


class Material:
    """The data of one scenario. What is asked for twice is made once and stays in memory."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.broken: set[str] = set()  # a sentence for each file that could not be read
        self.notes: set[str] = set()  # what data sets say: counts, and what was dropped
        self.groups: frozenset[int] = frozenset()  # of the pictures that are asked about
        self._seen: dict[str, str] = {}  # of splits, for `digests`
        self._worn: dict[str, Rows] = {}  # of validation pictures that wear a decoy
        self._strengths: dict[str, tuple[Any, ...]] = {}
        self.pictures = cache(self._pictures)
        self.with_decoy = cache(self._with_decoy)
        self.varied = cache(self._varied)
        self.partly_decoyed = cache(self._partly_decoyed)
        self.of_class = cache(self._of_class)

    @cached_property
    def dataset(self) -> Any:
        """The scenario's data set; nothing of it is loaded yet."""
        return self.scenario.build_dataset()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the k classes, in the order of the labels, in composed Unicode."""
        return tuple(canonical(name) for name in self.dataset.classes)

    @property
    def known_as(self) -> dict[str, tuple[str, ...]]:
        """Class -> other names under which a model may know it: its wnid, where the data say so."""
        wnids = getattr(self.dataset, "wnids", {})
        return {canonical(name): (wnid,) for name, wnid in wnids.items()}

    def named_decoy(self, decoy: str, target: str | None = None) -> NamedDecoy:
        """The decoy and the index of a class: the scenario's, or `target` in its place.

        Raises:
            UsageError: it is none of the data set's classes, or nothing names one.
        """
        named = target or self.scenario.target(decoy)
        if named is None:
            raise UsageError(
                f"decoy '{decoy}' names no class, and one is needed here: add 'target: CLASS'"
            )
        if named not in self.classes:
            raise UsageError(
                f"decoy '{decoy}' stands for the class '{named}'{did_you_mean(named, self.classes)}"
            )
        return NamedDecoy(decoy, named, self.classes.index(named))

    def attribute(self, name: str, pictures: Pictures) -> np.ndarray:
        """(n,) bool: which of the pictures show an attribute of the scenario.

        Raises:
            UsageError: the data set does not know it; says what it knows.
        """
        column = self.scenario.attributes[name].column or name
        if column not in pictures.attributes:
            known = ", ".join(sorted(pictures.attributes)) or "none"
            raise UsageError(
                f"the data set does not say which pictures show '{column}'"
                f"{did_you_mean(column, pictures.attributes)} (it knows {known}): name one of its "
                "columns in the data set's 'attributes'"
            )
        return pictures.attributes[column]

    def region(self, name: str, pictures: Pictures) -> Tensor | None:
        """(n, h, w) bool: where they show it; None where the data set does not say."""
        return pictures.regions.get(self.scenario.attributes[name].column or name)

    def strengths(self, decoy: str) -> tuple[Any, ...]:
        """The decoy as it is named, and then at each other strength of the scenario.

        Only a decoy that has both a size and an opacity can be made stronger. Law: no two are the
        same.
        """
        if decoy not in self._strengths:
            found = [self.scenario.build_decoy(decoy)]
            for strength in self.scenario.strengths:
                changed = stronger(found[0], strength)
                if changed not in found:
                    found.append(changed)
            self._strengths[decoy] = tuple(found)
        return self._strengths[decoy]

    def worded(self, decoy: str, strength: int = 0) -> str:
        """`stop_sign`, or `stop_sign at 1.4 times its size, opaque`."""
        if not strength:
            return decoy
        named, asked = self.strengths(decoy)[0], self.strengths(decoy)[strength]
        said = []
        if asked.size != named.size:
            said.append(f"at {asked.size / named.size:.2g} times its size")
        if asked.opacity != named.opacity:
            said.append("opaque" if asked.opacity == 1 else f"at opacity {asked.opacity:.2g}")
        return f"{decoy} {', '.join(said)}" if said else decoy

    def tried(self, decoy: str, every: bool) -> str:
        """`stop_sign (random position; size 0.25 at opacity 0.8, size 0.25 at opacity 1)`.

        It names the decoy as the scenario does, or (every) each strength of it.
        """
        if decoy in self.scenario.attributes:
            return f"{decoy} (as the pictures show it)"
        entries = self.strengths(decoy) if every else self.strengths(decoy)[:1]
        named = entries[0]
        said = []
        placement = str(getattr(named, "placement", "")).replace("_", " ")
        if placement:
            said.append(placement)
        if hasattr(named, "size") and hasattr(named, "opacity"):
            sizes = [f"size {each.size:.2g} at opacity {each.opacity:.2g}" for each in entries]
            said.append(", ".join(sizes))
        elif hasattr(named, "opacity"):
            said.append(f"opacity {named.opacity:.2g}")
        return f"{decoy} ({'; '.join(said)})" if said else decoy

    def second_control(self, decoy: str) -> str | None:
        """Another neutral control than the decoy's own; None where it has none.

        It is the decoy's own pixels in another order.
        """
        if decoy in self.scenario.attributes:
            return None
        entry = self.strengths(decoy)[0]
        known = getattr(entry, "controls", ()) if hasattr(entry, "control") else ()
        return SCRAMBLED if SCRAMBLED in known and entry.control != SCRAMBLED else None

    @property
    def in_groups(self) -> bool:
        """Whether the data set says, before any picture is loaded, that they come from groups."""
        return bool(getattr(self.dataset, "in_groups", False))

    def counts(self, split: str) -> dict[str, int] | None:
        """Class -> how many pictures there may be, none of them opened.

        None where the data set has no `class_counts`.
        """
        count = getattr(self.dataset, "class_counts", None)
        if not callable(count):
            return None
        return {canonical(name): n for name, n in count(split).items()}

    def check(self, decoys: Iterable[str]) -> None:
        """Builds each decoy and looks its class up, before any picture is loaded.

        Raises:
            UsageError: an option or a class that cannot be.
            DataError: the data set's folders are not there.
        """
        for decoy in decoys:
            if decoy not in self.scenario.attributes:
                self.scenario.build_decoy(decoy)
            if self.scenario.target(decoy) is not None:
                self.named_decoy(decoy)

    def digests(self) -> dict[str, str]:
        """SHA-256 of what was loaded and shown so far, sorted by name.

        `validation@64` is that of a split at 64 pixels: of pixels, labels, ids, classes, and what a
        table says besides. `validation@224,resize=256` is of pictures that are framed so.
        `stop_sign@64` is that of a decoy: of the pixels of all validation pictures that wear it.
        `stop_sign+1@64` is the same for the first of the decoy's other strengths.
        """
        found = dict(self._seen)
        for name, rows in self._worn.items():
            found[name] = rows_digest(rows)  # of its blocks, which are known by now
        return dict(sorted(found.items()))

    def try_decoys(self, decoys: Iterable[str], size: int) -> None:
        """Puts each on a grey picture, so that a mistake in one is found before any long work.

        Raises:
            UsageError, DataError: the decoy cannot be built or pasted.
        """
        for decoy in decoys:
            on_grey(self.scenario.build_decoy(decoy), size)

    def members(self, decoy: str, split: str, size: int, target: str | None = None) -> np.ndarray:
        """(t,) indices of the pictures that show the decoy's class, or `target`."""
        named = self.named_decoy(decoy, target)
        return showing(self.pictures(split, size), named.target_index)

    def _pictures(self, split: str, size: int) -> Pictures:
        """A split at this size, each picture once."""
        from shortcut_audit.subjects.pictures.own_data_sets import each_once

        return self._taken(each_once(self.dataset, split, size), split, size)

    def _taken(self, loaded: Pictures, split: str, size: int, name: str = "") -> Pictures:
        """The pictures, of which is taken down what a report says of them."""
        self.broken |= set(loaded.broken)
        if loaded.groups is not None and split != "train":
            self.groups |= frozenset(loaded.groups.tolist())
        self.notes |= set(loaded.notes)
        self._seen[f"{split} of {name}@{size}" if name else f"{split}@{size}"] = _content(loaded)
        return loaded

    def _with_decoy(self, decoy: str, split: str, size: int) -> Worn:
        """All pictures of a split with the decoy as it is named."""
        entry = self.scenario.build_decoy(decoy)
        return self._put_on(decoy, entry, split, size)

    def _varied(
        self, decoy: str, split: str, size: int, strength: int, control: str | None
    ) -> Worn:
        """As `with_decoy`, at another strength or with another control."""
        entry = self.strengths(decoy)[strength]
        if control:
            entry = replace(entry, control=control)
        return self._put_on(f"{decoy}+{strength}" if strength else decoy, entry, split, size)

    def _put_on(self, name: str, entry: Decoy, split: str, size: int) -> Worn:
        pictures = self.pictures(split, size)
        placed = worn(entry, pictures.pixels, pictures.ids, name)
        if split == "validation":
            self._worn[f"{name}@{size}"] = placed.decoyed
        return placed

    def _partly_decoyed(
        self, decoy: str, size: int, coverage: float, target: str | None = None
    ) -> tuple[Rows, np.ndarray]:
        """The training pictures of a class, of which a share `coverage` wears the decoy.

        Returns:
            pixels (m, 3, h, w) uint8, and (m,) bool which of them wear it.
        """
        named = self.named_decoy(decoy, target)
        pictures = self.of_class(named.target, size)
        entry, flags = self.scenario.build_decoy(decoy), covered(pictures.ids, coverage)
        return partly(entry, pictures.pixels, pictures.ids, flags), flags

    def _of_class(self, name: str, size: int) -> Pictures:
        """The training pictures that show a class; where the data set can, no others are loaded."""
        from shortcut_audit.subjects.pictures.own_data_sets import of_class
        from shortcut_audit.subjects.pictures.record import of

        label = self.classes.index(name)
        if alone := of_class(self.dataset, label, size):
            pictures = self._taken(alone, "train", size, name)
        else:
            pictures = self.pictures("train", size)
        members = showing(pictures, label)
        return pictures if len(members) == len(pictures.ids) else of(pictures, members)


def _content(pictures: Pictures) -> str:
    """SHA-256 over pixels, labels, ids, classes, and all that a table says besides.

    A user's own data set may say anything in its `digest`, so this one is computed here.
    """
    from shortcut_audit.subjects.pictures.record import more_of

    words = (
        rows_digest(pictures.pixels),
        pictures.labels.tolist(),
        pictures.ids,
        pictures.classes,
        *more_of(pictures),
    )
    return hashlib.sha256(repr(words).encode()).hexdigest()
