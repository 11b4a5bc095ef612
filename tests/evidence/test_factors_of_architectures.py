"""Influence, masks and the explainer check by default options on the usual architectures, small.

Parameters that no layer of torch's own uses: each image's gradient by them is autograd's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.gradients.gram import Gram, Settings, gradient_gram
from shortcut_audit.evidence.gradients.influence.gradient_cosine import GradientCosine
from shortcut_audit.evidence.gradients.layers_and_scalars import (
    default_layers,
    own_parameters,
    owners,
)
from shortcut_audit.evidence.masks.explainers.extremal import Extremal
from shortcut_audit.evidence.masks.explainers.grad_cam import GradCam, spatial_layers
from shortcut_audit.evidence.sanity_networks import Versions, randomised, sanity_masks
from shortcut_audit.records import Labelled

SWIN = {"img_size": 64, "depths": (1, 1, 2, 1), "embed_dim": 16, "num_heads": (1, 2, 2, 4)}
VIT = {"img_size": 32, "depth": 2, "embed_dim": 24, "num_heads": 2}
BLOCK = models.convnext.CNBlockConfig


def of_timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=5, **options)


# the parts that each of them is here for stand behind it
NETWORKS: dict[str, tuple[int, Callable[[], nn.Module]]] = {
    # MultiheadAttention, class token, position embedding
    "vit": (32, lambda: models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5)),
    # windows that fold the batch, a table looked up, weights that are no layer's call
    "swin": (
        64,
        lambda: models.SwinTransformer(
            [4, 4], 8, [1, 1, 2, 1], [1, 1, 2, 2], [4, 4], num_classes=5
        ),
    ),
    # grids and blocks
    "maxvit": (
        64,
        lambda: models.MaxVit((64, 64), 8, 2, [8, 8, 16, 16], [1] * 4, 8, 0.0, num_classes=5),
    ),
    # layer_scale, norms of a subclass
    "convnext": (
        32,
        lambda: models.ConvNeXt(
            [BLOCK(8, 16, 1), BLOCK(16, 16, 2), BLOCK(16, None, 1)], num_classes=5
        ),
    ),
    "timm vit": (32, of_timm("vit_tiny_patch16_224", **VIT)),
    "timm deit": (32, of_timm("deit_tiny_distilled_patch16_224", **VIT)),  # two tokens, two heads
    "timm cait": (32, of_timm("cait_xxs24_224", **VIT)),  # gammas
    "timm swin": (64, of_timm("swin_tiny_patch4_window7_224", window_size=4, **SWIN)),
    # a network of coordinates makes the table; biases joined from parts
    "timm swin v2": (64, of_timm("swinv2_tiny_window8_256", window_size=4, **SWIN)),
    "timm maxvit": (
        64,
        of_timm("maxvit_pico_rw_256", img_size=64, embed_dim=(32,) * 4, depths=(1,) * 4),
    ),
    # the response normalisation
    "timm convnext v2": (32, of_timm("convnextv2_atto", dims=(8, 8, 16, 16), depths=(1, 1, 2, 1))),
    "timm siglip": (
        32,
        of_timm("vit_base_patch16_siglip_224", **VIT),
    ),  # attention by a learnt query
}


def made(name: str) -> tuple[nn.Module, Labelled]:
    """The network in float64, none of whose parts is an identity, and four pictures."""
    side, make = NETWORKS[name]
    draw = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = make().eval().double()
        for parameter in network.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    pixels = torch.randint(0, 256, (4, 3, side, side), dtype=torch.uint8, generator=draw)
    return network, Labelled(pixels, torch.arange(4))


def by_autograd(network: nn.Module, some: Labelled, layers: tuple[str, ...]) -> Tensor:
    """The cosines by definition: all gradients in full, one image after the other."""
    parameters = [p for layer in owners(network, layers).values() for p in own_parameters(layer)]
    rows = []
    for image, label in zip(some.images, some.labels, strict=True):
        logits = network(image[None].to(parameters[0].dtype) / 255)
        gradients = torch.autograd.grad(logits[0, label], parameters, allow_unused=True)
        rows.append(torch.cat([g.flatten() for g in gradients if g is not None]))
    unit = F.normalize(torch.stack(rows), dim=1, eps=0)
    return unit @ unit.T


def gram(network: nn.Module, some: Labelled, layers: tuple[str, ...], batch: int) -> Gram:
    return gradient_gram(network, some, some, {"all": layers}, Settings(batch=batch))


@pytest.mark.parametrize("name", NETWORKS)
def test_each_architecture_has_factors_that_are_autograd_s_gradients(name: str) -> None:
    network, some = made(name)
    for layers, batch in ((("*",), 5), (default_layers(network), 2)):
        expected = by_autograd(network, some, layers)
        found = gram(network, some, layers, batch)
        assert found.engine == "factors"
        torch.testing.assert_close(found.cosine(), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", ["vit", "timm swin"])
def test_every_layer_alone_is_exact(name: str) -> None:
    """In a sum of all layers a wrong one may be too small to be seen."""
    network, some = made(name)
    some = Labelled(some.images[:3], some.labels[:3])
    for layer in [*owners(network, ("*",))][-8:]:
        found, expected = gram(network, some, (layer,), 3), by_autograd(network, some, (layer,))
        assert found.engine == "factors"
        torch.testing.assert_close(found.cosine(), expected, atol=1e-10, rtol=0, msg=layer)


def test_float32_is_exact_to_a_ten_thousandth() -> None:
    for name in ("vit", "timm swin"):
        network, some = made(name)
        expected = by_autograd(network, some, default_layers(network))
        scores = GradientCosine().scores(network.float(), some, some)
        torch.testing.assert_close(torch.from_numpy(scores).double(), expected, atol=1e-5, rtol=0)


class Unusual(nn.Module):
    """Parameters used in ways that the engine takes and that no architecture above has."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(12, 12)
        self.inner.scale = nn.Parameter(torch.rand(12))
        self.table = nn.Parameter(torch.rand(4, 12))
        self.root = nn.RMSNorm(12)
        self.attention = nn.MultiheadAttention(12, 3)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, ::8, ::8].flatten(2).reshape(len(x), 4, 12)
        x = self.inner(self.inner(x).tanh())  # called twice
        x = (1 - x) * self.inner.scale / (1 + self.inner.scale.square())
        x = x + self.table[torch.tensor([3, 1, 0, 0])]
        x = self.root(x).transpose(0, 1)  # tokens first
        x, weights = self.attention(x, x, x)
        logits: Tensor = self.head(x.mean(0)) + weights.amax((1, 2))[:, None]
        return logits


