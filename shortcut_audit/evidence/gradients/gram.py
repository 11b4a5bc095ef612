"""Network + images -> Gram: inner products of the gradients of queries and training images.

One pass over the training set gives all of them.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shortcut_audit.errors import DataError
from shortcut_audit.evidence.gradients.factor_cache import KeptFactors
from shortcut_audit.evidence.gradients.factors import chunks
from shortcut_audit.evidence.gradients.forms import cheapest_form
from shortcut_audit.evidence.gradients.layers_and_scalars import (
    Scalar,
    as_input,
    exact_products,
    inner_model,
    owners,
)
from shortcut_audit.evidence.gradients.passes.calls import UnfitError
from shortcut_audit.evidence.gradients.passes.convolutions import NONE, quick_convolutions
from shortcut_audit.evidence.gradients.passes.folding import joins
from shortcut_audit.evidence.gradients.sources import (
    FactorSource,
    FormChooser,
    PerSampleSource,
    Source,
    plain_squares,
)
from shortcut_audit.evidence.gradients.stage import Progress, Stage, Steps
from shortcut_audit.evidence.lent_network import borrowed, require_gradient
from shortcut_audit.progress import span
from shortcut_audit.records import Labelled

log = logging.getLogger(__name__)

PIXELS = 1 << 18  # in a batch: 64 images of 64 x 64


@dataclass(frozen=True)
class Settings:
    """Which scalar's gradients are taken, and how."""

    # a name, or a function from logits (n, k) and labels (n,) to what is back-propagated (n, k)
    scalar: Scalar = "logit"
    batch: int | None = None  # images at a time; None takes as many as make PIXELS, at least 8
    query_block: int = 256  # queries in memory at a time
    # another form of a layer's factors than the cheapest exact one, e.g. a sketch
    choose: FormChooser | None = None
    kept: KeptFactors | None = None  # a store of factors in half precision, read first and filled


EXACT = Settings()  # the logit's gradients, each layer in its cheapest exact form


@dataclass(frozen=True)
class Gram:
    """Inner products of gradients, for each group of layers apart: groups add up."""

    dots: Tensor  # (groups, q, m)
    query_squares: Tensor  # (groups, q) squared norms
    training_squares: Tensor  # (groups, m)
    groups: tuple[str, ...]
    engine: str  # "factors", or "vmap(grad)" and why

    def cosine(self, groups: Sequence[str] | None = None) -> Tensor:
        """Gives the cosines, (q, m) in [-1, 1], over these groups together, or over all.

        NaN where a gradient is zero: there is no epsilon.
        """
        of = [self.groups.index(name) for name in (groups or self.groups)]
        query_norms = self.query_squares[of].sum(0).sqrt()[:, None]
        training_norms = self.training_squares[of].sum(0).sqrt()[None]
        return (self.dots[of].sum(0) / query_norms).div_(training_norms)


def gradient_gram(
    network: nn.Module,
    queries: Labelled,
    training: Labelled,
    layers: Mapping[str, Sequence[str]],
    settings: Settings = EXACT,
    report: Progress | None = None,
) -> Gram:
    """Gives the inner products of every query's gradient with every training image's.

    They are found through factors where those are exact, which the first query shows against plain
    autograd, and else through vmap(grad). The queries' factors stay in memory, `query_block`
    queries at a time; training images stream past them in batches, so that memory grows with
    neither beyond the result. The result does not depend on the batch sizes.

    Args:
        layers: for each group the names of its layers; a layer belongs to the first group that
            names it.
        report: called with (training images done, in all) after each batch.

    Raises:
        UsageError: a name that fits no layer, or answers that carry no gradient.
        DataError: no images, or a label that the scalar needs and that is no class.
        ModelError: gradients that are not finite.
    """
    q, m = len(queries.images), len(training.images)
    if not q or not m:
        raise DataError(f"influence needs queries and training images; found {q} and {m}")
    group_of = _group_of(network, layers)
    modules = dict(inner_model(network).named_modules())
    chosen = {name: modules[name] for name in group_of}
    batch = settings.batch or _fitting_batch(training.images)
    task = Task(queries, training, group_of, tuple(layers), batch, settings.query_block, report)
    with borrowed(network), exact_products():
        try:
            return _through_factors(task, network, chosen, settings)
        except UnfitError as unfit:
            reason = str(unfit)
        require_gradient(network, as_input(queries.images[:1], network), weights=True)
        source = PerSampleSource(network, chosen, settings.scalar, reason)
        log.warning("gradients through %s: about %s", source.engine, task.time_through(source))
        return task.through(source, None)


