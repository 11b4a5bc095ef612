"""Gradient cosine against plain autograd, at 60 digits where float32 has none left, and on networks
of every shape.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import densenet121, resnet18
from torchvision.models.vision_transformer import VisionTransformer

from shortcut_audit.errors import DataError, ModelError, UsageError
from shortcut_audit.evidence.gradients.gram import Gram, Settings, gradient_gram
from shortcut_audit.evidence.gradients.influence.gradient_cosine import GradientCosine
from shortcut_audit.evidence.gradients.layers_and_scalars import cotangents, default_layers, owners
from shortcut_audit.measures.rankings import (
    permuted_precision,
    precision_at_k,
    spearman,
    top_k_intersection,
)
from shortcut_audit.records import Labelled
from shortcut_audit.subjects.loading.small_resnet import SmallResnet

# torch says that it is slow
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def images(n: int, size: int = 32, seed: int = 0) -> Labelled:
    draw = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=draw)
    return Labelled(pixels, torch.randint(0, 5, (n,), generator=draw))


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A network whose batch norms have seen data, so that none of its parts is an identity."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make()
        with torch.no_grad():
            network.train()(torch.rand(16, 3, 32, 32))
        return network.eval()


def plain_cosine(
    network: nn.Module, parameters: list[Tensor], some: Labelled, scalar: str = "logit"
) -> Tensor:
    """What the scores are by definition: one backward pass for each image, all gradients in full.

    Each image runs beside a copy of itself: torch's batch norm gives one image alone a wrong
    gradient for some strides.
    """
    rows = []
    dtype = parameters[0].dtype
    for image, label in zip(some.images, some.labels, strict=True):
        logits = network(image[None].to(dtype).repeat(2, 1, 1, 1) / 255)[:1]
        value = {
            "logit": lambda logits=logits, label=label: logits[0, label],
            "predicted": lambda logits=logits: logits.max(),
            "loss": lambda logits=logits, label=label: F.cross_entropy(logits, label[None]),
        }[scalar]()
        gradients = torch.autograd.grad(value, parameters, allow_unused=True)
        rows.append(torch.cat([g.flatten() for g in gradients if g is not None]).double())
    stacked = torch.stack(rows)
    unit = stacked / stacked.norm(dim=1, keepdim=True)
    return unit @ unit.T


def parameters(network: nn.Module, layers: tuple[str, ...]) -> list[Tensor]:
    return [
        p
        for layer in owners(network, layers).values()
        for p in layer._parameters.values()
        if p is not None
    ]


def gram(
    network: nn.Module,
    some: Labelled,
    layers: tuple[str, ...],
    scalar: Any = "logit",
    batch: int | None = None,
) -> Gram:
    return gradient_gram(network, some, some, {"all": layers}, Settings(scalar, batch))


class Odd(nn.Module):
    """Every supported kind of layer: strides, dilations, asymmetric kernels, groups, padding modes,
    tokens, norms.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, stride=(3, 2), padding=2)
        self.group_norm = nn.GroupNorm(2, 8)
        self.dilated = nn.Conv2d(8, 8, 3, stride=2, padding=2, dilation=2, bias=False)
        self.wide = nn.Conv2d(8, 12, (1, 5), padding=(0, 2))
        self.grouped = nn.Conv2d(12, 12, 3, padding=1, groups=4)
        self.mirrored = nn.Conv2d(12, 8, 3, padding=1, padding_mode="reflect")
        self.same = nn.Conv2d(8, 8, (2, 4), padding="same")
        self.tight = nn.Conv2d(8, 16, 2, stride=3)
        self.norm = nn.BatchNorm2d(16)
        self.layer_norm = nn.LayerNorm(16)
        self.tokens = nn.Linear(16, 16)
        self.flat_norm = nn.BatchNorm1d(16)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.group_norm(self.first(x)), inplace=True)
        x = self.wide(self.dilated(x)).tanh()
        x = self.same(self.mirrored(self.grouped(x)).tanh())
        x = self.norm(self.tight(x)).flatten(2).mT
        x = self.tokens(self.layer_norm(x)).tanh()
        logits: Tensor = self.head(self.flat_norm(x.mean(1)))
        return logits