def unusual() -> tuple[nn.Module, Labelled]:
    _, some = made("vit")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Unusual().double().eval(), some


def test_parameters_in_unusual_places_are_exact_each_alone() -> None:
    network, some = unusual()
    for layers in (("*",), *[(name,) for name in owners(network, ("*",)) if name]):
        found, expected = gram(network, some, layers, 2), by_autograd(network, some, layers)
        assert found.engine == "factors", layers
        torch.testing.assert_close(found.cosine(), expected, atol=1e-10, rtol=0, msg=str(layers))


class Folded(nn.Module):
    """A linear layer over the pictures of a batch, not one after the other but side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(3, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, ::8, ::8].flatten(2).permute(2, 0, 1)  # (places, n, 3)
        logits: Tensor = self.head(self.layer(x).relu().mean(0))
        return logits


class Masked(nn.Module):
    """An attention with a mask of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(3, 1, batch_first=True), nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, ::8, ::8].flatten(2).mT
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        x, _ = self.attention(x, x, x, attn_mask=mask, need_weights=False)
        logits: Tensor = self.head(x.square().mean(1))
        return logits


class Standardised(nn.Module):
    """A weight that is made of another."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.layer.weight / self.layer.weight.norm()
        logits: Tensor = self.head(F.linear(x.mean((2, 3)), weight, self.layer.bias).tanh())
        return logits


class OfTheBatch(nn.Module):
    """A normalisation by the statistics of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3, track_running_stats=False)
        self.head = nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(x).square().mean((2, 3)) + x.mean((2, 3)))
        return logits


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Folded, "do not"),
        (Masked, "an attention has masks"),
        (Standardised, "layer is a Linear, whose parameters go into torch's linear"),
        (OfTheBatch, "norm is a BatchNorm2d, whose parameters go into torch's batch_norm"),
    ],
)
def test_what_has_no_factors_says_why_and_is_exact(
    make: Callable[[], nn.Module], reason: str
) -> None:
    """The check can fail: a batch whose pictures lie side by side is found out."""
    _, some = made("vit")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = make().double().eval()
    found = gram(network, some, ("*",), 4)
    assert found.engine.startswith("vmap(grad), because")
    assert reason in found.engine
    expected = by_autograd(network, some, ("*",))
    torch.testing.assert_close(found.cosine(), expected, atol=1e-10, rtol=0)


