"""Proposals -> families; nothing is asked of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from shortcut_audit.discovery.appearance.matching import matches
from shortcut_audit.discovery.families.cleaning import cleaned
from shortcut_audit.discovery.families.family import Family
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.records import Pictures

SAME = 0.7  # correlation from which two marks are the same thing
OUTSIDE = 0.25  # of the smaller one's sides, that may lie outside of the larger one
OVERLAP = 0.5  # of the smaller of two marks that always have one place


def merged(proposals: Sequence[Proposal], pictures: Pictures, most: int) -> list[Family]:
    """One family for each thing: what two proposals show alike is that of the one that recurs more.

    Args:
        proposals: the likeliest first.
        pictures: the searched half.
        most: of each class, those first that recur most.
    """
    found: list[Family] = []
    for each in sorted(_alone(proposals, pictures), key=lambda family: -family.recurs):
        known = next((i for i, other in enumerate(found) if same(each, other)), None)
        if known is None:
            found.append(each)
        else:
            together = dict.fromkeys((*found[known].proposers, *each.proposers))
            found[known] = replace(found[known], proposers=tuple(together))
    kept = []
    for name in pictures.classes:
        kept += [each for each in found if each.target == name][:most]
    return kept


def same(one: Family, other: Family) -> bool:
    """Whether both stand for one class and are the same thing.

    Local ones are where they lie upon each other, or, at any place, where they look alike.
    """
    if one.target != other.target:
        return False
    if one.rgba is None or other.rgba is None:
        return one.rgba is other.rgba and one.filter == other.filter
    if one.corner and other.corner:
        return _overlap(one, other) >= OVERLAP
    return _likeness(one.rgba, other.rgba) >= SAME


def _alone(proposals: Sequence[Proposal], pictures: Pictures) -> Iterator[Family]:
    """Each proposal as a family of its own."""
    for each in proposals:
        family = Family(
            each.target,
            (each.proposer,),
            each.words,
            pictures.pixels.shape[2],
            filter=each.filter,
            sources=each.sources,
            model=each.model,
        )
        if each.filter is None:
            rgba, (down, across), copies = cleaned(each, pictures)
            corner = each.corner and (each.corner[0] + down, each.corner[1] + across)
            shown = each.sources if copies else each.sources[:1]
            family = replace(family, rgba=rgba, corner=corner, sources=shown)
        yield family


def _overlap(one: Family, other: Family) -> float:
    """The share of the smaller mark that the other covers, each at its place.

    Places are shares of the picture: the two may have been seen at different sizes.
    """
    shown = [_at_its_place(each, max(one.side, other.side)) for each in (one, other)]
    return float((shown[0] & shown[1]).sum() / max(1, min(each.sum() for each in shown)))


def _at_its_place(family: Family, side: int) -> np.ndarray:
    """(side, side) bool: where the mark is on a picture of this side."""
    whole = np.zeros((family.side, family.side), np.uint8)
    if family.corner is not None and family.rgba is not None:
        (top, left), (height, width) = family.corner, family.rgba.shape[:2]
        whole[top : top + height, left : left + width] = family.rgba[..., 3]
    grown = Image.fromarray(whole).resize((side, side), Image.Resampling.NEAREST)
    return np.array(grown) > 0


def _likeness(one: np.ndarray, other: np.ndarray) -> float:
    """How well the smaller mark (c, d, 4) is found in the larger one, in [-1, 1].

    A part of it may lie outside: two masks seldom reveal the same part of a mark.
    """
    small, large = sorted((one, other), key=lambda rgba: rgba[..., 3].size)
    down, right = (round(OUTSIDE * length) for length in small.shape[:2])
    shape = np.add(np.maximum(small.shape[:2], large.shape[:2]), (2 * down, 2 * right))
    on_grey = np.full((*shape, 3), 128, np.uint8)
    shown = np.where(large[..., 3:] > 0, large[..., :3], 128)
    on_grey[down : down + large.shape[0], right : right + large.shape[1]] = shown
    pixels = torch.from_numpy(on_grey).permute(2, 0, 1)[None]
    score, _ = matches(small[..., :3], small[..., 3] > 0, pixels)
    return float(score[0])
