"""What a change of the whole picture leaves behind: one row of numbers for each picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

GREY = torch.tensor([0.299, 0.587, 0.114])[:, None, None]  # ITU-R BT.601
HUES = 12  # bins around the circle
BLOCK = 8  # pixels of a JPEG's block
BANDS = 12  # frequencies in which a texture is sought, along each axis


@dataclass(frozen=True)
class Trace:
    """A kind of change, what it leaves, and the decoy of the registry that does the same."""

    decoy: str
    of: Callable[[Tensor], Tensor]  # pictures (n, 3, h, w) in [0, 1] -> (n, d)
    # the share of a class that honest classes (drawings, flowers) reach: what is natural
    natural: float
    seen: str  # what stands out, in words
    options: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # what is tried

    def tries(self) -> Iterator[dict[str, Any]]:
        """Each combination of the decoy's options that is compared with what was seen."""
        for values in product(*self.options.values()):
            yield {"kind": self.decoy, **dict(zip(self.options, values, strict=True))}


def sharpness(pictures: Tensor) -> Tensor:
    """How fast detail falls off from one octave and one derivative to the next, (n, 3)."""
    grey = _grey(pictures)
    first = grey[:, :, 1:] - grey[:, :, :-1]
    second = first[:, :, 1:] - first[:, :, :-1]
    third = second[:, :, 1:] - second[:, :, :-1]
    half = F.avg_pool2d(grey[:, None], 2)[:, 0]
    coarse = half[:, :, 1:] - half[:, :, :-1]
    energies = [_log_mean(each.square(), 1e-6) for each in (coarse, first, second, third)]
    return torch.stack(energies, 1).diff(dim=1)


