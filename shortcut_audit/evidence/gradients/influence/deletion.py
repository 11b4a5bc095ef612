"""Deletion diagnostics: retrain without each training image in turn, and see what the queries lose."""

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
from shortcut_audit.registry import register

Images = tuple[Tensor, Tensor]


@register("influence")
@dataclass(frozen=True)
class Deletion:
    """Thesis, section 2.7: score = the query's loss after training without image i minus its loss
    after training with all.

    `head` retrains the classifier on the network's fixed features: convex, hence exact and free of
    chance. `whole` trains the whole network m + 1 times from its layers' own initialisation; only
    for small ones. Its scores hold for this seed, and in a deep network chance moves the loss more
    than one image does.
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
        queries: Tensor,
        query_labels: Tensor,
        training: Tensor,
        training_labels: Tensor,
        report: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """uint8 images (q, 3, h, w) and (m, 3, h, w), labels (q,) and (m,) -> (q, m) float32;
        higher: more is lost without it.

        Law: each column equals training once more without that image.
        """
        if self.decay <= 0:
            raise UsageError(
                f"influence 'deletion' needs a decay above 0, not {self.decay}: without it the head has no minimum"
            )
        if self.retrain == "head":
            z, classes = head_features(network, training, self.batch)
            ahead, _ = head_features(network, queries, self.batch)
            losses = losses_without_each(
                z, training_labels.cpu(), ahead, query_labels.cpu(), classes, self.decay
            )
        else:
            losses = self._trained_without_each(
                network, (queries, query_labels), (training, training_labels)
            )
        whole = next(losses)
        columns = []
        for without in losses:
            columns.append(without - whole)
            if report:
                report(len(columns), len(training))
        return torch.stack(columns, 1).float().numpy()

    def _trained_without_each(
        self, network: nn.Module, queries: Images, training: Images
    ) -> Iterator[Tensor]:
        everything = torch.arange(len(training[0]))
        for left_out in range(-1, len(everything)):
            kept = everything[everything != left_out]
            trained = self._trained(network, (training[0][kept], training[1][kept]))
            with torch.no_grad(), borrowed(trained):
                parts = [
                    trained(as_input(queries[0][part], trained))
                    for part in chunks(len(queries[0]), self.batch)
                ]
                logits = torch.cat(parts)
            yield (
                F.cross_entropy(logits, queries[1].to(logits.device), reduction="none")
                .double()
                .cpu()
            )

    def _trained(self, network: nn.Module, training: Images) -> nn.Module:
        fresh = deepcopy(network).train().requires_grad_(True)
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(self.seed)
            for module in fresh.modules():
                if callable(reset := getattr(module, "reset_parameters", None)):
                    reset()
            optimiser = torch.optim.Adam(
                fresh.parameters(), self.learning_rate, weight_decay=self.decay
            )
            pixels = as_input(training[0], fresh)
            for _ in range(self.steps):
                optimiser.zero_grad()
                torch.autograd.backward(
                    F.cross_entropy(fresh(pixels), training[1].to(pixels.device))
                )
                optimiser.step()
        return fresh
