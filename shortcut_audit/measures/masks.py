"""Measures of masks, one number per image.

They say where masks lie, how alike two masks are, and what a model recognises through another
model's mask. A mask is (n, h, w) in [0, 1] or bool. Its size is the sum of its values, and what two
masks have in common is the sum of the lesser values. A mask that reveals nothing lies on nothing
and is like nothing: every measure of it is 0, never NaN.
"""

from __future__ import annotations

import numpy as np

# the softmax score that a model's own mask must add to the blurred image's score, so that a
# transfer of masks means anything
LEAST_GAIN = 0.05


def share_on_footprint(masks: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Gives the share of each mask that lies on the footprint (thesis, figure 3.9).

    Where the decoy is smaller than the mask, the share is at most the footprint's area divided by
    the mask's.

    Returns:
        (n,) in [0, 1].
    """
    return _ratio(_common(masks, footprint), _size(masks))


def footprint_shown(masks: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Gives the share, (n,) in [0, 1], of the footprint that a mask reveals."""
    return _ratio(_common(masks, footprint), _size(footprint))


def fills_picture(footprint: np.ndarray) -> bool:
    """Says whether the decoy covers every one of (n, h, w) images, so that every mask lies on it.

    False where there are no images.
    """
    return bool(footprint.size and footprint.all())


def highlights(masks: np.ndarray, footprint: np.ndarray, least: float = 0.5) -> np.ndarray:
    """Says of each image whether "the mask highlights the decoy" (thesis, section 3.5).

    It does if at least the share `least` of the mask lies on the decoy, or if at least that share
    of the decoy is shown.

    Returns:
        (n,) bool.
    """
    best = np.maximum(share_on_footprint(masks, footprint), footprint_shown(masks, footprint))
    hits: np.ndarray = best >= least
    return hits


def similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Gives the pixels that both masks reveal, divided by the pixels in a mask (thesis, 4.1).

    Where the two masks differ in size, the mean of both sizes is taken.

    Returns:
        (n,) in [0, 1].
    """
    return _ratio(_common(first, second), (_size(first) + _size(second)) / 2)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Gives the intersection of two masks divided by their union, (n,) in [0, 1]."""
    common = _common(first, second)
    return _ratio(common, _size(first) + _size(second) - common)


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Gives Pearson's correlation over the pixels, (n,) in [-1, 1].

    0 where a mask is the same everywhere.
    """
    a, b = _deviations(first), _deviations(second)
    return _ratio((a * b).sum(1), np.sqrt((a**2).sum(1) * (b**2).sum(1)))


def _deviations(masks: np.ndarray) -> np.ndarray:
    """(n, h * w): each mask less its own mean."""
    pixels = masks.reshape(len(masks), -1).astype(float)
    deviations: np.ndarray = pixels - pixels.mean(1, keepdims=True)
    return deviations


def chance_corrected(
    first: np.ndarray, second: np.ndarray, objects: np.ndarray | None = None
) -> np.ndarray:
    """Gives the similarity beyond that of the same two shapes at a chance place.

    It is (s - c) / (1 - c), where c is the mean similarity over the cyclic shifts of the second
    mask that keep at least as much of it on the object as it has now (all shifts where the object
    is unknown). So two masks on one large object are alike by chance, and two masks on the same
    part of it are not.

    Args:
        objects: (n, h, w) bool, where the object is.

    Returns:
        (n,): 1 is identical, 0 is chance; 0 also where chance leaves no room, for example where the
        mask fills the object.
    """
    a, b = first.astype(float), second.astype(float)
    # (n, h, w): the sum of products at every shift; equals `_common` for binary masks
    common = _over_shifts(a, b)
    if objects is None:
        allowed = np.ones_like(common)
    else:
        inside = _over_shifts(objects.astype(float), b)
        now = inside[:, :1, :1]
        allowed = (inside >= now - 1e-6 * (1 + now)).astype(float)
    size = (_size(a) + _size(b)) / 2
    observed = _ratio(common[:, 0, 0], size)
    chance = _ratio((common * allowed).sum((1, 2)), size * allowed.sum((1, 2)))
    return _ratio(observed - chance, 1 - chance)


def transfer_drop(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Gives the score through the own mask less that through the other model's (thesis, 4.2)."""
    difference: np.ndarray = own - other
    return difference


def transfer_quotient(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Gives the score through the other model's mask divided by that through the own.

    Thesis, figure A.3. 0 where the own score is 0.
    """
    return _ratio(other, own)


def normalised_transfer(own: np.ndarray, other: np.ndarray, blurred: np.ndarray) -> np.ndarray:
    """Gives (own - other) / (own - blurred), so that models with unequal own scores compare.

    Returns:
        In [-1, 1]; 1 means that nothing is recognised through the other model's mask. 0 where the
        own mask adds less than 0.05 to the blurred image's score: it shows nothing that could be
        transferred.
    """
    gain = own - blurred
    usable = gain >= LEAST_GAIN
    return np.where(usable, np.clip((own - other) / np.where(usable, gain, 1), -1, 1), 0.0)


def _size(masks: np.ndarray) -> np.ndarray:
    """(n,): the sum of each mask's values."""
    size: np.ndarray = masks.sum((1, 2), dtype=float)
    return size


def _common(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,): the size of what two masks have in common."""
    return _size(np.minimum(first, second))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, and 0 where there is nothing below."""
    some = np.abs(below) > 1e-9
    return np.where(some, above / np.where(some, below, 1), 0.0)


def _over_shifts(still: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(n, h, w): the sum over pixels of still * moved, for each cyclic shift of `moved`.

    It is rolled down by h and right by w. The sums are exact to rounding.
    """
    spectrum = np.fft.rfft2(still) * np.fft.rfft2(moved).conj()
    products: np.ndarray = np.fft.irfft2(spectrum, s=still.shape[1:])
    return products
