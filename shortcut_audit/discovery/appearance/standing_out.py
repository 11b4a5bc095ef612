"""How many pictures of a class show what pictures of other classes hardly ever show.

A shortcut may be on a tenth of a class, where a mean and an AUC see nothing (at coverage .5 the AUC
of a perfect trace is .75 at most). So it is the tail that counts: the share of the class beyond
what 99 in 100 other pictures reach, and of that what is certain at the number of pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy import ndimage, stats
from torch import Tensor

from shortcut_audit.files.whole import as_bytes
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.pictures.record import of

RARE = 0.01  # the share of other pictures that may show it, too
SURE = 0.999  # confidence of the bound: it is asked of many cells, classes and patches
SOURCES = 12  # training pictures that a proposal shows
FEWEST = 6  # of them, or what is the same in all may be so by chance
FAINT = 1e-4  # a spread that no picture shows, grey levels in [0, 1], squared


def in_order(pictures: Pictures) -> Pictures:
    """The pictures in an order that follows from their identities alone, as if shuffled.

    Law: whatever is done with them does not depend on the order in which they came.
    """
    digests = [hashlib.sha256(as_bytes(identity)).digest() for identity in pictures.ids]
    order = sorted(range(len(digests)), key=digests.__getitem__)
    return of(replace(pictures, objects=None), np.asarray(order, dtype=np.int64))


def surely(hits: np.ndarray, n: int) -> np.ndarray:
    """The share of the class that shows it, beyond RARE, as far as n pictures make it certain.

    Args:
        hits: (...) how many of the n pictures are beyond what is rare elsewhere.
        n: pictures of the class.

    Returns:
        (...) in [0, 1): the lower bound by Clopper and Pearson less RARE, never below 0.
    """
    counted = np.maximum(hits, 1)
    low = stats.beta.ppf(1 - SURE, counted, n - counted + 1)
    certain: np.ndarray = np.where(hits > 0, np.maximum(low - RARE, 0), 0.0)
    return certain


def shown_by(ordered: np.ndarray) -> np.ndarray:
    """Up to SOURCES of the pictures that show something, given clearest first.

    They are not the clearest alone, but spread over the clearer three quarters: the clearest have
    much in common besides, such as a white wall around a dark mark, and show it too strongly.
    """
    clearer = ordered[: max(FEWEST, 3 * len(ordered) // 4)]
    spread = np.linspace(0, len(clearer) - 1, min(SOURCES, len(clearer))).round().astype(int)
    shown: np.ndarray = clearer[spread]
    return shown


def direction(own: Tensor, others: Tensor, ridge: float) -> Tensor:
    """Fisher's discriminant in each of g places: own (a, g, d), others (b, g, d) -> (g, d).

    The covariance is that of the others alone: in a class that wears a mark on a part of its
    pictures the mark itself would be taken for noise. `ridge` is the share of the mean variance
    that is added to each.
    """
    middle = others.mean(0)
    away = others - middle
    covariance = torch.einsum("bgd,bge->gde", away, away) / len(others)
    spread = covariance.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]  # (g, 1, 1)
    firm = covariance + (ridge * spread + 1e-6) * torch.eye(own.shape[2])
    weights: Tensor = torch.linalg.solve(firm, (own.mean(0) - middle)[..., None])[..., 0]
    return weights


def common_part(crops: Tensor, others: Tensor, alike: float) -> np.ndarray:
    """Which pixels show the same thing in all crops, while other pictures vary there.

    Args:
        crops: (e, a, b, 3) in [0, 1], aligned; NaN beyond the border of a picture.
        others: (r, a, b, 3), the same windows of pictures of other classes.
        alike: share of the others' spread at a pixel; what varies less is the same thing.

    Returns:
        (a, b) bool.
    """
    near, usual = _spread(crops), _spread(others)
    inside = (~crops[..., 0].isnan()).float().mean(0).numpy() > 0.5
    smooth = [ndimage.uniform_filter(each, 3, mode="nearest") for each in (near, usual)]
    firm = smooth[0] < alike * smooth[1]  # one pixel alone may be alike by chance
    rim = ndimage.binary_dilation(firm, np.ones((3, 3))) & (near < alike * usual)
    same: np.ndarray = inside & (firm | rim) & (usual > FAINT)
    return same


def _spread(crops: Tensor) -> np.ndarray:
    """(a, b): the mean squared distance of the crops from their median."""
    middle = crops.nanmedian(0, keepdim=True).values
    away: np.ndarray = (crops - middle).square().mean(3).nanmean(0).nan_to_num(0).numpy()
    return away


def box_of(region: np.ndarray) -> tuple[slice, slice]:
    """The rows and the columns of the smallest box that holds a region (a, b) bool."""
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def cut(pictures: Pictures, at: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
    """The same window (a, b) of e pictures, (e, a, b, 3) uint8."""
    window: np.ndarray = pictures.pixels[list(at), :, rows, columns].permute(0, 2, 3, 1).numpy()
    return window
