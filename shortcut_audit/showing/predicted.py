"""Predictions -> what the decoy does to pictures of other classes: tiles, scores, confusions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from shortcut_audit.exhibits import Confusion, Distribution, Seen, Tile
from shortcut_audit.files.whole import as_bytes, printable
from shortcut_audit.observations import Predictions
from shortcut_audit.records import NamedDecoy, Pictures
from shortcut_audit.showing.album import Album
from shortcut_audit.showing.distributions import confusions, distribution
from shortcut_audit.showing.drawing import picture

if TYPE_CHECKING:
    from torch import Tensor

TILES, WORST = 12, 6  # at most so many are shown, and the first so many are the worst of all
UNTURNED = 4  # are shown where the decoy turns none
CONDITIONS = ("plain", "decoyed", "control")
NONE = "none of the classes"


@dataclass(frozen=True)
class Scene:
    """What one model says of n validation pictures of other classes, under each condition."""

    names: tuple[str, ...]  # what the answers stand for, printable
    at: np.ndarray  # (n,) their places in the split
    labels: np.ndarray  # (n,) indices into `names`; -1 where none is shown
    ids: tuple[str, ...]  # (n,)
    answers: dict[str, np.ndarray]  # condition -> (n,) indices into `names`
    shares: dict[str, np.ndarray]  # condition -> (n,) softmax score of the class in question
    target: int  # of the class in question

    @property
    def turned(self) -> np.ndarray:
        """(n,) bool: with the decoy the model names the class in question, under its control not.

        What `decoy_insertion` counts, less what the control turns alone.
        """
        turned: np.ndarray = (self.answers["decoyed"] == self.target) & (
            self.answers["control"] != self.target
        )
        return turned

    @property
    def steady(self) -> np.ndarray:
        """(n,) bool: the control leaves the answer as it is."""
        steady: np.ndarray = self.answers["control"] == self.answers["plain"]
        return steady


def scene(
    predictions: Predictions, decoy: NamedDecoy, pictures: Pictures, names: tuple[str, ...]
) -> Scene:
    """The pictures that do not show the class in question, and what is said of them."""
    at = (predictions.labels != decoy.target_index).nonzero()[0]
    answers, shares = {}, {}
    for condition in CONDITIONS:
        logits = getattr(predictions, condition)[at]  # (n, k)
        answers[condition] = logits.argmax(1)
        shares[condition] = softmax(logits.astype(float), axis=1)[:, decoy.target_index]
    ids = tuple(pictures.ids[i] for i in at)
    shown = tuple(map(printable, names))
    return Scene(shown, at, predictions.labels[at], ids, answers, shares, decoy.target_index)


def scores(seen: Scene, decoy: str) -> Distribution | None:
    """The scores of the class in question with the decoy (in words), its control, and neither."""
    what = f"softmax score of '{seen.names[seen.target]}' on pictures of other classes with {decoy}"
    order = ("decoyed", "control", "plain")
    return distribution(what, {condition: seen.shares[condition] for condition in order})


def confused(predictions: Predictions, seen: Scene) -> tuple[Confusion, ...]:
    """What all validation pictures are taken for, plain and with the decoy."""
    answers = {"plain": predictions.plain.argmax(1), "decoyed": predictions.decoyed.argmax(1)}
    return confusions(predictions.labels, answers, seen.names, seen.target)


def worst_first(
    turned: np.ndarray, shift: np.ndarray, steady: np.ndarray, ids: Sequence[str]
) -> list[int]:
    """Which of n pictures are shown: those that are turned, by how many points their score shifts.

    Among equals those go first whose answer the control leaves as it is, which nobody can doubt;
    then a lot decides, which depends on their ids alone. Of more than 12 these are the 6 worst, and
    6 of the others by lot. Where none is turned, the 4 that shift furthest.
    """
    lots = [_lot(each) for each in ids]
    points = [round(100 * float(each)) for each in shift]
    by_shift = sorted(range(len(ids)), key=lambda i: (-points[i], not steady[i], lots[i]))
    worst = [i for i in by_shift if turned[i]]
    if not worst:
        return by_shift[:UNTURNED]
    drawn = sorted(worst[WORST:], key=lots.__getitem__)[: TILES - WORST]
    return worst[:WORST] + [i for i in worst[WORST:] if i in drawn]


def _lot(identity: str) -> bytes:
    return hashlib.sha256(as_bytes(identity)).digest()


def tile(seen: Scene, i: int, entry: Any, pixels: Tensor, album: Album) -> Tile:
    """The i-th picture of a scene: plain, with the decoy and with its control.

    Args:
        entry: the decoy, which is put on this picture alone: where it is depends on nothing else.
        pixels: (1, 3, h, w) uint8.
    """
    placed = entry.apply(pixels, [seen.ids[i]])
    shown = {"plain": pixels, "decoyed": placed.decoyed, "control": placed.control}
    versions = {}
    for condition, each in shown.items():
        answer, share = seen.answers[condition][i], seen.shares[condition][i]
        file = album.add(picture(each[0]))
        versions[condition] = Seen(file, seen.names[answer], round(float(share), 4))
    label = seen.names[seen.labels[i]] if seen.labels[i] >= 0 else NONE
    return Tile(printable(seen.ids[i]), label, bool(seen.turned[i]), **versions)
