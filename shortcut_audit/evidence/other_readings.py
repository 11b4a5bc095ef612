"""Would the model be right more often if its pictures were read otherwise? Then the manifest does
not read them as training did.

A model that sees another size or normalisation than it was trained on looks past a decoy as well as
past everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from shortcut_audit.records import Candidate

NORMALISATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "mean [0.485, 0.456, 0.406] and std [0.229, 0.224, 0.225]": (
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
    ),
    "mean and std of 0.5": ((0.5,) * 3, (0.5,) * 3),
    "mean 0 and std 1": ((0.0,) * 3, (1.0,) * 3),
    "pixel values in 0..255": ((0.0,) * 3, (1 / 255,) * 3),
}
SMALLER, LARGER = (1 / 4, 1 / 3, 1 / 2), 2  # times the size
MOST, FEW, PART = 300, 100, 50  # pictures; of the larger ones; at a time

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]  # mean, std
Answer = Callable[[Tensor], Tensor]  # (n, 3, h, w) as the network takes them -> (n, k) logits


def right_otherwise(
    answer: Answer, candidate: Candidate, pixels: Tensor, labels: np.ndarray
) -> dict[str, np.ndarray]:
    """Which of (n, 3, h, w) uint8 pictures are right in each other reading, in words -> (n,) 1, 0,
    or NaN where not asked.

    The network normalises by the candidate's mean and std, so that another normalisation is undone
    before. A size that it cannot take is left out.
    """
    found = {}
    for words, most, read in _readings(candidate):
        asked = np.full(len(labels), np.nan)
        try:
            parts = [
                answer(read(part.float() / 255)).argmax(1).cpu().numpy()
                for part in torch.split(pixels[:most], PART)
            ]
        except Exception:  # an architecture of one size raises what it likes
            continue
        asked[:most] = np.concatenate(parts) == labels[:most]
        found[words] = asked
    return found


def chosen(n: int) -> np.ndarray:
    """Indices of at most MOST of n pictures, spread over all of them."""
    return (
        np.unique(np.linspace(0, n - 1, min(n, MOST)).astype(int)) if n else np.zeros(0, dtype=int)
    )


def _readings(candidate: Candidate) -> Iterator[tuple[str, int, Callable[[Tensor], Tensor]]]:
    own = (candidate.mean, candidate.std)
    for words, other in NORMALISATIONS.items():
        if not np.allclose(own, other, atol=0.02):
            yield words, MOST, partial(_normalised, other=other, own=own)
    yield "blue and red exchanged", MOST, _exchanged
    for times, most in (*((each, MOST) for each in SMALLER), (LARGER, FEW)):
        side = round(candidate.size * times)
        if side >= 16:
            yield f"an input size of {side}", most, partial(_resized, side=side)


def _normalised(images: Tensor, other: Normalisation, own: Normalisation) -> Tensor:
    """Images which the network's own normalisation turns into what the other one makes of them."""
    mean, std, own_mean, own_std = (torch.tensor(each).view(1, 3, 1, 1) for each in (*other, *own))
    return (images - mean) / std * own_std + own_mean


def _exchanged(images: Tensor) -> Tensor:
    return images.flip(1)


def _resized(images: Tensor, side: int) -> Tensor:
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True, align_corners=False)
