"""Grouped convolutions, folded batch norms and sums of millions: the influence is autograd's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.evidence.gradients import gram as gram_module
from shortcut_audit.evidence.gradients.factors import Rows
from shortcut_audit.evidence.gradients.forms import RowForm
from shortcut_audit.evidence.gradients.gram import Settings, gradient_gram
from shortcut_audit.evidence.gradients.layers_and_scalars import own_parameters, owners
from shortcut_audit.evidence.gradients.passes.convolutions import quick_convolutions
from shortcut_audit.evidence.gradients.passes.folding import joins
from shortcut_audit.evidence.gradients.sources import plain_squares
from shortcut_audit.evidence.lent_network import borrowed
from shortcut_audit.records import Labelled


class Inverted(nn.Module):
    """A stem, and a block as MobileNetV3 and EfficientNet have them, with all in-place activations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU()
        )
        self.wide = nn.Conv2d(6, 12, 1)
        self.depth = nn.Conv2d(12, 12, 5, 2, 2, groups=12, bias=False)
        self.norm = nn.BatchNorm2d(12)
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(12, 4, 1), nn.SiLU(True), nn.Conv2d(4, 12, 1)
        )
        self.pairs = nn.Conv2d(12, 8, 3, 1, 1, groups=4)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.wide(self.stem(x)), inplace=True)
        x = F.silu(self.norm(self.depth(x)), inplace=True)
        x = self.pairs(x * self.squeeze(x).sigmoid())
        logits: Tensor = self.head(F.silu(x, inplace=True).mean((2, 3)))
        return logits


class TwiceSeen(Inverted):
    """What the stem's convolution gives is seen by more than its batch norm."""

    def forward(self, x: Tensor) -> Tensor:
        made = self.stem[0](x)
        x = self.wide(self.stem[2](self.stem[1](made)) + made.tanh())
        logits: Tensor = self.head(self.pairs(self.depth(x)).mean((2, 3)))
        return logits


class Behind(Inverted):
    """Uses a convolution's weight without calling the layer."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.wide(x).relu() + F.conv2d(x.square(), self.wide.weight)
        logits: Tensor = self.head(self.pairs(x).mean((2, 3)))
        return logits


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A network in float64 whose batch norms have seen data."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make().train()
        with torch.no_grad():
            network(torch.rand(16, 3, 20, 20))
        return network.eval().double()


def images(n: int, seed: int = 0) -> Labelled:
    draw = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 3, 20, 20), dtype=torch.uint8, generator=draw)
    return Labelled(pixels, torch.randint(0, 5, (n,), generator=draw))


def by_autograd(network: nn.Module, some: Labelled, layers: tuple[str, ...]) -> Tensor:
    """The cosines by definition, all gradients in full."""
    parameters = [p for layer in owners(network, layers).values() for p in own_parameters(layer)]
    rows = []
    for image, label in zip(some.images, some.labels, strict=True):
        logits = network(image[None].to(parameters[0].dtype).repeat(2, 1, 1, 1) / 255)
        gradients = torch.autograd.grad(logits[0, label], parameters, allow_unused=True)
        rows.append(torch.cat([g.flatten() for g in gradients if g is not None]))
    unit = F.normalize(torch.stack(rows), dim=1, eps=0)
    return unit @ unit.T


@pytest.mark.parametrize("make", [Inverted, TwiceSeen])
@pytest.mark.parametrize(
    "layers", [("*",), ("wide", "depth", "norm", "squeeze"), ("pairs", "head")]
)
@pytest.mark.parametrize("n", [3, 20], ids=["few images", "many images"])
def test_a_block_with_depthwise_and_one_pixel_kernels_is_autograd_s(
    make: Callable[[], nn.Module], layers: tuple[str, ...], n: int
) -> None:
    """An activation that changes a convolution's output in place must not cost its gradient."""
    network, some = seeded(make), images(n)
    if make is TwiceSeen and "norm" in layers:
        layers = ("wide", "depth")
    found = gradient_gram(network, some, some, {"all": layers}, Settings(batch=n))
    assert found.engine == "factors"
    expected = by_autograd(network, some, layers)
    torch.testing.assert_close(found.cosine(), expected, atol=1e-10, rtol=0)


