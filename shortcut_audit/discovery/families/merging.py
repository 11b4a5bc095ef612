"""Proposals -> families, as decoys; nothing is asked of a model yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from shortcut_audit import registry
from shortcut_audit.contracts import Decoy
from shortcut_audit.discovery.appearance.matching import matches
from shortcut_audit.discovery.families.cleaning import cleaned
from shortcut_audit.discovery.families.mark import mark_of
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.records import Pictures

OVERLAP = 0.5  # of the smaller of two marks that always have one place
SAME = 0.7  # correlation from which two marks are the same thing


@dataclass(frozen=True, eq=False)
class Candidate:
    """A proposal as a decoy, and who else proposed the same."""

    proposal: Proposal
    decoy: Decoy
    rgba: np.ndarray | None  # (c, d, 4) uint8 of a local one
    corner: tuple[int, int] | None
    proposers: tuple[str, ...]

    @property
    def recurs(self) -> int:
        """Training pictures that show it."""
        return len(self.proposal.sources)


def candidates(proposals: Sequence[Proposal], pictures: Pictures, most: int) -> list[Candidate]:
    """One for each thing: what two proposals show alike is said once, by the one that recurs more.

    Of each class there are `most` at most, those first that recur most.

    Args:
        proposals: the likeliest first.
        pictures: the searched half.
    """
    found: list[Candidate] = []
    for each in sorted(_decoys(proposals, pictures), key=lambda one: -one.recurs):
        known = next((i for i, other in enumerate(found) if _same(each, other)), None)
        if known is None:
            found.append(each)
        else:
            found[known] = _joined(found[known], each)
    kept = []
    for name in pictures.classes:
        kept += [each for each in found if each.proposal.target == name][:most]
    return kept


def _decoys(proposals: Sequence[Proposal], pictures: Pictures) -> Iterator[Candidate]:
    for each in proposals:
        if each.filter is not None:
            options = {**each.filter, "target": each.target}
            decoy = registry.build("decoy", options.pop("kind"), options)
            yield Candidate(each, decoy, None, None, (each.proposer,))
            continue
        rgba, (down, across) = cleaned(each, pictures)
        corner = each.corner and (each.corner[0] + down, each.corner[1] + across)
        decoy = mark_of(rgba, corner, each.side, each.target)
        yield Candidate(each, decoy, rgba, corner, (each.proposer,))


def _joined(one: Candidate, other: Candidate) -> Candidate:
    together = tuple(dict.fromkeys((*one.proposers, *other.proposers)))
    return Candidate(one.proposal, one.decoy, one.rgba, one.corner, together)


def _same(one: Candidate, other: Candidate) -> bool:
    """Whether both are of one class and show the same, at the same place where it is fixed."""
    if one.proposal.target != other.proposal.target:
        return False
    if one.rgba is None or other.rgba is None:
        return repr(one.decoy) == repr(other.decoy)
    if one.corner and other.corner:
        return _overlap(one, other) >= OVERLAP
    small, large = sorted((one.rgba, other.rgba), key=lambda rgba: rgba[..., 3].size)
    shape = np.maximum(small.shape[:2], large.shape[:2])
    on_grey = np.full((*shape, 3), 128, np.uint8)
    shown = large[..., 3:] > 0
    on_grey[: large.shape[0], : large.shape[1]] = np.where(shown, large[..., :3], 128)
    pixels = torch.from_numpy(on_grey).permute(2, 0, 1)[None]
    score, _ = matches(small[..., :3], small[..., 3] > 0, pixels)
    return float(score[0]) >= SAME


def _overlap(one: Candidate, other: Candidate) -> float:
    """The share of the smaller mark's box that the other's covers, both at their fixed places."""
    boxes = []
    for each in (one, other):
        assert each.corner is not None, "only what has a place overlaps"
        assert each.rgba is not None, "only what is local has a place"
        start = np.array(each.corner)
        boxes.append((start, start + each.rgba.shape[:2]))
    low, high = np.maximum(boxes[0][0], boxes[1][0]), np.minimum(boxes[0][1], boxes[1][1])
    areas = [float(np.prod(end - start)) for start, end in boxes]
    return float(np.prod(np.maximum(high - low, 0))) / min(areas)