class Shared(nn.Module):
    """One layer called twice: no factors, so vmap(grad) must take over."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=4)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(self.twice(self.stem(x)).relu())
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class Overwritten(nn.Module):
    """Uses a convolution's weight behind the layer's back."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=4, bias=False)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu() + F.conv2d(x.square(), self.stem.weight, stride=4)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class InRows(nn.Module):
    """A layer that no picture goes through: its kind has no factors."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=4)
        self.rows = nn.Conv1d(4, 4, 3)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.rows(self.stem(x).flatten(2)).relu()
        logits: Tensor = self.fc(x.mean(2))
        return logits


def vision_transformer() -> nn.Module:
    network = VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5)
    nn.init.normal_(network.heads.head.weight)  # born as zero, which would stop every gradient
    return network


@pytest.mark.parametrize("scalar", ["logit", "predicted", "loss"])
@pytest.mark.parametrize("make", [SmallResnet, Odd], ids=["small_resnet", "odd"])
def test_float64_equals_autograd(make: Callable[..., nn.Module], scalar: str) -> None:
    network = seeded(lambda: make(5) if make is SmallResnet else make()).double()
    layers = ("*",)
    found = gram(network, images(6), layers, scalar, batch=4)
    assert found.engine == "factors"
    expected = plain_cosine(network, parameters(network, layers), images(6), scalar)
    assert float((found.cosine() - expected).abs().max()) < 1e-10


def test_every_layer_alone_equals_autograd() -> None:
    network, some = seeded(Odd).double(), images(3)
    for layer in owners(network, ("*",)):
        expected = plain_cosine(network, parameters(network, (layer,)), some)
        assert float((gram(network, some, (layer,)).cosine() - expected).abs().max()) < 1e-10, layer


@pytest.mark.parametrize("queries", [1, 10_000], ids=["few queries", "many queries"])
def test_both_forms_of_a_convolution_are_exact(queries: int) -> None:
    """Which form is cheapest depends on the number of queries; both must say the same."""
    from shortcut_audit.evidence.gradients.forms import GramForm, RowForm, cheapest_form

    draw = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(128, 128, 3, stride=2, padding=1).double()
    x, g = (
        torch.randn(3, *shape, generator=draw, dtype=torch.float64)
        for shape in ((128, 13, 14), (128, 7, 7))
    )
    one, two = RowForm(layer, 9).factor(x, g), GramForm(layer, 9).factor(x, g)
    torch.testing.assert_close(one.dots(one), two.dots(two))
    torch.testing.assert_close(two.squares(), two.dots(two).diagonal())
    assert isinstance(cheapest_form(layer, x, g, queries), GramForm if queries == 1 else RowForm)


def test_float32_equals_float64_and_the_diagonal_is_one_and_it_is_symmetric() -> None:
    network = seeded(lambda: resnet18(num_classes=5))
    some = images(6, 64)
    scores = GradientCosine().scores(network, some, some)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.diagonal(), 1, atol=2e-6)
    np.testing.assert_allclose(scores, scores.T, atol=2e-6)
    exact = plain_cosine(network.double(), parameters(network, ("layer3", "layer4", "fc")), some)
    assert np.abs(scores - exact.numpy()).max() < 1e-5


@pytest.mark.parametrize(("batch", "query_block"), [(1, 256), (3, 2), (7, 5), (100, 1)])
def test_batch_sizes_do_not_matter(batch: int, query_block: int) -> None:
    network, queries, training = seeded(lambda: SmallResnet(5)), images(5, seed=1), images(9)
    steps: list[tuple[int, int]] = []
    method = GradientCosine(batch=batch, query_block=query_block)
    scores = method.scores(network, queries, training, lambda *step: steps.append(step))
    np.testing.assert_allclose(
        scores, GradientCosine().scores(network, queries, training), atol=2e-6
    )
    assert steps[-1][0] == steps[-1][1] == 9 * -(-5 // query_block)
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})


def test_groups_of_one_pass_add_up_to_every_subset() -> None:
    """Table 5.1 asks for six subsets of layers: one pass answers them all."""
    network, some = seeded(lambda: SmallResnet(5)).double(), images(5)
    parts = {name: (name,) for name in ("fc", "layer4", "layer3", "layer2")}
    together = gradient_gram(network, some, some, parts)
    for subset in (["fc"], ["fc", "layer4"], ["fc", "layer4", "layer3"], list(parts)):
        alone = gram(network, some, tuple(subset)).cosine()
        torch.testing.assert_close(together.cosine(subset), alone, atol=1e-12, rtol=0)


def test_kept_factors_serve_other_queries_and_layers_without_the_model(tmp_path: Path) -> None:
    network, queries, training = seeded(lambda: SmallResnet(5)), images(4, seed=1), images(120)
    exact = {
        layers: GradientCosine(layers, "loss").scores(network, queries, training)
        for layers in ((), ("layer4",))
    }
    keeping = GradientCosine(scalar="loss", batch=40, factors=tmp_path)
    first = keeping.scores(network, queries, training)
    seen: list[int] = []
    handle = network.register_forward_pre_hook(
        lambda _network, arguments: seen.append(len(arguments[0]))
    )
    again = keeping.scores(network, queries, training)
    subset = replace(keeping, layers=("layer4",)).scores(network, queries, training)
    assert seen == []
    for found, layers in ((again, ()), (subset, ("layer4",))):
        np.testing.assert_allclose(found, exact[layers], atol=3e-4)
        assert spearman(found, exact[layers]).mean() >= 0.9999
    np.testing.assert_array_equal(first, again)
    others = images(3, seed=2)
    found = keeping.scores(network, others, training)
    handle.remove()
    assert sum(seen) == 1 + 3  # autograd's check and the new queries
    np.testing.assert_allclose(
        found, GradientCosine(scalar="loss").scores(network, others, training), atol=3e-4
    )
    with torch.no_grad():  # other weights are another model
        network.fc.weight.mul_(-1)
        network.layer4[0].conv1.weight.mul_(2)
    changed = GradientCosine(scalar="loss").scores(network, queries, training)
    np.testing.assert_allclose(keeping.scores(network, queries, training), changed, atol=3e-4)
    assert np.abs(changed - again).max() > 0.01


@pytest.fixture(scope="module")
def saturated() -> tuple[nn.Module, Labelled]:
    """A network that knows its images by heart: 1 - p is exactly 0 in float32 for most of them."""
    network, some = seeded(lambda: SmallResnet(5)), images(24)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    network.train()
    for _ in range(40):
        optimiser.zero_grad()
        F.cross_entropy(network(some.images / 255), some.labels).backward()
        optimiser.step()
    with torch.no_grad():
        network.eval().fc.weight.mul_(4)
        network.fc.bias.mul_(4)
        probability = network(some.images / 255).softmax(1)[range(24), some.labels]
    assert float((probability == 1).float().mean()) > 0.5
    return network, some


def test_a_saturated_model_ranks_as_the_truth_at_sixty_digits(
    saturated: tuple[nn.Module, Labelled],
) -> None:
    network, some = saturated
    layers = ("layer3", "layer4", "fc")
    scores = GradientCosine(scalar="loss").scores(network, some, some)
    exact = deepcopy(network).double()
    rows = []
    with mpmath.workdps(60):
        for image, label in zip(some.images, some.labels, strict=True):
            logits = exact(image[None].double() / 255)
            powers = [mpmath.exp(mpmath.mpf(z)) for z in logits[0].tolist()]
            residual = [power / sum(powers) - (at == int(label)) for at, power in enumerate(powers)]
            largest = max(abs(each) for each in residual)
            seed = torch.tensor([[float(each / largest) for each in residual]], dtype=torch.float64)
            gradients = torch.autograd.grad(logits, parameters(exact, layers), seed)
            row = torch.cat([g.flatten() for g in gradients])
            rows.append(row / row.norm())
    truth = (torch.stack(rows) @ torch.stack(rows).T).numpy()
    assert spearman(scores, truth).min() >= 0.9999
    assert np.abs(scores - truth).max() < 1e-5


def test_the_plain_residual_fails_where_the_unit_residual_does_not(
    saturated: tuple[nn.Module, Labelled],
) -> None:
    """The test above can fail: the usual p - e_y loses its largest entry, and with it the
    direction, on most images.
    """
    network, some = saturated
    logits = network(some.images / 255).detach()
    plain = logits.softmax(1) - F.one_hot(some.labels, 5)
    unit = cotangents(logits, some.labels, "loss")
    assert float((F.cosine_similarity(plain, unit, eps=1e-30) < 0.95).float().mean()) > 0.5
    torch.testing.assert_close(unit.sum(1), torch.zeros(24), atol=1e-6, rtol=0)
    milder = logits.double() / 8  # here float64 still knows the direction, and both agree
    residual = milder.softmax(1) - F.one_hot(some.labels, 5)
    unit = cotangents(milder, some.labels, "loss")
    torch.testing.assert_close(
        F.cosine_similarity(residual, unit, eps=1e-30), torch.ones(24).double(), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(
    ("make", "layers", "reason"),
    [
        (Shared, ("twice", "fc"), "twice is called more than once"),
        (Overwritten, ("stem",), "the factors of stem do not add up to the gradient"),
        (InRows, ("rows", "fc"), "rows is a Conv1d, whose parameters go into torch's conv1d"),
    ],
    ids=["called twice", "weight used twice", "no factors"],
)
def test_what_factors_cannot_do_goes_through_vmap_and_is_said(
    make: Callable[[], nn.Module],
    layers: tuple[str, ...],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    network, some = seeded(make).double(), images(5)
    found = gram(network, some, layers, batch=2)
    assert found.engine.startswith("vmap(grad), because")
    assert reason in found.engine
    assert f"gradients through {found.engine}: about " in caplog.text
    example = Labelled(some.images[:1], some.labels[:1])
    said = GradientCosine(layers).basis(network, example)
    assert said.startswith(
        f"cosine of the gradient of the logit by {', '.join(layers)} through vmap(grad), because"
    )
    expected = plain_cosine(network, parameters(network, layers), some)
    assert float((found.cosine() - expected).abs().max()) < 1e-10


def test_the_check_by_autograd_gives_gradients_and_flags_back() -> None:
    network, some = seeded(lambda: SmallResnet(5)), images(2)
    mine = network.fc.weight.grad = torch.ones_like(network.fc.weight)
    assert gram(network, some, ("layer4", "fc")).engine == "factors"
    assert network.fc.weight.grad is mine
    assert bool((mine == 1).all())
    assert all(p.grad is None for p in network.layer4.parameters())
    assert all(p.requires_grad for p in network.parameters())


def test_an_undefined_score_is_left_out_of_the_audits_numbers() -> None:
    """A zero gradient gives NaN, which every measure hands on as NaN and the harness counts as no
    image.
    """
    scores, flags = np.random.default_rng(0).normal(size=(3, 8)), np.arange(8) < 2
    scores[1, 4] = np.nan
    for measured in (
        precision_at_k(scores, flags, 2),
        top_k_intersection(scores, scores, 2),
        spearman(scores, scores),
    ):
        np.testing.assert_array_equal(np.isnan(measured), [False, True, False])
    assert not np.isnan(permuted_precision(scores, flags, 2, 50, 0)).any()


def test_a_layer_without_influence_on_the_output_is_undefined_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    network, some = seeded(lambda: SmallResnet(5)), images(4)
    with torch.no_grad():
        network.fc.weight[:, :] = 0
    scores = GradientCosine(layers=("layer4",)).scores(network, some, some)
    assert np.isnan(scores).all()
    assert "16 of 16 scores are undefined: the gradient of layer4 is zero" in caplog.text


def test_the_default_layers_are_the_thesis_s_or_the_last_two_stages() -> None:
    from shortcut_audit.subjects.loading.networks import Normalised

    wrapped = Normalised(SmallResnet(5), (0.5,) * 3, (0.5,) * 3)
    assert (
        GradientCosine().layers_used(wrapped)
        == default_layers(SmallResnet(5))
        == ("layer3", "layer4", "fc")
    )
    assert default_layers(densenet121(weights=None))[:2] == (
        "features.transition3",
        "features.denseblock4",
    )
    assert default_layers(vision_transformer())[-2:] == ("encoder.ln", "heads")
    assert default_layers(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 5))) == (
        "0",
        "2",
    )
    assert GradientCosine(layers=("fc",)).layers_used(wrapped) == ("fc",)


def test_a_wrapper_is_looked_through() -> None:
    from shortcut_audit.subjects.loading.networks import Normalised

    inside, some = seeded(lambda: SmallResnet(5)).double(), images(4)
    wrapped = Normalised(inside, (0.4,) * 3, (0.3,) * 3).double().eval()
    found = gram(wrapped, some, ("layer4",)).cosine()
    expected = plain_cosine(wrapped, list(inside.layer4.parameters()), some)
    assert float((found - expected).abs().max()) < 1e-10


def test_errors_say_what_was_asked_and_what_there_is() -> None:
    network, some = seeded(lambda: SmallResnet(5)), images(4)
    with pytest.raises(
        UsageError, match="no layer with parameters called 'layer5'; did you mean 'layer4'"
    ):
        GradientCosine(layers=("layer5",)).scores(network, some, some)
    with pytest.raises(
        DataError, match="needs the class of every image, 0 to 4; found a label of -1"
    ):
        GradientCosine().scores(network, Labelled(some.images, some.labels * 0 - 1), some)
    with pytest.raises(DataError, match="needs queries and training images; found 4 and 0"):
        GradientCosine().scores(network, some, Labelled(some.images[:0], some.labels[:0]))
    broken = seeded(lambda: SmallResnet(5))
    broken.fc.weight.data[0, 0] = torch.inf
    with pytest.raises(ModelError, match="not finite"):
        GradientCosine().scores(broken, some, some)
