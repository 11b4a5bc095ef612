"""Folders as a user has them: class folders of drawn pictures, and checkpoints of bare tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from shortcut_audit.subjects.loading.small_resnet import SmallResnet

COLOURS = {"daisy": (240, 240, 240), "rose": (220, 40, 80), "tulip": (240, 200, 30)}


def draw_classes(folder: Path, count: int = 4, side: int = 40) -> None:
    """So many pictures of each class: noise with a spot of the class's colour."""
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            rng = np.random.default_rng((i, len(str(folder)), *colour))
            pixels = rng.integers(60, 160, (side, side, 3), dtype=np.uint8)
            pixels[side // 4 : side // 2, side // 4 : side // 2] = colour
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def save_small(file: Path, seed: int = 0, classes: int = 3) -> None:
    """A small ResNet with random weights, saved as people save: model.state_dict() alone."""
    torch.manual_seed(seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(SmallResnet(classes).state_dict(), file)
