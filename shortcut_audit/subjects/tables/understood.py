"""A table that is read -> what it says of the pictures that were loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from shortcut_audit.records import Pictures
from shortcut_audit.subjects.pictures.record import digested
from shortcut_audit.subjects.tables.entries import Entry, How, Left
from shortcut_audit.subjects.tables.groups import numbered
from shortcut_audit.subjects.tables.reading import Sheet

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Understood:
    """A table, read and understood; no picture is opened yet."""

    sheet: Sheet
    how: How
    entries: tuple[Entry, ...]
    left: Left
    notes: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The k classes."""
        return self.how.labels.classes


def told(known: Understood, split: str, pictures: Pictures, kept: Sequence[Entry]) -> Pictures:
    """The pictures with what the table says of each.

    Law: an attribute is shown only where a model can see it, if the table says where it is.

    Args:
        known: the table.
        split: the name of the pictures' split.
        pictures: n of them.
        kept: n entries.
    """
    shown = groups = None
    if isinstance(known.how.labels.none, tuple):
        rows = [each.photograph.shown for each in kept]
        shown = np.array(rows, dtype=bool).reshape(len(kept), len(known.classes))
    if known.how.group:
        groups = numbered(each.group for each in kept)
    flags: dict[str, np.ndarray] = {}
    regions, notes = dict(pictures.regions), list(pictures.notes)
    for i, mark in enumerate(known.how.marks):
        name, flag = mark.mark.name, np.array([each.flags[i] for each in kept], dtype=bool)
        flags[name] = flag
        if not mark.mark.has_place:
            continue
        regions.setdefault(name, nowhere(pictures))
        placed = np.array([each.places[i] is not None for each in kept], dtype=bool)
        cut = flag & placed & ~regions[name].flatten(1).any(1).numpy()
        flag[cut] = False
        if cut.any():
            notes.append(
                f"{split}: on {cut.sum()} pictures no model sees '{name}', as its mask is "
                "empty or cut off"
            )
    return digested(
        replace(
            pictures,
            shown=shown,
            groups=groups,
            attributes=flags,
            regions=regions,
            notes=tuple(notes),
        )
    )


def nowhere(pictures: Pictures) -> Tensor:
    """(n, h, w) bool: a region that is on no picture."""
    import torch

    n, _, height, width = pictures.pixels.shape
    return torch.zeros((n, height, width), dtype=torch.bool)
