"""Inner product of partial gradients: the heuristic that the cosine normalises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import nn

from shortcut_audit.evidence.gradients.gram import Settings, basis, gradient_gram
from shortcut_audit.evidence.gradients.layers_and_scalars import (
    NamedScalar,
    default_layers,
    missed_probability,
)
from shortcut_audit.records import Labelled
from shortcut_audit.registry import register


@register("influence")
@dataclass(frozen=True)
class GradientDot:
    """The inner product of the gradients of f(x) and f(x_i) by part of the parameters.

    Charpiat et al. 2019; thesis, section 2.7. One large gradient can lead every list: the cosine
    avoids that.
    """

    streams: ClassVar[bool] = True  # training images go past in batches

    # names, prefixes or patterns; empty: layer3 + layer4 + fc, or the last two stages + classifier
    layers: tuple[str, ...] = ()
    scalar: NamedScalar = "logit"  # of the label, of the prediction, or the loss
    # images at a time: memory, not the result, depends on it; None fits it to their size
    batch: int | None = None
    query_block: int = 256  # queries in memory at a time

    def basis(self, network: nn.Module, example: Labelled) -> str:
        """Says in words what the scores compare, as one image with its label shows it."""
        layers = self.layers or default_layers(network)
        return "inner product of the " + basis(network, example, layers, self.scalar)

    def scores(
        self,
        network: nn.Module,
        queries: Labelled,
        training: Labelled,
        report: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Gives scores (q, m) float32.

        Law: the inner products of autograd's gradients, whatever the batch sizes.
        """
        layers = {"all": self.layers or default_layers(network)}
        settings = Settings(self.scalar, self.batch, self.query_block)
        gram = gradient_gram(network, queries, training, layers, settings, report)
        dots = gram.dots[0].double()
        # the gradients come with a unit residual; its size, 1 - p_y, may be far below float32's
        if self.scalar == "loss":
            sizes = missed_probability(network, queries), missed_probability(network, training)
            dots *= sizes[0][:, None] * sizes[1]
        return np.asarray(dots.float())
