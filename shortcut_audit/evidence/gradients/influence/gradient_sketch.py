"""Gradient cosine for the top of the list only: sketched gradients choose candidates, exact ones
rank them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.evidence.gradients.factors import (
    Factor,
    Form,
    NormForm,
    Rows,
    as_picture,
    patches,
)
from shortcut_audit.evidence.gradients.gram import basis, gradient_gram
from shortcut_audit.evidence.gradients.layers_and_scalars import NamedScalar, default_layers
from shortcut_audit.registry import register


@register("influence")
@dataclass(frozen=True)
class GradientSketch:
    """Gradient cosine, exact for the leading `candidates` of each query: for top-k questions on
    large training sets.

    Each layer's gradient, a sum of g x', is seen through two random projections: (P g)(Q x)',
    `width` x `width` numbers whose inner products are unbiased (Woodruff 2014; the factored form is
    LoGra's, Choe et al. 2024). The leading candidates by sketch are scored exactly; every other
    image gets its sketch, but never more than the query's last candidate. The order below the
    candidates is the sketch's: use gradient_cosine for rank correlations.
    """

    # names, prefixes or patterns; empty: layer3 + layer4 + fc, or the last two stages + classifier
    layers: tuple[str, ...] = ()
    scalar: NamedScalar = "logit"
    width: int = 32
    candidates: int = 300  # of each query, at least twice the largest k of interest
    seed: int = 0
    batch: int | None = None
    query_block: int = 1024

    def basis(self, network: nn.Module, image: Tensor, label: Tensor) -> str:
        """What the scores compare, in words, as one image (1, 3, h, w) and its label (1,) show it."""
        layers = self.layers or default_layers(network)
        return "cosine, sketched below the top, of the " + basis(
            network, image, label, layers, self.scalar
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
        """uint8 images (q, 3, h, w) and (m, 3, h, w), labels (q,) and (m,) -> (q, m) float32; NaN
        where a gradient is zero.

        Law: with m or more candidates, gradient_cosine's scores; the candidates' scores are
            gradient_cosine's in any case.
        """
        layers = {"all": self.layers or default_layers(network)}
        settings = layers, self.scalar, self.batch, self.query_block
        wanted, m = (queries, query_labels), len(training)
        if self.candidates >= m:
            gram = gradient_gram(network, wanted, (training, training_labels), *settings, report)
            return np.asarray(gram.cosine().clamp_(-1, 1).float())
        one = gradient_gram(
            network, (queries[:1], query_labels[:1]), (training[:1], training_labels[:1]), *settings
        )
        # then a sketch would need the whole gradients that it is to avoid
        if one.engine != "factors":
            return replace(self, candidates=m).scores(
                network, *wanted, training, training_labels, report
            )
        gram = gradient_gram(
            network, wanted, (training, training_labels), *settings, report, self._form
        )
        rough = gram.cosine().clamp_(-1, 1).float()
        leading = rough.nan_to_num(-2).topk(self.candidates, 1).indices  # (q, candidates)
        union = torch.unique(leading)
        exact = (
            gradient_gram(network, wanted, (training[union], training_labels[union]), *settings)
            .cosine()
            .clamp_(-1, 1)
            .float()
        )
        fine = exact.gather(1, torch.searchsorted(union, leading))
        scores = rough.minimum(fine.amin(1, keepdim=True)).scatter(1, leading, fine)
        return np.asarray(scores)

    def _form(self, layer: nn.Module, x: Tensor, g: Tensor, queries: int) -> Form:
        return (
            SketchForm(layer, self.width, self.seed)
            if isinstance(layer, nn.Conv2d | nn.Linear)
            else NormForm(layer)
        )


@dataclass(frozen=True)
class SketchForm:
    """A convolution's or linear layer's gradient between two Gaussian projections; small layers in
    full.
    """

    layer: nn.Module
    width: int
    seed: int
    chunk: int = 8

    def factors(self, x: Tensor, g: Tensor) -> tuple[Factor, ...]:
        x, g, geometry = as_picture(self.layer, x, g)
        seen = patches(x, g, geometry)  # (n, groups, c_in / groups * kernel, t)
        given = g.reshape(len(g), geometry.groups, -1, seen.shape[-1])
        rows = (self._project(given, 0) @ self._project(seen, 1).mT).flatten(1)
        return (Rows(rows), Rows(g.sum((2, 3)))) if self.layer.bias is not None else (Rows(rows),)

    def _project(self, values: Tensor, side: int) -> Tensor:
        """(n, groups, c, t) -> (n, groups, width, t), by a matrix that depends on seed, side and c
        alone.
        """
        c = values.shape[2]
        if c <= self.width:
            return values
        return projection(self.seed, side, self.width, c).to(values) @ values


@lru_cache
def projection(seed: int, side: int, width: int, c: int) -> Tensor:
    """(width, c) Gaussian, whose product with its own transpose has the identity as its mean."""
    return torch.from_numpy(
        np.random.default_rng((seed, side, c)).normal(0, width**-0.5, (width, c))
    )
