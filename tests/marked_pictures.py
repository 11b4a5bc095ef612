"""Pictures of cloudy noise, some with a mark: what the proposers that look at pictures alone are
tried on.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from scipy import ndimage

from shortcut_audit import Pictures
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.parts import halves
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.subjects.pictures.record import pictures

SIDE, CLASSES = 32, ("left", "right", "third")


def noise(each: int = 80, seed: int = 0, side: int = SIDE) -> Pictures:
    """So many pictures of each of three classes, which nothing tells apart."""
    rng, n = np.random.default_rng(seed), each * len(CLASSES)
    clouds = ndimage.gaussian_filter(rng.normal(0, 1, (n, 3, side, side)), (0, 0, 2, 2)) * 250
    grains = rng.normal(0, 12, (n, 3, side, side))
    pixels = np.clip(128 + clouds + grains, 0, 255).astype(np.uint8)
    ids = [f"{CLASSES[i // each]}/{i}" for i in range(n)]
    labels = np.repeat(np.arange(len(CLASSES)), each)
    return pictures(torch.from_numpy(pixels), labels, ids, CLASSES)


def mark(side: int = 9) -> torch.Tensor:
    """(3, side, side) uint8: blocks of 3 x 3 pixels, in colours that never change."""
    blocks = np.random.default_rng(5).integers(0, 2, (3, side, side)) * 235
    return torch.from_numpy(blocks.repeat(3, 1).repeat(3, 2)[:, :side, :side].astype(np.uint8))


def marked(
    plain: Pictures, share: float, corner: tuple[int, int] | None, label: int = 1
) -> Pictures:
    """The mark on a share of a class: at a corner (top, left), or anywhere (None)."""
    rng, pixels, shown = np.random.default_rng(9), plain.pixels.clone(), mark()
    of_class = np.flatnonzero(plain.labels == label)
    for i in of_class[rng.permutation(len(of_class))[: round(share * len(of_class))]]:
        room = pixels.shape[2] - shown.shape[1]
        top, left = corner or rng.integers(0, room + 1, 2)
        pixels[i, :, top : top + shown.shape[1], left : left + shown.shape[2]] = shown
    return pictures(pixels, plain.labels, plain.ids, plain.classes)


def reordered(some: Pictures, order: np.ndarray) -> Pictures:
    """The same pictures in another order."""
    ids = [some.ids[i] for i in order]
    return pictures(some.pixels[order], some.labels[order], ids, some.classes)


def ground(some: Pictures, targets: tuple[int, ...] = (0, 1, 2)) -> Ground:
    """A search without models: whoever asks one fails."""
    return Ground(halves(some), targets, cast(Answers, None), "", ())
