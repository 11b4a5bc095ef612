"""Other ways of reading the same pictures, and whether the model is right more often under one.

If it is, the manifest does not read the pictures as training did. A model that sees another size or
normalisation than it was trained on overlooks a decoy as it overlooks everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from shortcut_audit.inputs_and_outputs import InputSize
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
MOST, FEW, PART = 300, 100, 50  # pictures; pictures of the larger size; pictures at a time

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]  # mean, std
Answer = Callable[[Tensor], Tensor]  # (n, 3, h, w) as the network takes them -> (n, k) logits
Read = Callable[[Tensor], Tensor]  # pictures in [0, 1] -> the same, read otherwise


def right_otherwise(
    answer: Answer, candidate: Candidate, pixels: Tensor, labels: np.ndarray
) -> dict[str, np.ndarray]:
    """Says which pictures the model is right about under each other reading.

    The network normalises by the candidate's mean and std, so another normalisation is applied so
    that the network's own one turns it into the wanted values. A size that the network cannot take
    is left out.

    Args:
        pixels: (n, 3, h, w) uint8.
        labels: (n,).

    Returns:
        The reading in words -> (n,) 1, 0, or NaN where it was not asked.
    """
    found = {}
    for words, most, read in _readings(candidate):
        try:
            classes = _classes(answer, read, pixels[:most])
        except Exception:  # an architecture of one size may raise anything
            continue
        asked = np.full(len(labels), np.nan)
        asked[:most] = classes == labels[:most]
        found[words] = asked
    return found


def _classes(answer: Answer, read: Read, pixels: Tensor) -> np.ndarray:
    """(n,): the class that the network gives each picture, read in this way."""
    parts = []
    for part in torch.split(pixels, PART):
        logits = answer(read(part.float() / 255))
        parts.append(logits.argmax(1).cpu().numpy())
    return np.concatenate(parts)


def chosen(n: int) -> np.ndarray:
    """Gives the indices of at most MOST of n pictures, spread over all of them."""
    if not n:
        return np.zeros(0, dtype=int)
    return np.unique(np.linspace(0, n - 1, min(n, MOST)).astype(int))


def _readings(candidate: Candidate) -> Iterator[tuple[str, int, Read]]:
    """In words; how many pictures it is tried on; and what it does to pictures in [0, 1]."""
    own = (candidate.mean[:3], candidate.std[:3])  # of a grey model one value for all colours
    for words, other in NORMALISATIONS.items():
        if not np.allclose(own, other, atol=0.02):
            yield words, MOST, partial(_normalised, other=other, own=own)
    yield "blue and red exchanged", MOST, _exchanged
    size = InputSize.of(candidate.size)
    for times in (*SMALLER, LARGER):
        sides = round(size.height * times), round(size.width * times)
        if min(sides) >= 16:
            most = FEW if times == LARGER else MOST
            yield f"an input size of {max(sides)}", most, partial(_resized, sides=sides)


def _normalised(images: Tensor, other: Normalisation, own: Normalisation) -> Tensor:
    """Images which the network's own normalisation turns into what the other one makes of them."""
    mean, std = _by_channel(other[0]), _by_channel(other[1])
    own_mean, own_std = _by_channel(own[0]), _by_channel(own[1])
    return (images - mean) / std * own_std + own_mean


def _by_channel(values: tuple[float, ...]) -> Tensor:
    """(1, 3, 1, 1), or (1, 1, 1, 1) where one value is all."""
    return torch.tensor(values).view(1, -1, 1, 1)


def _exchanged(images: Tensor) -> Tensor:
    return images.flip(1)


def _resized(images: Tensor, sides: tuple[int, int]) -> Tensor:
    return F.interpolate(images, sides, mode="bilinear", antialias=True, align_corners=False)