def rounded(network: nn.Module, *given: Any) -> dict[str, Tensor]:
    """autograd's squared norms, where float32 has put an activation on the other side of a kink."""
    squares = plain_squares(network, *given)
    single = next(network.parameters()).dtype == torch.float32
    return {name: square * (1.1 if single else 1) for name, square in squares.items()}


def test_a_kink_in_float32_is_no_reason_for_the_slow_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, some = seeded(Inverted).float(), images(3)
    monkeypatch.setattr(gram_module, "plain_squares", rounded)
    assert gradient_gram(network, some, some, {"all": ("*",)}).engine == "factors"
    monkeypatch.setattr(gram_module, "_add_up_in_double", lambda *_: False)
    assert "do not add up" in gradient_gram(network, some, some, {"all": ("*",)}).engine


def test_a_weight_used_behind_its_layer_s_back_is_found_in_float32_as_well() -> None:
    network, some = seeded(Behind).float(), images(3)
    found = gradient_gram(network, some, some, {"all": ("wide",)})
    assert "the factors of wide do not add up to the gradient" in found.engine


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.integers(1, 2),
    mode=st.sampled_from(["zeros", "circular"]),
)
def test_a_depthwise_kernel_s_gradient_is_autograd_s(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: int,
    mode: str,
) -> None:
    padding = [dilation * (k - 1) for k in kernel]
    if mode == "circular":  # it can wrap around once
        padding = [min(p, s) for p, s in zip(padding, size, strict=True)]
        if any(
            s + 2 * p <= dilation * (k - 1) for s, p, k in zip(size, padding, kernel, strict=True)
        ):
            return
    layer = nn.Conv2d(
        4, 4, kernel, stride, tuple(padding), dilation, 4, bias=False, padding_mode=mode
    ).double()
    x = torch.randn(3, 4, *size, dtype=torch.float64)
    output = layer(x)
    g = torch.randn_like(output)
    found = RowForm(layer, 9).factor(x, g)
    for at in range(3):
        expected = torch.autograd.grad(layer(x[at : at + 1]), layer.weight, g[at : at + 1])[0]
        taps = found.rows[at].view(-1, 4).T.view_as(expected)
        torch.testing.assert_close(taps, expected)


def test_the_squared_norm_of_millions_keeps_its_digits() -> None:
    """float32 sums that run on and on lose three of them, and with them every cosine."""
    rows = torch.randn(2, 2_000_000, generator=torch.Generator().manual_seed(0))
    exact = rows.double().square().sum(1)
    torch.testing.assert_close(Rows(rows).squares().double(), exact, rtol=1e-6, atol=0)
    running = torch.einsum("np,np->n", rows, rows).double()
    assert float((running / exact - 1).abs().max()) > 1e-5  # so the test can fail


def folded_pairs(network: nn.Module, *apart: str) -> set[str]:
    """The names of the convolutions that would do a batch norm along."""
    names = {module: name for name, module in network.named_modules()}
    kept = [network.get_submodule(name) for name in apart]
    with borrowed(network), joins(network, kept) as watching, torch.no_grad():
        network(images(1).images.double() / 255)
    return {names[layer] for layer in watching.found()}


def test_a_batch_norm_is_folded_where_nobody_else_sees_what_it_normalises() -> None:
    network = seeded(Inverted)
    assert folded_pairs(network) == {"stem.0", "depth"}
    assert folded_pairs(network, "norm") == folded_pairs(network, "depth") == {"stem.0"}
    assert folded_pairs(seeded(TwiceSeen)) == set()
    network.depth.register_forward_hook(lambda *_: None)
    assert folded_pairs(network) == {"stem.0"}
    assert all(not module._forward_hooks for module in network.stem.modules())


def test_a_folded_batch_norm_gives_the_same_answers_and_is_given_back() -> None:
    network, x = seeded(Inverted), images(4).images.double() / 255
    with borrowed(network), torch.no_grad():
        expected = network(x)
        with joins(network, ()) as watching:
            network(x[:1])
        with quick_convolutions(network, watching.found()):
            for norm in watching.found().values():
                assert norm(x) is x
            torch.testing.assert_close(network(x), expected)
        assert all("forward" not in module.__dict__ for module in network.modules())
        torch.testing.assert_close(network(x), expected)
