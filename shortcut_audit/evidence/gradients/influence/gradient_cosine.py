"""Cosine of partial gradients: which training images move the layers the way the query does?"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import nn

from shortcut_audit.evidence.gradients.factor_cache import KeptFactors, weights_digest
from shortcut_audit.evidence.gradients.gram import Settings, basis, gradient_gram
from shortcut_audit.evidence.gradients.layers_and_scalars import NamedScalar, default_layers
from shortcut_audit.files.store import Store
from shortcut_audit.records import Labelled
from shortcut_audit.registry import register

log = logging.getLogger(__name__)


@register("influence")
@dataclass(frozen=True)
class GradientCosine:
    """The cosine of the gradients of f(x) and f(x_i) by part of the parameters, in [-1, 1].

    Thesis, sections 2.7 and 5.1. It is exact: equal to autograd's gradients to rounding, for any
    batch size, at any confidence of the model.
    """

    streams: ClassVar[bool] = True  # training images go past in batches

    # names, prefixes or patterns; empty: layer3 + layer4 + fc, or the last two stages + classifier
    layers: tuple[str, ...] = ()
    scalar: NamedScalar = "logit"  # of the label, of the prediction, or the loss
    # images at a time: memory, not the result, depends on it; None fits it to their size
    batch: int | None = None
    # queries in memory at a time; each block is one more pass over the training images
    query_block: int = 256
    # a folder that keeps them in fp16 for other queries and layers
    factors: Path | None = field(default=None, repr=False)

    def layers_used(self, network: nn.Module) -> tuple[str, ...]:
        """Gives the layers that the scores are about: those asked for, or the network's default."""
        return self.layers or default_layers(network)

    def basis(self, network: nn.Module, example: Labelled) -> str:
        """Says in words what the scores compare, as one image with its label shows it."""
        compared = basis(network, example, self.layers_used(network), self.scalar)
        return f"cosine of the {compared}"

    def scores(
        self,
        network: nn.Module,
        queries: Labelled,
        training: Labelled,
        report: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Gives scores (q, m) float32; NaN where a gradient is zero.

        Law: the same as the cosine of autograd's gradients, whatever the batch sizes.
        """
        layers = self.layers_used(network)
        kept = None
        if self.factors:
            kept = KeptFactors(Store(Path(self.factors)), weights_digest(network))
        settings = Settings(self.scalar, self.batch, self.query_block, kept=kept)
        gram = gradient_gram(network, queries, training, {"all": layers}, settings, report)
        scores = np.asarray(gram.cosine().clamp_(-1, 1).float())
        if undefined := int(np.isnan(scores).sum()):
            log.warning(
                "%d of %d scores are undefined: the gradient of %s is zero",
                undefined,
                scores.size,
                ", ".join(layers),
            )
        return scores
