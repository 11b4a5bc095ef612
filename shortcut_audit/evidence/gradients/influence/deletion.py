"""Deletion diagnostics: retrain without each training image in turn, and compare the losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.gradients.factors import chunks
from shortcut_audit.evidence.gradients.layers_and_scalars import as_input
from shortcut_audit.evidence.gradients.linear_head import head_features, losses_without_each
from shortcut_audit.evidence.lent_network import borrowed
from shortcut_audit.records import Labelled
from shortcut_audit.registry import register


@register("influence")
@dataclass(frozen=True)
class Deletion:
    """The query's loss after training without image i minus its loss after training with all.

    Thesis, section 2.7. `head` retrains the classifier on the network's fixed features: that is
    convex, hence exact and free of chance. `whole` trains the whole network m + 1 times from its
    layers' own initialisation; it is only for small ones. Its scores hold for this seed, and in a
    deep network chance moves the loss more than one image does.
    """

    retrain: Literal["head", "whole"] = "head"
    decay: float = 1e-3  # weight decay of the head, bias included
    steps: int = 60  # `whole`: full-batch steps of Adam
    learning_rate: float = 3e-3
    seed: int = 0  # `whole`: of the initialisation
    batch: int = 64  # images at a time when features or losses are computed

    def scores(
        self,
        network: nn.Module,
        queries: Labelled,
        training: Labelled,
        report: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Gives scores (q, m) float32; the higher, the more is lost without the image.

        Law: each column equals training once more without that image.
        """
        if self.decay <= 0:
            raise UsageError(
                f"influence 'deletion' needs a decay above 0, not {self.decay}: without it the "
                "head has no minimum"
            )
        retrained = self._head if self.retrain == "head" else self._whole
        losses = retrained(network, queries, training)
        with_all = next(losses)
        columns = []
        for without in losses:
            columns.append(without - with_all)
            if report:
                report(len(columns), len(training.images))
        return torch.stack(columns, 1).float().numpy()

    def _head(self, network: nn.Module, queries: Labelled, training: Labelled) -> Iterator[Tensor]:
        """The queries' losses (q,) with all training images, then without each in turn."""
        z, classes = head_features(network, training.images, self.batch)
        ahead, _ = head_features(network, queries.images, self.batch)
        return losses_without_each(
            z, training.labels.cpu(), ahead, queries.labels.cpu(), classes, self.decay
        )

    def _whole(self, network: nn.Module, queries: Labelled, training: Labelled) -> Iterator[Tensor]:
        """As `_head`, for the whole network."""
        everything = torch.arange(len(training.images))
        for left_out in range(-1, len(everything)):
            kept = everything[everything != left_out]
            rest = Labelled(training.images[kept], training.labels[kept])
            yield self._losses(self._trained(network, rest), queries)

    def _trained(self, network: nn.Module, training: Labelled) -> nn.Module:
        """A copy of the network, initialised anew and trained on these images."""
        fresh = deepcopy(network).train().requires_grad_(True)
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(self.seed)
            for module in fresh.modules():
                if callable(reset := getattr(module, "reset_parameters", None)):
                    reset()
            optimiser = torch.optim.Adam(
                fresh.parameters(), self.learning_rate, weight_decay=self.decay
            )
            pixels = as_input(training.images, fresh)
            labels = training.labels.to(pixels.device)
            for _ in range(self.steps):
                optimiser.zero_grad()
                torch.autograd.backward(F.cross_entropy(fresh(pixels), labels))
                optimiser.step()
        return fresh

    def _losses(self, network: nn.Module, queries: Labelled) -> Tensor:
        """(q,) float64 on the CPU."""
        logits = []
        with torch.no_grad(), borrowed(network):
            for part in chunks(len(queries.images), self.batch):
                logits.append(network(as_input(queries.images[part], network)))
        found = torch.cat(logits)
        labels = queries.labels.to(found.device)
        return F.cross_entropy(found, labels, reduction="none").double().cpu()
