"""The smallest decoy that was found -> how it looks on a picture that it turned."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from shortcut_audit.discovery.smallest import SmallestDecoy, example
from shortcut_audit.exhibits import Faintest
from shortcut_audit.files.whole import printable
from shortcut_audit.showing.album import Album
from shortcut_audit.showing.drawing import picture


def shown_on(found: SmallestDecoy) -> int:
    """Which validation picture shows it: the first that it turned, else the first."""
    return int(found.pictures[int(np.argmax(found.turned))])


def faintest(found: SmallestDecoy, pixels: Tensor, identity: str, album: Album) -> Faintest:
    """The form on one picture (3, h, w) uint8, and its figures."""
    decoyed, words = example(found, pixels, identity)
    drawn = picture(torch.from_numpy(decoyed).permute(2, 0, 1))
    return Faintest(printable(identity), album.add(drawn), printable(words))
