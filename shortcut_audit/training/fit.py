"""The training loop: network + Pictures -> epochs, each with the state to go on from.

Nothing is drawn from global state: weights come from the seed, and the order, the crops and the
network's own randomness from (seed, epoch). An epoch is therefore the same whether the run before
it was interrupted or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.records import Pictures
from shortcut_audit.settings import Training
from shortcut_audit.training.augmentation import DRAWS, augment

WARM_UP = 0.3  # the share of a one-cycle schedule in which the learning rate rises


@dataclass(frozen=True)
class Task:
    """One network to train: everything that its weights depend on."""

    build: Callable[[], nn.Module]  # makes the new network
    training: Pictures
    validation: Pictures
    settings: Training
    seed: int
    device: torch.device


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images left behind."""

    number: int  # 1 is the first
    loss: float  # mean cross-entropy over the training images
    accuracy: float  # on the validation images, in [0, 1]
    # `number` and `accuracy`, the network's and the optimiser's tensors: what `fit` resumes from
    state: dict[str, Any]


def fit(
    task: Task,
    state: dict[str, Any] | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Iterator[Epoch]:
    """Trains a new network, or goes on from the `state` of an earlier epoch.

    `tick` is called after every batch.
    Law: on a CPU with the same number of threads, the same arguments give the same weights,
    resumed or not.
    """
    settings = task.settings
    with _seeded(task.device, task.seed, 0):
        network = task.build()
    network.to(task.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = _optimiser(network, settings)
    if state is not None:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
    for number in range(1 + (state["number"] if state else 0), settings.epochs + 1):
        with _seeded(task.device, task.seed, number):
            loss = _epoch(network, optimiser, task.training, settings, number, tick)
        accuracy = share_correct(network, task.validation, settings)
        kept = {
            "number": number,
            "accuracy": accuracy,
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
        }
        yield Epoch(number, loss, accuracy, kept)


def batches(settings: Training, pictures: Pictures) -> int:
    """How many batches an epoch has.

    Their sizes differ by at most one, so that none is left with a single image.
    """
    return math.ceil(len(pictures.labels) / settings.batch)


def share_correct(network: nn.Module, pictures: Pictures, settings: Training) -> float:
    """Accuracy on the pictures as they are, in [0, 1]; leaves the network in eval mode."""
    network.eval()
    device = next(network.parameters()).device
    classes = []
    with torch.inference_mode(), _precision(device, settings):
        for start in range(0, len(pictures.pixels), 256):
            images = pictures.pixels[start : start + 256].to(device).float() / 255  # (b, 3, h, w)
            classes.append(network(_normalised(images, settings)).argmax(1).cpu().numpy())
    return float((np.concatenate(classes) == pictures.labels).mean())


def _epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    pictures: Pictures,
    settings: Training,
    number: int,
    tick: Callable[[], object],
) -> float:
    """One pass over the pictures -> the mean loss; NaN and infinity stay in it.

    The caller has seeded the global generator.
    """
    network.train()
    device = next(network.parameters()).device
    n, parts = len(pictures.labels), batches(settings, pictures)
    order, draws = torch.randperm(n), torch.rand(n, DRAWS)  # (n,), (n, 5)
    labels = torch.from_numpy(pictures.labels)  # (n,) int64
    total = torch.zeros((), device=device)
    for step, chosen in enumerate(order.tensor_split(parts)):
        done = (number - 1 + (step + 0.5) / parts) / settings.epochs
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(settings, done)
        pixels = pictures.pixels[chosen].to(device)
        images = augment(pixels, draws[chosen].to(device), settings.augmentation)
        with _precision(device, settings):
            logits = network(_normalised(images, settings)).float()
            loss = F.cross_entropy(logits, labels[chosen].to(device))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += loss.detach() * len(chosen)
        tick()
    return float(total) / n


def learning_rate(settings: Training, done: float) -> float:
    """The rate when a share `done` of all batches is behind us.

    One cycle rises linearly, then falls to 0 as a cosine.
    """
    if settings.schedule == "constant":
        return settings.learning_rate
    if done < WARM_UP:
        return settings.learning_rate * done / WARM_UP
    return settings.learning_rate * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def _optimiser(network: nn.Module, settings: Training) -> torch.optim.Optimizer:
    options: dict[str, Any] = {
        "lr": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "fused": True,
    }
    if settings.optimiser == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=0.9, **options)
    adam = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return adam(network.parameters(), **options)


def _normalised(images: Tensor, settings: Training) -> Tensor:
    mean = images.new_tensor(settings.mean)[:, None, None]
    std = images.new_tensor(settings.std)[:, None, None]
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def _precision(device: torch.device, settings: Training) -> torch.autocast:
    """What products and convolutions are computed in.

    Weights, statistics and the loss stay float32.
    """
    in_hardware = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    on = settings.precision == "bfloat16" or (settings.precision == "auto" and in_hardware)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=on)


@contextmanager
def _seeded(device: torch.device, seed: int, epoch: int) -> Iterator[None]:
    """Seeds torch's generators by (seed, epoch), and gives the caller's back."""
    drawn = np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(int(drawn[0]))
        yield
