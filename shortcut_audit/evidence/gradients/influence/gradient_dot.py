"""Inner product of partial gradients: the heuristic that the cosine normalises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from shortcut_audit.evidence.gradients.gram import basis, gradient_gram
from shortcut_audit.evidence.gradients.layers_and_scalars import (
    NamedScalar,
    default_layers,
    missed_probability,
)
from shortcut_audit.registry import register


@register("influence")
@dataclass(frozen=True)
class GradientDot:
    """Charpiat et al. 2019, thesis section 2.7: <gradient of f(x), gradient of f(x_i)> by part of
    the parameters.

    One large gradient can lead every list: that is what the cosine is for.
    """

    # names, prefixes or patterns; empty: layer3 + layer4 + fc, or the last two stages + classifier
    layers: tuple[str, ...] = ()
    scalar: NamedScalar = "logit"  # of the label, of the prediction, or the loss
    # images at a time: memory, not the result, depends on it; None fits it to their size
    batch: int | None = None
    query_block: int = 256  # queries in memory at a time

    def basis(self, network: nn.Module, image: Tensor, label: Tensor) -> str:
        """What the scores compare, in words, as one image (1, 3, h, w) and its label (1,) show it."""
        return "inner product of the " + basis(
            network, image, label, self.layers or default_layers(network), self.scalar
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
        """uint8 images (q, 3, h, w) and (m, 3, h, w), labels (q,) and (m,) -> (q, m) float32.

        Law: the inner products of autograd's gradients, whatever the batch sizes.
        """
        images = (queries, query_labels), (training, training_labels)
        layers = {"all": self.layers or default_layers(network)}
        dots = (
            gradient_gram(
                network, *images, layers, self.scalar, self.batch, self.query_block, report
            )
            .dots[0]
            .double()
        )
        # the gradients come with a unit residual; its size, 1 - p_y, may be far below float32's
        if self.scalar == "loss":
            sizes = [missed_probability(network, *each) for each in images]
            dots *= sizes[0][:, None] * sizes[1]
        return np.asarray(dots.float())
