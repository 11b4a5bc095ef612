"""A planted folder, answered by a model as its owner would."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from planted import ColourNet
from torch import nn

from shortcut_audit.planting.folder import plant
from shortcut_audit.scenario import load_scenario

CLASSES = ("green", "blue", "yellow")


def planted_folder(scenario: Path, size: int = 32) -> Path:
    """Plants the scenario's pictures beside it."""
    out = scenario.parent / "planted"
    for _ in plant(load_scenario(scenario), [size], out):
        pass
    return out


def answers(folder: Path, network: nn.Module | None = None) -> tuple[list[str], np.ndarray]:
    """The names of all pictures in the list, and the network's logits (m, k)."""
    with (folder / "pictures.csv").open() as index:
        files = sorted({row["file"] for row in csv.DictReader(index)})
    pixels = np.stack([np.asarray(Image.open(folder / file)) for file in files])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous() / 255
    with torch.inference_mode():
        return files, (network or ColourNet(0.0))(images).numpy()


def write(path: Path, files: list[str], logits: np.ndarray, **more: object) -> Path:
    """Writes them as README.txt does."""
    path.parent.mkdir(exist_ok=True)
    arrays = {"files": np.array(files), "logits": logits, "classes": np.array(CLASSES), **more}
    np.savez(path, **{name: each for name, each in arrays.items() if each is not None})  # type: ignore[arg-type]
    return path
