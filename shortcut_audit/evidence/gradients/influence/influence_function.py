"""Influence functions: how a query's loss would change without a training image, from the inverse
Hessian.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.evidence.gradients.gram import basis, gradient_gram
from shortcut_audit.evidence.gradients.layers_and_scalars import (
    classifier,
    cotangents,
    missed_probability,
)
from shortcut_audit.registry import register


@register("influence")
@dataclass(frozen=True)
class InfluenceFunction:
    """Koh and Liang 2017: g_q' (H + damping)^-1 g_i / m, the query's loss without training image i
    minus its loss with it.

    H is the Gauss-Newton Hessian of the mean loss; for a linear classifier that is the Hessian
    itself. It has at most k directions for each image, so its inverse follows exactly (Woodbury)
    from inner products of gradients, without an iteration and without a matrix of parameters.
    Scores predict real retraining only for layers at a minimum of the loss.
    """

    layers: tuple[str, ...] = ()  # names, prefixes or patterns; empty: the classifier alone
    damping: float = 1e-3  # added to H: the weight decay that the layers were trained with, or more
    hessian_images: int = 256  # H is the mean over at most so many training images, evenly spread
    # images at a time: memory, not the result, depends on it; None fits it to their size
    batch: int | None = None
    query_block: int = 2048  # queries and directions of H in memory at a time

    def basis(self, network: nn.Module, image: Tensor, label: Tensor) -> str:
        """What the scores compare, in words, as one image (1, 3, h, w) and its label (1,) show it."""
        return "influence function, " + basis(
            network, image, label, self.layers or (classifier(network),), "loss"
        )

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

        Law: equal to a solve with the Hessian as a matrix; on a convex head it ranks as
            leave-one-out retraining does.
        """
        exact = deepcopy(network).double()  # the inverse cancels digits
        spread = (
            torch.linspace(0, len(training) - 1, min(self.hessian_images, len(training)))
            .round()
            .long()
        )
        curved = _directions(exact, training[spread])
        left, right = (
            _joined((queries, query_labels), curved),
            _joined((training, training_labels), curved),
        )
        layers = {"all": self.layers or (classifier(network),)}
        gram = gradient_gram(
            exact, left, right, layers, _residual_or_direction, self.batch, self.query_block, report
        )
        dots, (q, m) = gram.dots[0], (len(queries), len(training))
        dots[q:] /= len(spread) ** 0.5
        dots[:, m:] /= len(spread) ** 0.5
        curvature = dots[q:, m:] + self.damping * torch.eye(len(curved[0]), dtype=torch.float64)
        solved = torch.linalg.solve(curvature, dots[q:, :m])
        lost = (dots[:q, :m] - dots[:q, m:] @ solved) / self.damping / m
        sizes = [
            missed_probability(exact, *each)
            for each in ((queries, query_labels), (training, training_labels))
        ]
        return np.asarray((lost * sizes[0][:, None] * sizes[1]).float())


def _joined(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]])


def _directions(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Each image once for each class; the 'label' -1 - c asks for direction c of the image's
    curvature.
    """
    training = network.training
    with torch.no_grad():
        classes = network.eval()(images[:1].to(next(network.parameters()).dtype) / 255).shape[1]
    network.train(training)
    return images.repeat_interleave(classes, 0), -1 - torch.arange(classes).repeat(len(images))


def _residual_or_direction(logits: Tensor, labels: Tensor) -> Tensor:
    """Unit residuals for labels, and for -1 - c column c of B, where B B' = diag(p) - p p' is the
    loss's Hessian by logits.
    """
    p = logits.softmax(1)
    root = p.sqrt()
    directions = torch.diag_embed(root) - p[:, :, None] * root[:, None]  # (n, k, k)
    column = (-1 - labels).clamp(min=0)[:, None, None].expand(-1, logits.shape[1], 1)
    residual = cotangents(logits, labels.clamp(min=0), "loss")
    return torch.where(labels[:, None] < 0, directions.gather(2, column)[..., 0], residual)
