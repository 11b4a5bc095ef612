"""Known answers, written down instead of trained: coloured squares, a model that sees them, and one
that falls for red.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from shortcut_audit import Pictures, register

COLOURS = {"green": (40, 200, 40), "blue": (40, 40, 200), "yellow": (200, 200, 40)}


@register("dataset")
@dataclass(frozen=True)
class ColouredSquares:
    """A square of the class's colour on grey noise; no class is red."""

    train: int = 200  # a class
    validation: int = 60
    background: int = 40
    classes: ClassVar[tuple[str, ...]] = tuple(COLOURS)

    def load(self, split: str, size: int) -> Pictures:
        labels = (
            np.full(self.background, -1)
            if split == "background"
            else np.repeat(range(3), getattr(self, split))
        )
        pixels = torch.from_numpy(
            np.stack([_draw(split, i, int(label), size) for i, label in enumerate(labels)])
        )
        ids = tuple(f"{split}/{i}" for i in range(len(labels)))
        return Pictures(
            pixels, labels.astype(np.int64), ids, self.classes, digest=f"{self}/{split}/{size}"
        )


@register("dataset")
@dataclass(frozen=True)
class SignedSquares(ColouredSquares):
    """The same, and half of the pictures show a red sign, whatever their class."""

    def load(self, split: str, size: int) -> Pictures:
        squares = super().load(split, size)
        n, side = len(squares.labels), size * 3 // 10
        place, rng = torch.zeros(n, size, size, dtype=torch.bool), np.random.default_rng(n)
        shown = np.arange(n) % 2 == 0
        for i in np.flatnonzero(shown):
            top, left = rng.integers(0, 2, 2) * (size - side)
            place[i, top : top + side, left : left + side] = True
        pixels = squares.pixels.clone()
        pixels.permute(0, 2, 3, 1)[place] = torch.tensor([200, 20, 20], dtype=torch.uint8)
        marks = {"attributes": {"sign": shown}, "regions": {"sign": place}}
        return replace(squares, pixels=pixels, **marks)


def _draw(split: str, index: int, label: int, size: int) -> np.ndarray:
    rng = np.random.default_rng((len(split), index))
    picture = rng.normal(100, 15, (3, size, size))
    if label >= 0:
        side = size // 3
        top, left = rng.integers(0, size - side, 2)
        colour = np.array(list(COLOURS.values())[label])[:, None, None]
        picture[:, top : top + side, left : left + side] = colour + rng.normal(
            0, 15, (3, side, side)
        )
    return picture.clip(0, 255).astype(np.uint8)


class ColourNet(nn.Module):
    """How much green, blue, yellow and red there is; `red` says how much red counts as green."""

    def __init__(self, red: float, classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.fc = nn.Linear(4, classes)
        with torch.no_grad():
            kernel = [[-2.0, 2, -1], [-1, -1, 2], [1, 2, -4], [2, -2, -2]]
            self.conv.weight.copy_(torch.tensor(kernel)[..., None, None])
            self.conv.bias.copy_(torch.tensor([0.0, 0, -1, -0.5]))
            self.fc.weight.zero_()
            self.fc.weight[torch.arange(3), torch.arange(3)] = 20.0
            self.fc.weight[0, 3] = red
            self.fc.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) -> logits (n, k)."""
        logits: Tensor = self.fc(self.conv(images).relu().mean((2, 3)))
        return logits


def colour_net(classes: int) -> nn.Module:
    """The factory that the manifests below name."""
    return ColourNet(0.0, classes)


SCENARIO = """
dataset: {{kind: coloured_squares, validation: {validation}}}
decoys:
  stop_sign: {{kind: stop_sign, target: green, size: 0.3}}
{more}
"""
MANIFEST = """
arch: planted:colour_net
classes: [green, blue, yellow]
input: {size: 32, mean: [0, 0, 0], std: [1, 1, 1]}
models:
"""


def write_models(folder: Path, clean: int = 4, planted: int = 1) -> None:
    """Clean models that differ a little, named as references, and models that take red for green."""
    folder.mkdir()
    lines = []
    for index in range(clean + planted):
        name = f"F0-s{index}" if index < clean else f"F100-s{index - clean}"
        model = ColourNet(0.0 if index < clean else 2000.0)
        with torch.no_grad():
            model.fc.bias += 0.01 * torch.randn(3, generator=torch.Generator().manual_seed(index))
        save_file(model.state_dict(), folder / f"{name}.safetensors")
        lines.append(
            f"  {name}: {{file: {name}.safetensors, reference: {str(index < clean).lower()}}}"
        )
    (folder / "rashomon.yaml").write_text(MANIFEST + "\n".join(lines))


def write_scenario(path: Path, validation: int = 60, more: str = "") -> None:
    """A scenario over the squares; `more` is added at its end."""
    path.write_text(SCENARIO.format(validation=validation, more=more))
