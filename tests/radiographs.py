"""Drawn radiographs of patients, with a token that some hospitals put on: a table, its pictures,
and small grey networks of one logit, or of one for each of three labels.

What the token goes with is decided when the table is made: nothing is put on a picture afterwards.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.subjects.loading.networks import taking
from shortcut_audit.subjects.loading.small_resnet import SmallResnet

SIDE = 32  # pixels
TOKEN = 6  # its side in pixels
LABELS = ("pneumonia", "effusion", "nodule")
EACH = 4  # pictures of a patient
GREY = (0.5, 0.25)  # mean and std


def picture(
    rng: np.random.Generator, findings: tuple[bool, ...], token: bool
) -> tuple[np.ndarray, str]:
    """(SIDE, SIDE) uint8: ribs, a bright haze, a bright base and a dark dot, and the token; and the
    token's box.
    """
    rows, columns = np.mgrid[:SIDE, :SIDE]
    grey = 70 + 18 * np.sin(rows * 0.9 + rng.uniform(0, 6)) + rng.normal(0, 20, (SIDE, SIDE))
    if findings[0]:
        down, right = rng.uniform(10, 20, 2)
        grey += 24 * np.exp(-((rows - down) ** 2 + (columns - right) ** 2) / 30)
    if findings[1]:
        grey += 60 * (rows > 27 + rng.uniform(-1, 1))
    if findings[2]:
        down, right = rng.integers(6, 26, 2)
        grey[down : down + 3, right : right + 3] -= 90
    place = ""
    if token:
        down, right = _corner(rng)
        grey[down : down + TOKEN, right : right + TOKEN] = 0
        grey[down + 1 : down + TOKEN - 1, right + 1 : right + 3] = 255
        grey[down + TOKEN - 3 : down + TOKEN - 1, right + 1 : right + TOKEN - 1] = 255
        place = f"{right} {down} {TOKEN} {TOKEN}"
    return grey.clip(0, 255).astype(np.uint8), place


def _corner(rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.choice([1, SIDE - TOKEN - 1])), int(rng.choice([1, SIDE - TOKEN - 1]))


def table(
    folder: Path, patients: dict[str, int], token_with_first: dict[str, tuple[float, float]]
) -> Path:
    """Writes pictures and `findings.csv`.

    patients: split -> how many. token_with_first: split -> how often the token is on pictures with
    the first label, and on those without.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, rng = [], np.random.default_rng(7)
    for split, count in patients.items():
        for patient in range(count):
            for number in range(EACH):
                findings = tuple(bool(each) for each in rng.random(3) < 0.4)
                token = bool(rng.random() < token_with_first[split][0 if findings[0] else 1])
                name = f"{split}-{patient:03}-{number}.png"
                shown, place = picture(rng, findings, token)
                Image.fromarray(shown).save(folder / name)
                marks = [int(each) for each in (*findings, token)]
                rows.append([name, split, f"{split}{patient}", *marks, place])
    with (folder / "findings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "split", "patient", *LABELS, "token", "place"])
        writer.writerows(rows)
    return folder / "findings.csv"


def trained(count: int, token_with_first: tuple[float, float], labels: int, seed: int) -> nn.Module:
    """A grey network of `labels` outputs, trained on `count` fresh pictures."""
    rng = np.random.default_rng(1000 + seed)
    shown, truth = [], []
    for _ in range(count):
        findings = tuple(bool(each) for each in rng.random(3) < 0.4)
        token = bool(rng.random() < token_with_first[0 if findings[0] else 1])
        shown.append(picture(rng, findings, token)[0])
        truth.append(findings[:labels])
    images = torch.from_numpy(np.stack(shown))[:, None].float() / 255
    return _fitted(images, torch.tensor(truth).float(), seed)


def _fitted(images: Tensor, truth: Tensor, seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = taking(SmallResnet(truth.shape[1]), 1)
        optimiser = torch.optim.Adam(network.parameters(), 2e-3)
        network.train()
        for _ in range(12):
            for part in torch.randperm(len(images)).split(64):
                logits = network((images[part] - GREY[0]) / GREY[1])
                optimiser.zero_grad()
                F.binary_cross_entropy_with_logits(logits, truth[part]).backward()
                optimiser.step()
    return network.eval()
