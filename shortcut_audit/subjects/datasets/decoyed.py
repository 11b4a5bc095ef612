"""Another data set, whose training pictures wear decoys: a shortcut to be found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
from pydantic import model_validator

from shortcut_audit import registry
from shortcut_audit.errors import DataError, UsageError, did_you_mean
from shortcut_audit.files.checking import MAPPING, mismatch
from shortcut_audit.files.whole import canonical
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register
from shortcut_audit.subjects.datasets.demo import Demo
from shortcut_audit.subjects.decoying.coverage import wearing
from shortcut_audit.subjects.decoys.stop_sign import StopSign
from shortcut_audit.subjects.pictures.own_data_sets import each_once, of_class
from shortcut_audit.subjects.pictures.record import check_split, of, showing

EVERY = "every"  # class wears it, so that it says nothing of the class


@dataclass(frozen=True)
class Worn:
    """A decoy, and whose training pictures wear it.

    Its target is the class that wears it, unless its own options name another.
    """

    decoy: Any  # a decoy, or its options with `kind` among them
    by: str  # a class, or EVERY
    coverage: float = 1.0  # the share of each class's training pictures that wears it, in [0, 1]
    seed: int = 0  # another seed chooses other pictures

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, given: Any) -> Any:
        """Raises UsageError for an option that there is not, or one that is missing."""
        known, asked = {option.name for option in fields(cls)}, "dataset 'decoyed': 'wears'"
        for option in given if isinstance(given, Mapping) else ():
            if option not in known:
                raise UsageError(f"{asked} has no option '{option}'{did_you_mean(option, known)}")
        for option in ("decoy", "by"):
            if isinstance(given, Mapping) and option not in given:
                raise UsageError(f"{asked} lacks '{option}': say which decoy, and who wears it")
        return given

    def __post_init__(self) -> None:
        """Builds the decoy; raises UsageError for an option out of range."""
        if not 0 <= self.coverage <= 1:
            raise UsageError(
                "dataset 'decoyed': coverage is a share of the training pictures "
                f"between 0 and 1, not {self.coverage}"
            )
        decoy = self.decoy
        if isinstance(decoy, Mapping):
            decoy = {"target": "" if self.by == EVERY else canonical(self.by), **decoy}
        object.__setattr__(self, "decoy", _built("decoy", "decoy", decoy))

    def labels(self, classes: Sequence[str]) -> tuple[int, ...]:
        """The classes that wear it, as indices into the k classes.

        Raises:
            UsageError: it is worn by what is no class.
        """
        known = [canonical(name) for name in classes]
        if self.by == EVERY:
            return tuple(range(len(known)))
        if canonical(self.by) not in known:
            raise UsageError(
                f"dataset 'decoyed': a decoy is worn by '{self.by}', which is no class"
                f"{did_you_mean(self.by, [EVERY, *known])}"
            )
        return (known.index(canonical(self.by)),)


@register("dataset")
@dataclass(frozen=True)
class Decoyed:
    """Another data set whose training pictures wear decoys, as one with a shortcut in it does.

    Validation and background are the other's own. Laws: the training pictures are those that a
    model with the same decoy, coverage and seed is trained on; a coverage of 0 changes none.
    """

    counts_once = True  # the other's pictures do, before they wear anything
    frames = True

    # another data set, or its options with `kind` among them; by default a small demo
    of: Any = field(default_factory=lambda: Demo(train=40, validation=20, background=10))
    # put on one after the other; by default a stop sign is on half of the cats
    wears: tuple[Worn, ...] = field(default_factory=lambda: (Worn(StopSign(), "cat", 0.5),))

    def __post_init__(self) -> None:
        """Builds the other data set; raises UsageError where it cannot be."""
        object.__setattr__(self, "of", _built("dataset", "of", self.of))

    @property
    def classes(self) -> Sequence[str]:
        """Those of the other data set."""
        found: Sequence[str] = self.of.classes
        return found

    @property
    def class_counts(self) -> Callable[[str], dict[str, int]] | None:
        """How the other data set counts its pictures unopened; None where it cannot."""
        return getattr(self.of, "class_counts", None)

    def load(self, split: str, size: int, label: int | None = None) -> Pictures:
        """A split of the other data set, each picture once; those of `train` with the decoys.

        With a label it is of what shows that class; where the other data set can, it loads no more.

        Raises:
            UsageError: a decoy is worn by what is no class.
            DataError: as the other data set, or there is no training picture to wear a decoy.
        """
        check_split(split, size)
        labels = [worn.labels(self.classes) for worn in self.wears]
        alone = of_class(self.of, label, size) if label is not None and split == "train" else None
        pictures = alone or each_once(self.of, split, size)
        for worn, wearers in zip(self.wears, labels, strict=True):
            if split != "train":
                break
            if alone is None and not np.isin(pictures.labels, wearers).any():
                raise DataError(
                    f"dataset 'decoyed': there is no training picture of '{worn.by}' to wear a "
                    "decoy: give the data set in 'of' training pictures"
                )
            pictures = wearing(pictures, worn.decoy, wearers, worn.coverage, worn.seed)
        return pictures if label is None else of(pictures, showing(pictures, label))


def _built(kind: str, option: str, given: Any) -> Any:
    """The entry that an option asks for; one that is built already stays as it is."""
    if is_dataclass(given):
        return given
    asked = f"dataset 'decoyed': '{option}'"
    if not isinstance(given, Mapping):
        raise UsageError(f"{asked} cannot be {given!r}: {mismatch(given, MAPPING)}")
    options = dict(given)
    name = options.pop("kind", None)
    if not isinstance(name, str):
        raise UsageError(f"{asked} names no kind{did_you_mean('', registry.names(kind))}")
    return registry.build(kind, name, options)  # type: ignore[call-overload]
