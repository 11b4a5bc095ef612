"""What a model answers on pictures that show an attribute, on those that do not, and on those from
which it was taken away.

Nobody put the attribute there: it is a decoy that is really in the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.evidence.each_label import answers_each, both_of, groups, refuse_several, shown
from shortcut_audit.subjects.decoying.inpainting import elsewhere, filled_in, pasted
from shortcut_audit.subjects.pictures.material import Material


@dataclass(frozen=True)
class Natural:
    """Logits on the n plain validation pictures, and which of them show the attribute.

    The columns are those of `Evidence.about`: of a model that answers each label on its own, no and
    yes.
    """

    target: str
    target_index: int
    names: tuple[str, ...]  # (k,) of the columns
    logits: np.ndarray  # (n, k)
    labels: np.ndarray  # (n,) int64
    shown: np.ndarray  # (n,) bool
    groups: np.ndarray  # (n,) int64


@dataclass(frozen=True)
class Filled:
    """Logits (m, k) on the m validation pictures of the target that show the attribute.

    Without any `why` says why there is none.
    """

    target_index: int
    removed: np.ndarray  # the attribute is filled in
    control: np.ndarray  # as much of the picture is filled in elsewhere
    moved: np.ndarray  # it is filled in, and pasted elsewhere
    groups: np.ndarray  # (m,) int64
    why: str = ""


@dataclass(frozen=True)
class TakenAway:
    """The m validation pictures of a class that show an attribute, changed in three ways."""

    at: np.ndarray  # (m,) int64 places among the validation pictures
    removed: Tensor  # (m, 3, h, w) uint8: the attribute is filled in
    control: Tensor  # as much of the picture is filled in elsewhere
    moved: Tensor  # it is filled in, and pasted elsewhere


def natural(evidence: Evidence, model: str, attribute: str, target: str | None) -> Natural:
    """What the model answers on the plain validation pictures, by whether they show the attribute.

    Raises:
        UsageError: the data set does not know the attribute, the class is none, or all pictures
            show it, or none does, so that there are no two lots to compare.
        ModelError: as `Evidence.logits`.
    """
    seen = _plain(evidence, model, attribute, target)
    if seen.shown.all() or not seen.shown.any():
        every = "every" if len(seen.shown) and seen.shown.all() else "no"
        raise UsageError(
            f"{model}: {every} picture shows '{attribute}', so that there are no two lots to "
            "compare: add pictures that show it and pictures that do not"
        )
    return seen


def _plain(evidence: Evidence, model: str, attribute: str, target: str | None) -> Natural:
    """As `natural`, however many pictures show it."""
    named = evidence.named_decoy(model, attribute, target)
    pictures = evidence.material.pictures("validation", evidence.described(model).size)
    refuse_several(evidence.described(model), pictures)
    on = evidence.material.attribute(attribute, pictures)
    logits, labels = evidence.logits(model, pictures.pixels), pictures.labels
    if answers_each(evidence.described(model)):
        logits = both_of(logits, evidence.outputs(model).index(named.target))
        labels = shown(pictures)[:, pictures.classes.index(named.target)].astype(np.int64)
    names = evidence.columns(model, named.target)
    together = groups(pictures)
    return Natural(named.target, named.target_index, names, logits, labels, on, together)


def filled(evidence: Evidence, model: str, attribute: str, target: str | None) -> Filled:
    """What the model answers where the attribute is taken away from pictures of its class.

    Its place is filled in, and so is as large a place elsewhere, as the control. Only pictures
    count on which the data set says where it is, and which have room for it elsewhere.

    Raises:
        UsageError: the data set does not know the attribute, or the class is none.
        ModelError: as `Evidence.logits`.
    """
    seen = _plain(evidence, model, attribute, target)
    size = evidence.described(model).size
    pictures = taken_away(evidence.material, attribute, seen.target, size)
    if isinstance(pictures, str):
        return _none(seen, pictures)
    removed, control, moved = (
        _asked(evidence, model, seen.target, each)
        for each in (pictures.removed, pictures.control, pictures.moved)
    )
    return Filled(seen.target_index, removed, control, moved, seen.groups[pictures.at])


def taken_away(material: Material, attribute: str, target: str, size: int) -> TakenAway | str:
    """The pictures that `filled` asks about; or why there are none.

    Raises:
        UsageError: the data set does not know the attribute, or the class is none.
    """
    pictures = material.pictures("validation", size)
    where = material.region(attribute, pictures)
    if where is None:
        return "the data set does not say where it is on the pictures"
    members = np.zeros(len(pictures.ids), bool)
    members[material.members(attribute, "validation", size, target)] = True
    members &= material.attribute(attribute, pictures)
    other, shifts = elsewhere(where & torch.from_numpy(members)[:, None, None])
    at = torch.nonzero(other.any(2).any(1)).flatten()  # (m,)
    if not len(at):
        return "no picture of its class has room for it elsewhere"
    pixels, region = pictures.pixels[at], where[at]
    how = material.scenario.attributes[attribute].filling
    without, instead = filled_in(pixels, region, how), filled_in(pixels, other[at], how)
    moved = pasted(without, pixels, region, shifts[at])
    return TakenAway(at.numpy(), without, instead, moved)


def _none(seen: Natural, why: str) -> Filled:
    """Nothing was asked, for this reason."""
    no_logits = np.zeros((0, len(seen.names)), np.float32)
    no_groups = np.zeros(0, np.int64)
    return Filled(seen.target_index, no_logits, no_logits, no_logits, no_groups, why)


def _asked(evidence: Evidence, model: str, target: str, pixels: Tensor) -> np.ndarray:
    """Logits as `Natural` has them."""
    logits = evidence.logits(model, pixels)
    if not answers_each(evidence.described(model)):
        return logits
    return both_of(logits, evidence.outputs(model).index(target))
