"""A decoy on n pictures, put on block by block when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from shortcut_audit.contracts import Decoy
from shortcut_audit.records import Decoyed, Worn
from shortcut_audit.rows import Lazy, Rows, block_of, lately, span


def worn(decoy: Decoy, pixels: Rows, ids: Sequence[str], name: str) -> Worn:
    """The decoy and its control on pixels (n, 3, h, w) uint8 with n ids, as lazy rows.

    Law: each block is what `decoy.apply` gives for all of them together, as its place and variant
    follow from the identity alone.

    Args:
        name: of the decoy, for sentences.

    Raises:
        UsageError: when a block is asked for: as `apply`, or it is not the same each time.
    """
    shape, step = tuple(pixels.shape), span(pixels, 0).stop
    same = f"what decoy '{name}' puts on a picture"

    @lately
    def applied(i: int) -> Decoyed:
        # a copy: others have the same block, and a decoy may write into what it is given
        return decoy.apply(block_of(pixels, i).clone(), ids[span(pixels, i)])

    return Worn(
        Lazy(shape, lambda i: applied(i).decoyed, step=step, same=same),
        Lazy(shape, lambda i: applied(i).control, step=step, same=same),
        Lazy((shape[0], *shape[2:]), lambda i: applied(i).footprint, step=step),
    )
