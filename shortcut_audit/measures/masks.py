"""What masks say, one number per image: where they lie, how alike two are, and what a model
recognises through another's.

A mask is (n, h, w) in [0, 1] or bool; its size is the sum of its values, and what two have in
common the sum of the lesser values. A mask that reveals nothing is on nothing and like nothing: 0,
never NaN.
"""

from __future__ import annotations

import numpy as np

# softmax score that the own mask must add to a blurred image for a transfer to mean anything
LEAST_GAIN = 0.05


def share_on_footprint(masks: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """(n,) in [0, 1]: the share of what a mask reveals that lies on the footprint (thesis, figure
    3.9).

    The most that it can be is the footprint's area over the mask's, where the decoy is smaller than
    the mask.
    """
    return _ratio(_common(masks, footprint), _size(masks))


def footprint_shown(masks: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """(n,) in [0, 1]: the share of the footprint that a mask reveals."""
    return _ratio(_common(masks, footprint), _size(footprint))


def fills_picture(footprint: np.ndarray) -> bool:
    """Whether the decoy is everywhere on every one of (n, h, w) images, so that every mask lies on
    it; False for no images.
    """
    return bool(footprint.size and footprint.all())


def highlights(masks: np.ndarray, footprint: np.ndarray, least: float = 0.5) -> np.ndarray:
    """(n,) bool, "the mask highlights the decoy" (thesis, 3.5): `least` of the mask lies on it, or
    `least` of it is shown.
    """
    hits: np.ndarray = (
        np.maximum(share_on_footprint(masks, footprint), footprint_shown(masks, footprint)) >= least
    )
    return hits


def similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,) in [0, 1]: pixels revealed by both / pixels in a mask (thesis, section 4.1); of unequal
    masks, in the mean of both.
    """
    return _ratio(_common(first, second), (_size(first) + _size(second)) / 2)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,) in [0, 1]: intersection over union."""
    common = _common(first, second)
    return _ratio(common, _size(first) + _size(second) - common)


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,) in [-1, 1]: Pearson's, over the pixels; 0 where a mask is the same everywhere."""
    a, b = (mask.reshape(len(mask), -1).astype(float) for mask in (first, second))
    a, b = (mask - mask.mean(1, keepdims=True) for mask in (a, b))
    return _ratio((a * b).sum(1), np.sqrt((a**2).sum(1) * (b**2).sum(1)))


def chance_corrected(
    first: np.ndarray, second: np.ndarray, objects: np.ndarray | None = None
) -> np.ndarray:
    """(n,): similarity beyond that of the same two shapes at a chance place; 1 is identical, 0 is
    chance.

    (s - c) / (1 - c), c the mean similarity over the cyclic shifts of the second mask that keep at
    least as much of it on the object as it has now (all shifts where the object is unknown). So two
    masks on one large object are alike by chance, and two on the same part of it are not. 0 where
    chance leaves no room, for example where the mask fills the object.

    Args:
        objects: (n, h, w) bool, where the object is.
    """
    a, b = (mask.astype(float) for mask in (first, second))
    # (n, h, w): the sum of products at every shift; equals `_common` for binary masks
    common = _over_shifts(a, b)
    if objects is None:
        allowed = np.ones_like(common)
    else:
        inside = _over_shifts(objects.astype(float), b)
        allowed = (inside >= inside[:, :1, :1] - 1e-6 * (1 + inside[:, :1, :1])).astype(float)
    size = (_size(a) + _size(b)) / 2
    observed = _ratio(common[:, 0, 0], size)
    chance = _ratio((common * allowed).sum((1, 2)), size * allowed.sum((1, 2)))
    return _ratio(observed - chance, 1 - chance)


def transfer_drop(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The score through the own mask less that through the other model's (thesis, section 4.2)."""
    difference: np.ndarray = own - other
    return difference


def transfer_quotient(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The score through the other model's mask over that through the own (thesis, figure A.3); 0
    where the own score is 0.
    """
    return _ratio(other, own)


def normalised_transfer(own: np.ndarray, other: np.ndarray, blurred: np.ndarray) -> np.ndarray:
    """In [-1, 1]: (own - other) / (own - blurred), so that models with unequal own scores compare;
    1 means nothing is recognised.

    0 where the own mask adds less than 0.05 to the blurred image's score: it shows nothing that
    could transfer.
    """
    gain = own - blurred
    usable = gain >= LEAST_GAIN
    return np.where(usable, np.clip((own - other) / np.where(usable, gain, 1), -1, 1), 0.0)


def _size(masks: np.ndarray) -> np.ndarray:
    size: np.ndarray = masks.sum((1, 2), dtype=float)
    return size


def _common(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return _size(np.minimum(first, second))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, and 0 where there is nothing below."""
    some = np.abs(below) > 1e-9
    return np.where(some, above / np.where(some, below, 1), 0.0)


def _over_shifts(still: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(n, h, w): sum over the pixels of still * moved, `moved` rolled down and right by each (h,
    w); exact to rounding.
    """
    spectrum = np.fft.rfft2(still) * np.fft.rfft2(moved).conj()
    products: np.ndarray = np.fft.irfft2(spectrum, s=still.shape[1:])
    return products