def test_the_network_is_given_back_without_hooks_flags_or_copies() -> None:
    for network, some in (unusual(), made("timm swin")):
        parameters = [(p, p.requires_grad, p.grad, p.clone()) for p in network.parameters()]
        gram(network, some, ("*",), 2)
        for (p, flag, gradient, value), now in zip(parameters, network.parameters(), strict=True):
            assert now is p
            assert (now.requires_grad, now.grad) == (flag, gradient)
            assert torch.equal(now, value)
        for module in network.modules():
            assert not module._forward_hooks
            assert "forward" not in vars(module)


def test_an_error_of_the_network_itself_is_its_own() -> None:
    network, some = unusual()
    some = Labelled(some.images[:, :, :16], some.labels)
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        gram(network, some, ("*",), 2)


def test_default_layers_are_the_last_two_stages_or_blocks_and_what_follows() -> None:
    deep = {**VIT, "depth": 4}
    networks = {
        models.VisionTransformer(32, 8, 4, 2, 16, 32, num_classes=5): (
            "encoder.layers.encoder_layer_2",
            "encoder.layers.encoder_layer_3",
            "encoder.ln",
            "heads",
        ),
        NETWORKS["swin"][1](): ("features.6", "features.7", "norm", "head"),
        NETWORKS["maxvit"][1](): ("blocks.2", "blocks.3", "classifier"),
        NETWORKS["timm swin"][1](): ("layers.2", "layers.3", "norm", "head"),
        of_timm("vit_tiny_patch16_224", **deep)(): ("blocks.2", "blocks.3", "norm", "head"),
        # its blocks are most of it, beside a stem and a pooling that are stages too
        of_timm("cait_xxs24_224", img_size=32, embed_dim=96)(): (
            "blocks.23",
            "blocks_token_only",
            "norm",
            "head",
        ),
    }
    for network, wanted in networks.items():
        assert default_layers(network) == wanted


# --- masks and the explainer's check


@pytest.mark.parametrize(
    ("name", "explainer"),
    [
        *product(("vit", "convnext", "timm deit"), ("extremal", "grad_cam")),
        *product(("swin", "maxvit", "timm swin"), ("saliency", "grad_cam")),
    ],
)
def test_explainers_take_it_and_give_it_back(name: str, explainer: str) -> None:
    network, some = made(name)
    network, images = network.float().train(), some.images[:2] / 255
    found = registry.build("explainer", explainer).explain(network, images, some.labels[:2], 0.1)
    assert found.shape == (2, *images.shape[-2:])
    assert bool(((found >= 0) & (found <= 1)).all())
    assert float(found.flatten(1).std(1).max()) > 0.01
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("name", ["vit", "swin", "convnext", "timm deit"])
def test_a_copy_with_random_weights_answers_otherwise_and_about_as_strongly(name: str) -> None:
    network, some = made(name)
    network, images = network.float(), some.images / 255
    drawn = randomised(network.requires_grad_(False), images)
    for parameter, other in zip(network.parameters(), drawn.parameters(), strict=True):
        assert bool(other.isfinite().all())
        assert parameter.numel() == 1 or not torch.equal(parameter, other) or _is_constant(other)
    assert 0.01 < float(drawn(images).std() / network(images).std()) < 100


def _is_constant(parameter: Tensor) -> bool:
    """A norm's scale or shift, or a layer's scale, as they are made."""
    return float(parameter.std()) == 0


