"""A decoy made stronger, larger or more opaque, as far as it can be."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.records import Decoyed
from shortcut_audit.settings import Strength

TRIED_AT = 128  # the side in pixels at which a decoy's share of the picture is measured
LEAST = 1.05  # times larger; less is not worth a try


def stronger(decoy: Any, strength: Strength) -> Any:
    """The decoy at another strength; itself where it has no size and opacity to change."""
    if not (hasattr(decoy, "size") and hasattr(decoy, "opacity")):
        return decoy
    times = min(strength.size, 1 / decoy.size)
    if strength.covers is not None and times > 1:
        times = max(1.0, min(times, sqrt(strength.covers / _share(decoy))))
    size = decoy.size * times if times < 1 or times >= LEAST else decoy.size
    return replace(decoy, size=size, opacity=strength.opacity or decoy.opacity)


def _share(decoy: Any) -> float:
    """How much of a picture the decoy covers, in [0, 1]."""
    return float(on_grey(decoy, TRIED_AT).footprint.float().mean())


def on_grey(decoy: Any, size: int) -> Decoyed:
    """The decoy on one grey picture of this size."""
    import torch

    side = InputSize.of(size)
    grey = torch.full((1, 3, side.height, side.width), 128, dtype=torch.uint8)
    placed: Decoyed = decoy.apply(grey, ["trial"])
    return placed
