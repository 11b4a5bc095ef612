"""Patches of one picture that other pictures of the class contain as near copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shortcut_audit.discovery.appearance.patches import (
    Basis,
    Patches,
    differences,
    nearest,
    patches,
    reduced,
)
from shortcut_audit.discovery.appearance.standing_out import RARE, SOURCES, surely
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.pictures.record import generator

SEARCHED, OTHERS = 100, 120  # pictures of the class, and of other classes, that are searched
RANKED, COMPARED = 250, 300  # the same on the half that ranks
ASKED = 10  # patches of each picture that are looked for in the others
TAKEN = 30  # of these, the ones that recur most, are ranked
USUAL = 0.05  # the share of the pictures in which a patch is expected at least
COPY = 0.08  # of a patch's contrast: what differs by less is a copy
CLOSER = 3  # times as close as what is rare elsewhere


@dataclass(frozen=True, eq=False)
class Sides:
    """Pictures of a class and of the others, reduced, and their places in the split."""

    own: np.ndarray  # (a,)
    others: np.ndarray  # (b,)
    pictures: Tensor  # (a + b, 3, h, w) in [0, 1], the class's first
    patches: Patches  # of a + b pictures


@dataclass(frozen=True, eq=False)
class Copies:
    """A patch and its copies in e pictures of the class, the closest first."""

    score: float  # the share of the class that certainly has a copy
    count: int  # pictures of the class that have one, e or more
    pictures: np.ndarray  # (e,) as places in `Sides.pictures`
    corners: np.ndarray  # (e, 2) top and left of the patch, pixels of the reduced picture


def sides(pictures: Pictures, target: int, basis: Basis, own: int, others: int) -> Sides:
    """The first pictures of the class and of the others, so many at most."""
    of_class = np.flatnonzero(pictures.labels == target)[:own]
    rest = np.flatnonzero(pictures.labels != target)[:others]
    small = reduced(pictures.pixels[np.concatenate([of_class, rest])])
    return Sides(of_class, rest, small, patches(small, basis))


def copies(
    pictures: Pictures, rank: Pictures, target: int, basis: Basis
) -> tuple[Sides, list[Copies]]:
    """Patches of a class that recur on one half, with their copies on the other."""
    sought = sides(pictures, target, basis, SEARCHED, OTHERS)
    ids = [pictures.ids[i] for i in sought.own]
    numbers, shown = _recurring(sought, ids, basis.size)
    ranked = sides(rank, target, basis, RANKED, COMPARED)
    _, places = nearest(numbers, ranked.patches)
    image, found = torch.arange(len(ranked.pictures)), []
    for query, place in zip(shown, places, strict=True):
        corners = ranked.patches.corners[image, place]
        found.append(_counted(*differences(query, ranked.pictures, corners), len(ranked.own)))
    return ranked, sorted(found, key=lambda each: -each.score)


def distinct(found: list[Copies], size: int) -> Iterator[Copies]:
    """Those that are no other patch of what a better one shows, `size` pixels wide."""
    given: list[Copies] = []
    for each in found:
        if not any(_same(each, other, size) for other in given):
            given.append(each)
            yield each


def _recurring(sought: Sides, ids: list[str], size: int) -> tuple[Tensor, Tensor]:
    """Patches whose nearest in the class are nearest by most: numbers (t, d), (t, 3, s, s)."""
    many = sought.patches.numbers.shape[1]
    drawn = [generator(0, each).permutation(many)[:ASKED] for each in ids]
    image = torch.arange(len(ids)).repeat_interleave(min(ASKED, many))
    patch = torch.from_numpy(np.concatenate(drawn))
    queries = sought.patches.numbers[image, patch]
    away, _ = nearest(queries, sought.patches)  # (q, a + b)
    away[torch.arange(len(queries)), image] = torch.inf  # itself
    a = len(ids)
    gain = _closest(away[:, a:]) / _closest(away[:, :a]).clamp(min=1e-6)
    best = gain.argsort(descending=True, stable=True)[:TAKEN]
    shown = []
    for i, (top, left) in zip(
        image[best].tolist(), sought.patches.corners[image, patch][best].tolist(), strict=True
    ):
        shown.append(sought.pictures[i, :, top : top + size, left : left + size])
    return queries[best], torch.stack(shown)


def _closest(away: Tensor) -> Tensor:
    """Mean distance (q,) to the closest of n pictures: those of a share that is expected."""
    few = min(away.shape[1], max(3, round(USUAL * away.shape[1])))
    return away.topk(few, largest=False).values.mean(1)


def _counted(away: Tensor, corners: Tensor, a: int) -> Copies:
    """The copies among the first a pictures, by differences (n,) at corners (n, 2)."""
    rare = float(torch.quantile(away[a:], RARE))
    close = away[:a].numpy()
    hits = close < min(COPY, rare / CLOSER)
    count = int(hits.sum())
    closest = np.argsort(close, kind="stable")[: min(count, SOURCES)]
    score = float(surely(np.array(count), a))
    return Copies(score, count, closest, corners[torch.from_numpy(closest)].numpy())


def _same(one: Copies, other: Copies, size: int) -> bool:
    """Whether two patches lie near each other in a picture that shows both, or show none."""
    shared, i, j = np.intersect1d(one.pictures, other.pictures, return_indices=True)
    if len(shared) == 0:
        return False
    return bool(np.median(np.abs(one.corners[i] - other.corners[j]).max(1)) <= 3 * size)
