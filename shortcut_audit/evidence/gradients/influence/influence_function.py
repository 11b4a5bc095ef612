"""Influence functions: how a query's loss would change without a training image.

It follows from the inverse Hessian.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.evidence.gradients.gram import Settings, basis, gradient_gram
from shortcut_audit.evidence.gradients.layers_and_scalars import (
    classifier,
    cotangents,
    missed_probability,
)
from shortcut_audit.records import Labelled
from shortcut_audit.registry import register


@register("influence")
@dataclass(frozen=True)
class InfluenceFunction:
    """The query's loss without training image i minus its loss with it.

    It is g_q' (H + damping)^-1 g_i / m (Koh and Liang 2017). H is the Gauss-Newton Hessian of the
    mean loss; for a linear classifier that is the Hessian itself. It has at most k directions for
    each image, so its inverse follows exactly (Woodbury) from inner products of gradients, without
    an iteration and without a matrix over parameters. Scores predict real retraining only for
    layers at a minimum of the loss.
    """

    layers: tuple[str, ...] = ()  # names, prefixes or patterns; empty: the classifier alone
    damping: float = 1e-3  # added to H: the weight decay that the layers were trained with, or more
    hessian_images: int = 256  # H is the mean over at most so many training images, evenly spread
    # images at a time: memory, not the result, depends on it; None fits it to their size
    batch: int | None = None
    query_block: int = 2048  # queries and directions of H in memory at a time

    def basis(self, network: nn.Module, example: Labelled) -> str:
        """Says in words what the scores compare, as one image with its label shows it."""
        layers = self.layers or (classifier(network),)
        return "influence function, " + basis(network, example, layers, "loss")

    def scores(
        self,
        network: nn.Module,
        queries: Labelled,
        training: Labelled,
        report: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Gives scores (q, m) float32; the higher, the more is lost without the image.

        Laws: they equal a solve with the Hessian as a matrix; on a convex head they rank as
        leave-one-out retraining does.
        """
        exact = deepcopy(network).double()  # the inverse cancels digits
        q, m = len(queries.images), len(training.images)
        spread = torch.linspace(0, m - 1, min(self.hessian_images, m)).round().long()
        curved = _directions(exact, training.images[spread])
        left, right = _joined(queries, curved), _joined(training, curved)
        layers = {"all": self.layers or (classifier(network),)}
        settings = Settings(_residual_or_direction, self.batch, self.query_block)
        dots = gradient_gram(exact, left, right, layers, settings, report).dots[0]
        dots[q:] /= len(spread) ** 0.5
        dots[:, m:] /= len(spread) ** 0.5
        identity = torch.eye(len(curved.images), dtype=torch.float64)
        curvature = dots[q:, m:] + self.damping * identity
        solved = torch.linalg.solve(curvature, dots[q:, :m])
        lost = (dots[:q, :m] - dots[:q, m:] @ solved) / self.damping / m
        sizes = missed_probability(exact, queries), missed_probability(exact, training)
        return np.asarray((lost * sizes[0][:, None] * sizes[1]).float())


def _joined(a: Labelled, b: Labelled) -> Labelled:
    return Labelled(torch.cat([a.images, b.images]), torch.cat([a.labels, b.labels]))


def _directions(network: nn.Module, images: Tensor) -> Labelled:
    """Each image once for each class, with a 'label' that asks for a direction of its curvature.

    -1 - c asks for direction c.
    """
    training = network.training
    with torch.no_grad():
        first = images[:1].to(next(network.parameters()).dtype) / 255
        classes = network.eval()(first).shape[1]
    network.train(training)
    asked = -1 - torch.arange(classes).repeat(len(images))
    return Labelled(images.repeat_interleave(classes, 0), asked)


def _residual_or_direction(logits: Tensor, labels: Tensor) -> Tensor:
    """Unit residuals for labels, and column c of B for the 'label' -1 - c: (n, k).

    B B' = diag(p) - p p' is the loss's Hessian by the logits.
    """
    p = logits.softmax(1)
    root = p.sqrt()
    directions = torch.diag_embed(root) - p[:, :, None] * root[:, None]  # (n, k, k)
    column = (-1 - labels).clamp(min=0)[:, None, None].expand(-1, logits.shape[1], 1)
    residual = cotangents(logits, labels.clamp(min=0), "loss")
    return torch.where(labels[:, None] < 0, directions.gather(2, column)[..., 0], residual)