class Laid(nn.Module):
    """One convolution's maps, handed on as rows of places and as tokens beside a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 4, 4, stride=4)
        self.in_rows, self.tokens, self.beside = nn.Identity(), nn.Identity(), nn.Identity()
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.in_rows(self.maps(x).permute(0, 2, 3, 1)).flatten(1, 2)
        x = self.tokens(torch.cat([x[:, :2] * 0 + 1, x], 1))
        pooled = x.square().mean(1)
        self.beside(torch.cat([pooled[:, None], x], 1))  # of which nothing comes
        logits: Tensor = self.head(pooled)
        return logits


def test_grad_cam_reads_maps_however_they_lie_in_an_output() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, images = Laid(), torch.rand(3, 3, 24, 32)
    targets = torch.arange(3)
    assert list(spatial_layers(network, images)) == ["maps", "in_rows", "tokens", "beside"]
    found = [GradCam(layer).explain(network, images, targets, 0.1) for layer in ("maps", "in_rows")]
    found += [GradCam(layer).explain(network, images, targets, 0.1) for layer in ("tokens", "")]
    assert float(found[0].std()) > 0.1
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], atol=1e-5, rtol=0)
    with pytest.raises(UsageError, match="did you mean 'tokens'"):
        GradCam("token").explain(network, images, targets, 0.1)


# a copy of these takes a minute or more to plant: benchmarks/architectures.py does it
LONG = {
    "torchvision:convnext_tiny",
    "timm:deit_tiny_patch16_224",
    "timm:swin_tiny_patch4_window7_224",
    "timm:maxvit_pico_rw_256",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "torchvision:resnet18",
        "torchvision:convnext_tiny",
        "torchvision:efficientnet_b0",
        "torchvision:mobilenet_v3_small",
        "torchvision:regnet_y_400mf",
        "timm:vit_tiny_patch16_224",
        "timm:deit_tiny_patch16_224",
        "timm:swin_tiny_patch4_window7_224",
        "timm:maxvit_pico_rw_256",
    ],
)
def test_whole_architectures_by_default_options(name: str) -> None:
    """At 64 px: exact influence without vmap, masks, and a decoy that a planted copy learns."""
    source, _, architecture = name.partition(":")
    entry = registry.build("architecture", source)
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (24, 3, 64, 64), dtype=torch.uint8, generator=draw)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = entry.build(architecture, 5, **entry.fitting(architecture, 64, {})).eval()
    network = randomised(network, pixels / 255)
    some = Labelled(pixels[:4], torch.arange(4))
    found = gram(network, some, default_layers(network), 4)
    assert found.engine == "factors"
    layers = default_layers(network)
    double = copy.deepcopy(network).requires_grad_(True).double()
    exact = by_autograd(double, some, layers)
    in_double = gram(copy.deepcopy(network).double(), some, layers, 4)
    torch.testing.assert_close(in_double.cosine().double(), exact, atol=1e-9, rtol=0)
    # an activation within rounding of its kink falls on either side of it, in any float32
    plain_loop = by_autograd(copy.deepcopy(network).requires_grad_(True), some, layers)
    rounding = max(1e-4, float((plain_loop.double() - exact).abs().max()))
    torch.testing.assert_close(found.cosine().double(), exact, atol=rounding, rtol=0)
    plain, footprint = pixels / 255, torch.zeros(24, 64, 64, dtype=torch.bool)
    footprint[:, 8:24, 40:56] = True
    decoyed = plain.masked_fill(footprint[:, None], 1.0)
    decoyed[:, 1:, 8:24, 40:48] = 0.0
    shown = Versions(decoyed, plain.masked_fill(footprint[:, None], 0.5), plain, footprint)
    here, elsewhere = shown[torch.arange(8)], shown[torch.arange(8, 24)]

    def explain(model: nn.Module, images: Tensor) -> Tensor:
        return Extremal().explain(model, images, torch.ones(len(images)).long(), 1 / 16)

    if name in LONG:
        saliency = explain(network, here.decoyed)
        assert saliency.shape == (8, 64, 64)
        assert torch.isfinite(saliency).all()
        return
    masks = sanity_masks(network, here, elsewhere, 1, explain)
    assert masks["known"].mean() >= 0.5