def _group_of(network: nn.Module, layers: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The number of the group that each layer belongs to."""
    group_of: dict[str, int] = {}
    for at, names in enumerate(layers.values()):
        for name in owners(network, names):
            group_of.setdefault(name, at)
    return group_of


def _fitting_batch(pixels: Tensor) -> int:
    return max(8, PIXELS // (pixels.shape[-1] * pixels.shape[-2]))


def _through_factors(
    task: Task, network: nn.Module, layers: Mapping[str, nn.Module], settings: Settings
) -> Gram:
    """The Gram from factors, held against autograd's first squared norms unless a form was chosen.

    Raises:
        UnfitError: the factors do not give what autograd gives, or cannot be had.
    """
    kept, wanted, joined = settings.kept, None, NONE
    if not settings.choose:
        first = as_input(task.queries.images[:1], network)
        plain = kept.plain_squares if kept else plain_squares
        with joins(network, layers.values()) as watching:
            wanted = plain(network, layers, first, task.queries.labels[:1], settings.scalar)
        joined = watching.found()
    source = FactorSource(
        network,
        layers,
        settings.scalar,
        min(settings.query_block, len(task.queries.images)),
        settings.choose or cheapest_form,
        kept.capture if kept else None,
    )
    with quick_convolutions(network, joined):
        try:
            return task.through(source, wanted)
        except UnfitError as unfit:
            doubt = unfit
    if kept or not _add_up_in_double(task, network, layers, settings.scalar):
        raise doubt
    with quick_convolutions(network, joined):
        return task.through(source, None)


def _add_up_in_double(
    task: Task, network: nn.Module, layers: Mapping[str, nn.Module], scalar: Scalar
) -> bool:
    """Says whether the first query's factors add up to autograd's gradient in float64.

    In float32 the two may differ for a layer that is used as any other: an activation within
    rounding of a kink is on one side of it in one pass, and on the other side in the other.
    """
    query = Labelled(task.queries.images[:1], task.queries.labels[:1])
    try:
        exact = copy.deepcopy(network).double()
        modules = dict(inner_model(exact).named_modules())
        chosen = {name: modules[name] for name in layers}
        first = as_input(query.images, exact)
        wanted = plain_squares(exact, chosen, first, query.labels, scalar)
        source = FactorSource(exact, chosen, scalar, 1, cheapest_form)
        _check_norms(Stage(source, task.group_of, query, 1).first, wanted)
    except Exception as error:  # whatever a user's network does that is copied, or in float64
        log.debug("no factors in float64: %s", error)
        return False
    return True


@dataclass(frozen=True)
class Task:
    """What `gradient_gram` was asked for."""

    queries: Labelled
    training: Labelled
    group_of: Mapping[str, int]
    groups: tuple[str, ...]
    batch: int
    query_block: int
    report: Progress | None

    def time_through(self, source: PerSampleSource) -> str:
        """Says how long all images will take, as the first query takes; that is an upper bound."""
        start = time.perf_counter()
        list(source(self.queries.images[:1], self.queries.labels[:1]))
        q, m = len(self.queries.images), len(self.training.images)
        images = q + m * -(-q // self.query_block)
        return span((time.perf_counter() - start) * images)

    def through(self, source: Source, wanted: Mapping[str, Tensor] | None) -> Gram:
        """Gives the Gram from this source of gradients.

        The first query's squared norm by each layer is to be `wanted`, where that is given.

        Raises:
            UnfitError: it is not, or the source cannot take the model.
        """
        q, m = len(self.queries.images), len(self.training.images)
        steps = Steps(self.report, m * -(-q // self.query_block))
        dots, query_squares, training_squares = [], [], []
        for at in chunks(q, self.query_block):
            block = Labelled(self.queries.images[at], self.queries.labels[at])
            stage = Stage(source, self.group_of, block, self.batch)
            if at.start == 0 and wanted is not None:
                _check_norms(stage.first, wanted)
            products, squares = stage.meet(self.training, steps)
            dots.append(products)
            query_squares.append(stage.squares.cpu())
            training_squares.append(squares)
        return Gram(
            dots=torch.cat(dots, 1),
            query_squares=torch.cat(query_squares, 1),
            training_squares=training_squares[0],
            groups=self.groups,
            engine=source.engine,
        )


def _check_norms(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raises UnfitError where a layer's squared norm from factors is not the one by autograd."""
    rounding = 1e-4 * sum(float(square) for square in wanted.values())  # no cosine shows it
    for layer, square in wanted.items():
        difference = abs(float(found.get(layer, 0.0)) - float(square))
        if difference > 1e-3 * float(square) + rounding:
            raise UnfitError(
                f"the factors of {layer} do not add up to the gradient, so it is used in an "
                "unusual way"
            )


def basis(network: nn.Module, example: Labelled, layers: Sequence[str], scalar: Scalar) -> str:
    """Says in words what is compared: the scalar, the layers, and why vmap(grad) if it is needed.

    Args:
        example: one image.
    """
    gram = gradient_gram(network, example, example, {"all": layers}, Settings(scalar))
    by = f"gradient of the {scalar} by {', '.join(layers)}".replace("{", "").replace("}", "")
    return by if gram.engine == "factors" else f"{by} through {gram.engine}"
