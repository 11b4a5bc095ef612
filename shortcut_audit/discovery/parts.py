"""Training pictures -> the half that is searched and the half that ranks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from shortcut_audit.errors import DataError
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.decoying.coverage import covered
from shortcut_audit.subjects.pictures.record import of

LEAST = 16  # training pictures of a class: half of them must have room for something that recurs


@dataclass(frozen=True)
class Parts:
    """Two halves of the training pictures; the validation pictures belong to neither.

    Laws: they share no picture; which half a picture is in follows from its identity alone.
    """

    search: Pictures
    rank: Pictures


def halves(training: Pictures, targets: Iterable[int] | None = None) -> Parts:
    """Half of the pictures of each class, by identity, to search, and the rest to rank.

    Args:
        training: all training pictures.
        targets: the classes in question, as labels; None: all. The others only lend pictures on
            which things are laid, and may have few.

    Raises:
        DataError: a class in question has too few training pictures; says how many there are.
    """
    asked = range(len(training.classes)) if targets is None else tuple(targets)
    searched = np.zeros(len(training.labels), bool)  # (n,)
    for label, name in enumerate(training.classes):
        of_class = np.flatnonzero(training.labels == label)  # (t,)
        if label in asked and len(of_class) < LEAST:
            raise DataError(
                f"class '{name}' has {len(of_class)} training pictures, and shortcuts are sought "
                f"in {LEAST} or more: name the data set's training split, give the class more, or "
                "leave it out with 'discover: {classes: [...]}'"
            )
        # under names of their own: else a decoy on half of the class would be the searched half
        names = [f"half/{training.ids[i]}" for i in of_class]
        searched[of_class[covered(names, 0.5)]] = True
    known = training.labels >= 0  # (n,) bool
    return Parts(of(training, searched), of(training, known & ~searched))
