"""Masks -> where a model looks on pictures of the decoy's class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from shortcut_audit.exhibits import Distribution, Looked
from shortcut_audit.files.whole import printable
from shortcut_audit.measures.masks import share_on_footprint
from shortcut_audit.observations import Masks
from shortcut_audit.showing.album import Album
from shortcut_audit.showing.distributions import distribution
from shortcut_audit.showing.drawing import picture, revealed

LOOKED = 4  # pictures at most


def shares(masks: Masks, decoy: str) -> Distribution | None:
    """How much of the masks lies where the decoy is: with it, its control, and neither there."""
    order = {"decoyed": masks.decoyed, "control": masks.control, "plain": masks.plain}
    on = {name: share_on_footprint(each, masks.footprint) for name, each in order.items()}
    return distribution(f"share of the mask that lies on {decoy}", on)


def most_on_decoy(masks: Masks, ids: Sequence[str]) -> list[int]:
    """Which of the n pictures are shown: those whose masks lie on the decoy most."""
    on = share_on_footprint(masks.decoyed, masks.footprint)
    return sorted(range(len(on)), key=lambda i: (-on[i], ids[i]))[:LOOKED]


def looked(
    identity: str, pixels: Tensor, mask: np.ndarray, decoy: np.ndarray, album: Album
) -> Looked:
    """One picture (3, h, w) with the decoy on it, and what the model needs to see of it.

    mask, decoy: (h, w) bool, what is revealed and where the decoy is.
    """
    on = share_on_footprint(mask[None], decoy[None])[0]
    return Looked(
        printable(identity),
        album.add(picture(pixels)),
        album.add(revealed(pixels, mask, decoy)),
        round(float(on), 4),
    )