def blocks(pictures: Tensor) -> Tensor:
    """Steps between a JPEG's blocks against steps inside them, (n, 2): at edges, at middles."""
    grey = _grey(pictures)
    across = (grey[:, :, 1:] - grey[:, :, :-1]).abs().mean(1)
    down = (grey[:, 1:] - grey[:, :-1]).abs().mean(2)
    found = []
    for place in (BLOCK - 1, BLOCK // 2 - 1):
        at = torch.arange(across.shape[1]) % BLOCK == place
        inside = torch.stack([_log_mean(each[:, ~at], 1e-3) for each in (across, down)])
        edges = torch.stack([_log_mean(each[:, at], 1e-3) for each in (across, down)])
        found.append((edges - inside).sum(0))
    return torch.stack(found, 1)


def hues(pictures: Tensor) -> Tensor:
    """How much colour there is of each hue, (n, HUES)."""
    red, green, blue = pictures.unbind(1)
    warm, cool = red - (green + blue) / 2, (green - blue) * 3**0.5 / 2
    bins = ((torch.atan2(cool, warm) / (2 * torch.pi) + 0.5) * HUES).long().clamp(0, HUES - 1)
    colour = torch.hypot(warm, cool).flatten(1)
    return (
        torch.zeros(len(pictures), HUES).scatter_add_(1, bins.flatten(1), colour) / red[0].numel()
    )


def stripes(pictures: Tensor) -> Tensor:
    """Regular rows and columns: peaks over their neighbours in the profiles' spectrum, (n, f).

    They count as far as all quarters of the picture have them: a sign is in one.
    """
    grey, found = _grey(pictures), []
    for half in grey.tensor_split(2, 1):
        found += [_peaks(quarter) for quarter in half.tensor_split(2, 2)]
    return torch.stack(found).sort(0).values[1]


def _peaks(grey: Tensor) -> Tensor:
    """(n, f) of a part of the pictures, (n, a, b)."""
    grey = grey - grey.mean((1, 2), keepdim=True)
    profiles = [torch.log(torch.fft.rfft(grey.mean(axis)).abs() + 0.02) for axis in (1, 2)]
    spectrum = (profiles[0] + profiles[1])[:, 2:] / 2
    around = F.pad(spectrum[:, None], (2, 2), mode="replicate")[:, 0].unfold(1, 5, 1)
    return spectrum - around.median(2).values


def shade(pictures: Tensor) -> Tensor:
    """How much darker each ring around the middle is than the middle, (n, 3)."""
    grey = _grey(pictures)
    down, across = (torch.linspace(-1, 1, side) for side in grey.shape[1:])
    away = (down[:, None].square() + across.square()) / 2  # (h, w) in [0, 1]
    rings = []
    for inner, outer in ((0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 2)):
        rings.append(torch.log(grey[:, (away >= inner) & (away < outer)].mean(1) + 0.02))
    return torch.stack(rings, 1)[:, 1:] - rings[0][:, None]


def rim(pictures: Tensor) -> Tensor:
    """Mean and spread of the colours of four frames, one inside the other, (n, 24)."""
    found = []
    for depth in range(4):
        edge = rim_pixels(pictures, depth)
        found += [edge.mean(2), edge.std(2)]
    return torch.cat(found, 1)


def rim_pixels(pictures: Tensor, depth: int = 0) -> Tensor:
    """A frame of pictures (n, 3, h, w), a thirty-second of the side thick, (n, 3, p).

    depth: how many such frames are around it.
    """
    height, width = pictures.shape[2:]
    thick = max(1, min(height, width) // 32)
    outer, inner = depth * thick, (depth + 1) * thick
    edge = torch.zeros(height, width, dtype=torch.bool)
    edge[outer : height - outer, outer : width - outer] = True
    edge[inner : height - inner, inner : width - inner] = False
    return pictures[:, :, edge]


def texture(pictures: Tensor) -> Tensor:
    """A colour that comes and goes: peaks over their neighbours in the spectrum of red less blue.

    (n, d), whatever the place at which the texture begins.
    """
    colour = pictures[:, 0] - pictures[:, 2]
    height, width = colour.shape[1:]
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)
    waves = torch.fft.fft2((colour - colour.mean((1, 2), keepdim=True)) * window)
    log = torch.log(torch.fft.fftshift(waves.abs(), dim=(1, 2)) + 0.05)
    around = F.unfold(F.pad(log[:, None], (1, 1, 1, 1), mode="replicate"), 3)
    peaks = log - around.median(1).values.reshape(log.shape)
    middle, reach = (height // 2, width // 2), min(BANDS, (min(height, width) - 1) // 2)
    rows = peaks[:, middle[0] - reach : middle[0] + reach + 1, middle[1] : middle[1] + reach + 1]
    return ((rows + rows.flip(1)) / 2)[:, reach:].flatten(1)


def _grey(pictures: Tensor) -> Tensor:
    """Luminance (n, h, w)."""
    return (pictures * GREY).sum(1)


def _log_mean(values: Tensor, floor: float) -> Tensor:
    """(n,)"""
    return torch.log(values.flatten(1).mean(1) + floor)


TRACES = (
    Trace("blur", sharpness, 0.13, "out of focus", {"radius": (0.009, 0.018, 0.03, 0.05)}),
    Trace("jpeg_grid", blocks, 0.03, "cut into blocks", {"quality": (3, 6, 12, 25, 50)}),
    Trace("hue_shift", hues, 0.09, "in other hues", {"degrees": (-90, -60, -30, 30, 60, 90)}),
    Trace(
        "high_frequency_grid",
        stripes,
        0.04,
        "striped in rows and columns",
        {"period": (2, 3, 4, 6, 8), "opacity": (0.08, 0.16, 0.32)},
    ),
    Trace("vignette", shade, 0.02, "darker towards the corners", {"opacity": (0.3, 0.6, 0.9)}),
    Trace("coloured_border", rim, 0.07, "framed", {"width": (0.03, 0.06, 0.08, 0.12)}),
    Trace(
        "background_texture",
        texture,
        0.26,
        "papered with a texture",
        {"spacing": (0.08, 0.12, 0.16, 0.24), "opacity": (0.1, 0.18, 0.3)},
    ),
)
