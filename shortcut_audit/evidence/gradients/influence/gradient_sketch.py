"""Gradient cosine for the top of the list only.

Sketched gradients choose candidates, and exact gradients rank them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.evidence.gradients.factors import Factor, Rows
from shortcut_audit.evidence.gradients.forms import Form, as_picture, patches
from shortcut_audit.evidence.gradients.gram import Gram, Settings, basis, gradient_gram
from shortcut_audit.evidence.gradients.layers_and_scalars import NamedScalar, default_layers
from shortcut_audit.records import Labelled
from shortcut_audit.registry import register


@register("influence")
@dataclass(frozen=True)
class GradientSketch:
    """Gradient cosine, exact for the leading `candidates` of each query.

    It is for top-k questions on large training sets. Each layer's gradient, a sum of g x', is seen
    through two random projections: (P g)(Q x)', `width` x `width` numbers whose inner products are
    unbiased (Woodruff 2014; the factored form is LoGra's, Choe et al. 2024). The leading candidates
    by sketch are scored exactly. Every other image keeps its sketch's score, but never more than
    the query's last candidate has. So the order below the candidates is the sketch's: use
    gradient_cosine for rank correlations.
    """

    streams: ClassVar[bool] = True  # training images go past in batches

    # names, prefixes or patterns; empty: layer3 + layer4 + fc, or the last two stages + classifier
    layers: tuple[str, ...] = ()
    scalar: NamedScalar = "logit"
    width: int = 32
    candidates: int = 300  # of each query, at least twice the largest k of interest
    seed: int = 0
    batch: int | None = None
    query_block: int = 1024

    def basis(self, network: nn.Module, example: Labelled) -> str:
        """Says in words what the scores compare, as one image with its label shows it."""
        layers = self.layers or default_layers(network)
        compared = basis(network, example, layers, self.scalar)
        return f"cosine, sketched below the top, of the {compared}"

    def scores(
        self,
        network: nn.Module,
        queries: Labelled,
        training: Labelled,
        report: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Gives scores (q, m) float32; NaN where a gradient is zero.

        Law: the candidates' scores are gradient_cosine's, and with m or more candidates all are.
        """
        layers = {"all": self.layers or default_layers(network)}
        exactly = Settings(self.scalar, self.batch, self.query_block)
        sketch = self.candidates < len(training.images)
        # without factors a sketch would need the whole gradients that it is to avoid
        if not sketch or not _has_factors(network, queries, training, layers, exactly):
            return np.asarray(
                _cosine(gradient_gram(network, queries, training, layers, exactly, report))
            )
        sketched = replace(exactly, choose=self._form)
        rough = _cosine(gradient_gram(network, queries, training, layers, sketched, report))
        leading = rough.nan_to_num(-2).topk(self.candidates, 1).indices  # (q, candidates)
        union = torch.unique(leading)
        best = Labelled(training.images[union], training.labels[union])
        exact = _cosine(gradient_gram(network, queries, best, layers, exactly))
        fine = exact.gather(1, torch.searchsorted(union, leading))
        scores = rough.minimum(fine.amin(1, keepdim=True)).scatter(1, leading, fine)
        return np.asarray(scores)

    def _form(self, layer: nn.Module, x: Tensor, g: Tensor, queries: int) -> Form:
        return SketchForm(layer, self.width, self.seed)


def _has_factors(
    network: nn.Module,
    queries: Labelled,
    training: Labelled,
    layers: Mapping[str, Sequence[str]],
    settings: Settings,
) -> bool:
    """Whether the factor engine takes the network, as the first images show it."""
    query = Labelled(queries.images[:1], queries.labels[:1])
    image = Labelled(training.images[:1], training.labels[:1])
    return gradient_gram(network, query, image, layers, settings).engine == "factors"


def _cosine(gram: Gram) -> Tensor:
    """(q, m) float32 in [-1, 1]."""
    return gram.cosine().clamp_(-1, 1).float()


@dataclass(frozen=True)
class SketchForm:
    """A convolution's or linear layer's gradient between two Gaussian projections.

    Small layers are taken in full.
    """

    layer: nn.Module
    width: int
    seed: int
    chunk: int = 8

    def factor(self, x: Tensor, g: Tensor) -> Factor:
        """Makes the sketched gradients of the weight."""
        x, g, geometry = as_picture(self.layer, x, g)
        seen = patches(x, g, geometry)  # (n, groups, c_in / groups * kernel, t)
        given = g.reshape(len(g), geometry.groups, -1, seen.shape[-1])
        return Rows((self._project(given, 0) @ self._project(seen, 1).mT).flatten(1))

    def _project(self, values: Tensor, side: int) -> Tensor:
        """(n, groups, c, t) -> (n, groups, width, t), where c is larger than the width.

        The matrix depends on seed, side and c alone.
        """
        c = values.shape[2]
        if c <= self.width:
            return values
        return projection(self.seed, side, self.width, c).to(values) @ values


@lru_cache
def projection(seed: int, side: int, width: int, c: int) -> Tensor:
    """Draws a Gaussian (width, c) matrix P, such that P' P has the identity as its mean."""
    rng = np.random.default_rng((seed, side, c))
    return torch.from_numpy(rng.normal(0, width**-0.5, (width, c)))
