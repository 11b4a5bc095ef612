"""Every explainer against captum, scikit-learn or its formula written out naively; and the curves
that say how good one is.
"""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
import torch
from captum import attr
from captum.attr._core.lime import LimeBase
from hypothesis import given
from hypothesis import strategies as st
from planted import ColourNet
from sklearn.linear_model import Ridge
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.masks.area import mask_of_area
from shortcut_audit.evidence.masks.attribution import stretched
from shortcut_audit.evidence.masks.black_box import scores, superpixels
from shortcut_audit.evidence.masks.curves import area_under, deletion_curve, insertion_curve
from shortcut_audit.evidence.masks.explainers.grad_cam import GradCam, cam, spatial_layers
from shortcut_audit.evidence.masks.explainers.guided_backprop import GuidedBackprop
from shortcut_audit.evidence.masks.explainers.integrated_gradients import IntegratedGradients
from shortcut_audit.evidence.masks.explainers.lime import Lime
from shortcut_audit.evidence.masks.explainers.meaningful_perturbation import MeaningfulPerturbation
from shortcut_audit.evidence.masks.explainers.occlusion import Occlusion
from shortcut_audit.evidence.masks.explainers.rise import Rise
from shortcut_audit.evidence.masks.explainers.saliency import Saliency
from shortcut_audit.evidence.masks.explainers.shap import Shap, solution
from shortcut_audit.evidence.masks.perturbation import gaussian_blur, perturbation_levels
from shortcut_audit.subjects.loading.networks import Normalised

HEIGHT, WIDTH = 24, 30
BLACK_BOX = ("lime", "occlusion", "rise", "shap")


class Net(nn.Module):
    """Random convolutions, every ReLU a module of its own; four classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.bend = nn.Conv2d(3, 6, 5, stride=2, padding=2), nn.ReLU()
        self.second, self.bend_again = nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()
        self.head = nn.Linear(8 * 4, 4)
        draws = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=draws) * 0.3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.bend_again(self.second(self.bend(self.first(images))))
        logits: Tensor = self.head(F.adaptive_avg_pool2d(maps, 2).flatten(1))
        return logits


class Functional(Net):
    """The same numbers; its ReLUs are a function, and in place."""

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images)
        maps.relu_()
        maps = F.relu(self.second(maps), inplace=True)
        logits: Tensor = self.head(F.adaptive_avg_pool2d(maps, 2).flatten(1))
        return logits


class BlackBox(Net):
    """The same numbers, and no gradient."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(images)


def pictures(n: int = 3) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(1)
    return torch.rand(n, 3, HEIGHT, WIDTH, generator=draws), torch.arange(n) % 4


def red_square(n: int = 3, side: int = 32, size: int = 8) -> tuple[Tensor, Tensor]:
    """Grey noise (n, 3, side, side) with a red square, and where it is (n, side, side)."""
    draws = torch.Generator().manual_seed(2)
    images = (0.4 + 0.05 * torch.randn(n, 1, side, side, generator=draws)).repeat(1, 3, 1, 1)
    where = torch.zeros(n, side, side, dtype=torch.bool)
    for i in range(n):
        where[i, 5 * i + 4 : 5 * i + 4 + size, 18 - 5 * i : 18 - 5 * i + size] = True
    return torch.where(where[:, None], torch.tensor([1.0, 0.0, 0.0])[:, None, None], images), where


def mean_colour(images: Tensor) -> Tensor:
    return images.mean((2, 3), keepdim=True).expand_as(images)


# --- what all share


@given(
    seed=st.integers(0, 99),
    values=st.sampled_from([1, 3, 50]),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_stretching_keeps_the_order(seed, values, scale):
    raw = (
        torch.randint(0, values, (2, 6, 7), generator=torch.Generator().manual_seed(seed)) - 1
    ) * scale
    found = stretched(raw)
    assert found.dtype == torch.float32
    assert torch.equal(mask_of_area(found, 0.3), mask_of_area(raw, 0.3))
    for before, after in zip(raw, found, strict=True):
        assert (float(after.min()), float(after.max())) == (
            0,
            0 if bool((before == before[0, 0]).all()) else 1,
        )


@pytest.mark.parametrize("name", registry.names("explainer"))
def test_no_images_have_no_maps(name):
    nothing = torch.zeros(0, 3, 24, 24), torch.zeros(0, dtype=torch.int64)
    assert registry.build("explainer", name).explain(Net(), *nothing, 0.1).shape == (0, 24, 24)


def test_memory_that_runs_out_halves_the_batch():
    images, targets = pictures(5)

    class Narrow(Net):
        def forward(self, images: Tensor) -> Tensor:
            if len(images) > 2:
                raise RuntimeError("CUDA out of memory")
            return super().forward(images)

    done: list[int] = []
    found = Saliency(batch=4).explain(
        Narrow(), images, targets, 0.1, lambda now, _all: done.append(now)
    )
    assert done == [2, 4, 5]
    assert torch.allclose(found, Saliency().explain(Net(), images, targets, 0.1), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("rise", "samples", 0),
        ("rise", "keep", 1.0),
        ("occlusion", "patch", 0),
        ("shap", "across", 1),
        ("saliency", "batch", 0),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(name, option, value):
    with pytest.raises(
        UsageError,
        match=rf"explainer '{name}': option '{option}' cannot be {value}: Input should be",
    ):
        registry.build("explainer", name, {option: value})


# --- gradients


def test_saliency_is_captums():
    images, targets = pictures()
    expected = attr.Saliency(Net()).attribute(images.clone().requires_grad_(), targets).amax(1)
    assert torch.allclose(
        Saliency().explain(Net(), images, targets, 0.1), stretched(expected), atol=1e-5
    )


@pytest.mark.parametrize("network", [Net(), Functional()])
def test_guided_backprop_is_captums_and_sees_every_kind_of_relu(network):
    images, targets = pictures()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum's own
        expected = (
            attr.GuidedBackprop(Net())
            .attribute(images.clone().requires_grad_(), targets)
            .abs()
            .amax(1)
        )
    found = GuidedBackprop().explain(network, images, targets, 0.1)
    assert torch.allclose(found, stretched(expected), atol=1e-5)
    assert not torch.allclose(found, Saliency().explain(network, images, targets, 0.1), atol=1e-2)


def test_guided_backprop_by_hand():
    """Two layers on pixels alone: slope = head > 0, times the ReLU's gate, times the kernel."""
    network = ColourNet(5.0)
    images, _ = pictures(2)
    gates = F.conv2d(images, network.conv.weight, network.conv.bias) > 0  # (n, 4, h, w)
    positive = network.fc.weight[0].clamp(min=0)[:, None, None] / (HEIGHT * WIDTH)  # (4, 1, 1)
    slope = torch.einsum("nfhw,fc->nchw", gates * positive, network.conv.weight[:, :, 0, 0])
    found = GuidedBackprop().explain(network, images, torch.zeros(2, dtype=torch.int64), 0.1)
    assert torch.allclose(found, stretched(slope.abs().amax(1)), atol=1e-5)


@pytest.mark.parametrize("absence", ["fade", "blur"])
def test_integrated_gradients_are_complete_and_the_formulas(absence):
    images, targets = pictures()
    network, absent = Net(), perturbation_levels(images, absence)[:, 0]
    found = (
        IntegratedGradients(steps=100, absence=absence)
        .added(network, images.clone().requires_grad_(), targets)
        .detach()
    )
    with torch.no_grad():
        rise = (network(images) - network(absent)).gather(1, targets[:, None])[:, 0]
    assert torch.allclose(found.sum((1, 2)), rise, atol=2e-3)
    naive = torch.zeros_like(images)
    for step in range(400):  # the midpoint rule
        point = (absent + (step + 0.5) / 400 * (images - absent)).requires_grad_()
        naive += (
            torch.autograd.grad(network(point).gather(1, targets[:, None]).sum(), point)[0] / 400
        )
    naive = (naive * (images - absent)).sum(1)
    assert float((found - naive).abs().mean() / naive.abs().mean()) < 0.01
    maps = IntegratedGradients(steps=100, absence=absence).explain(network, images, targets, 0.1)
    assert torch.allclose(maps, stretched(found), atol=1e-4)


def test_grad_cam_by_hand():
    images, targets = pictures()
    network = Net()
    # (n, 8, 12, 15)
    maps = F.relu(network.second(F.relu(network.first(images)))).detach().requires_grad_()
    logits = network.head(F.adaptive_avg_pool2d(maps, 2).flatten(1))
    (slope,) = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), maps)
    weighted = (slope.mean((2, 3), keepdim=True) * maps).sum(1).clamp(min=0).detach()
    expected = F.interpolate(
        weighted[:, None], size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False
    )[:, 0]
    assert torch.allclose(
        cam(network.bend_again, network, images.requires_grad_(), targets), expected, atol=1e-6
    )
    images = images.detach()
    assert torch.allclose(
        GradCam().explain(network, images, targets, 0.1), stretched(expected), atol=1e-5
    )
    other = GradCam(layer="first").explain(network, images, targets, 0.1)
    assert not torch.allclose(other, stretched(expected), atol=1e-2)


def test_grad_cam_finds_the_last_maps_and_names_what_is_wrong():
    images, targets = pictures(2)
    wrapped = Normalised(resnet18(), (0.5,) * 3, (0.2,) * 3)
    assert list(spatial_layers(wrapped, torch.rand(2, 3, 64, 64)))[-1] == "layer4"
    with pytest.raises(
        UsageError, match="no layer with feature maps is called 'secnd'; did you mean 'second'"
    ):
        GradCam(layer="secnd").explain(Net(), images, targets, 0.1)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * HEIGHT * WIDTH, 4))
    with pytest.raises(UsageError, match="this network has none; use extremal"):
        GradCam().explain(flat, images, targets, 0.1)


# --- black boxes


@pytest.mark.parametrize("name", BLACK_BOX)
def test_a_black_box_needs_no_gradient(name):
    images, targets = pictures()
    explainer = registry.build("explainer", name)
    found = explainer.explain(BlackBox(), images, targets, 0.1)
    assert torch.allclose(found, explainer.explain(Net(), images, targets, 0.1), atol=1e-4)
    assert float(found.amax((1, 2)).min()) == 1


@pytest.mark.parametrize("score", ["probability", "logit"])
@pytest.mark.parametrize("absence", ["fade", "blur"])
def test_scores_are_those_of_each_view(absence, score):
    images, targets = pictures()
    masks = torch.rand(37, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(3))
    absent = mean_colour(images) if absence == "fade" else gaussian_blur(images, 20 * HEIGHT / 224)
    network = Net().requires_grad_(False)
    found = scores(network, images, targets, masks, absence, score)
    for i, j in itertools.product(range(3), (0, 15, 16, 36)):
        logits = network((masks[j] * images[i] + (1 - masks[j]) * absent[i])[None])[0]
        expected = logits.softmax(0) if score == "probability" else logits
        assert float(found[i, j]) == pytest.approx(float(expected[targets[i]]), abs=1e-5)


@pytest.mark.parametrize(("patch", "stride"), [(0.2, 0.05), (0.3, 0.2), (0.25, 0.25)])
def test_occlusion_is_captums(patch, stride):
    images, targets = pictures()
    network, explainer = Net(), Occlusion(patch, stride)
    side, step = round(patch * HEIGHT), max(1, round(stride * HEIGHT))
    expected = attr.Occlusion(network).attribute(
        images,
        (3, side, side),
        (3, step, step),
        baselines=mean_colour(images),
        target=targets,
        perturbations_per_eval=16,
    )[:, 0]
    probes = explainer.probes(HEIGHT, WIDTH)
    with torch.no_grad():
        found = probes.saliency(scores(network, images, targets, probes.masks, score="logit"))
    assert torch.allclose(found, expected.float(), atol=1e-5)
    assert torch.allclose(
        explainer.explain(network, images, targets, 0.1), stretched(expected), atol=1e-3
    )


def test_rise_is_the_naive_loop():
    images, targets = pictures(2)
    network, explainer = Net().requires_grad_(False), Rise(samples=20, keep=0.4)
    rng = np.random.default_rng((0, HEIGHT, WIDTH))
    # cells of 3 pixels, one more than needed
    kept, shifts = rng.random((20, 1, 9, 11)) < 0.4, rng.integers(0, 3, (2, 20, 1))
    expected = torch.zeros(2, HEIGHT, WIDTH)
    for grid, down, right in zip(kept, shifts[0, :, 0], shifts[1, :, 0], strict=True):
        large = F.interpolate(
            torch.from_numpy(grid).float()[None], scale_factor=3, mode="bilinear"
        )[0, 0]
        mask = large[down : down + HEIGHT, right : right + WIDTH]
        seen = mask * images + (1 - mask) * mean_colour(images)
        expected += (
            network(seen).softmax(1).gather(1, targets[:, None])[:, :, None] * mask / (20 * 0.4)
        )
    probes = explainer.probes(HEIGHT, WIDTH)
    assert torch.allclose(
        probes.saliency(scores(network, images, targets, probes.masks)), expected, atol=1e-5
    )
    assert torch.allclose(
        explainer.explain(network, images, targets, 0.1), stretched(expected), atol=1e-3
    )


@pytest.mark.parametrize(("height", "width"), [(64, 64), (20, 37)])
def test_rises_masks_keep_their_share_everywhere(height, width):
    masks = Rise(samples=2000, keep=0.3).masks(height, width)
    assert masks.shape == (2000, height, width)
    assert float(masks.min()) >= 0
    assert float(masks.max()) <= 1
    # a pixel's standard error is at most sqrt(0.21 / 2000) = 0.0102; five of them
    assert float((masks.mean(0) - 0.3).abs().max()) < 0.051
    assert float((masks.mean() - 0.3).abs()) < 0.005


def test_superpixels_are_squares():
    places = superpixels(24, 36, 2)
    assert places.unique(return_counts=True)[1].tolist() == [144] * 6
    assert places[0, [0, 11, 12, 35]].tolist() == [0, 0, 1, 2]
    assert places[[11, 12, 23], 0].tolist() == [0, 3, 3]
    assert superpixels(5, 5, 8).unique().tolist() == list(range(25))


def test_lime_is_captums_on_the_same_samples():
    images, targets = pictures(1)
    network, explainer = Net().requires_grad_(False), Lime(samples=60, across=3)
    probes = explainer.probes(HEIGHT, WIDTH)
    features = int(probes.places.max()) + 1
    design = torch.stack(
        [probes.masks[:, probes.places == place][:, 0] for place in range(features)], dim=1
    )
    samples = iter(design)

    class SkRidge:
        def fit(self, data):
            x, y, w = (torch.cat(each) for each in zip(*data, strict=True))
            self.coefficients = torch.from_numpy(Ridge(alpha=1.0).fit(x, y, sample_weight=w).coef_)

        def representation(self):
            return self.coefficients

    lime = LimeBase(
        lambda views: network(views).softmax(1),
        SkRidge(),
        similarity_func=lambda _image, _view, kept, **_: torch.exp(
            -((1 - F.cosine_similarity(kept, kept * 0 + 1)) ** 2) / 0.25**2
        ),
        perturb_func=lambda _image, **_: next(samples)[None],
        perturb_interpretable_space=True,
        from_interp_rep_transform=lambda kept, image, **_: torch.where(
            kept[0, probes.places] > 0.5, image, mean_colour(image)
        ),
        to_interp_rep_transform=None,
    )
    expected = lime.attribute(images, target=targets, n_samples=60)
    found = probes.saliency(scores(network, images, targets, probes.masks))[0]
    assert torch.allclose(found, expected.flatten()[probes.places].to(found), atol=1e-6)
    assert float(found.std()) > 1e-4


def test_exact_shap_is_captums_shapley_value():
    images, targets = pictures(2)
    network, explainer = Net().requires_grad_(False), Shap(across=2)
    probes = explainer.probes(HEIGHT, WIDTH)  # 2 x 2 or 2 x 3 squares: every coalition
    features = int(probes.places.max()) + 1
    assert len(probes.masks) == 2**features
    found = probes.saliency(scores(network, images, targets, probes.masks, score="logit"))
    expected = torch.zeros(2, HEIGHT, WIDTH)
    for order in itertools.permutations(range(features)):
        kept = torch.zeros(HEIGHT, WIDTH)
        before = network(mean_colour(images)).gather(1, targets[:, None])
        for place in order:
            kept = kept + (probes.places == place)
            after = network(kept * images + (1 - kept) * mean_colour(images)).gather(
                1, targets[:, None]
            )
            expected += (
                (after - before)[:, :, None] * (probes.places == place) / math.factorial(features)
            )
            before = after
    assert torch.allclose(found.float(), expected, atol=1e-5)
    captums = attr.ShapleyValues(network).attribute(
        images,
        mean_colour(images),
        targets,
        feature_mask=probes.places.repeat(1, 3, 1, 1),
        perturbations_per_eval=8,
    )
    assert torch.allclose(found.float(), captums[:, 0], atol=1e-5)


def test_sampled_shap_adds_up_and_comes_near_the_exact_values():
    draws = torch.Generator().manual_seed(4)
    pairs = torch.randn(9, 9, generator=draws, dtype=torch.float64)

    def game(members: Tensor) -> Tensor:
        """v(S) = sum of the pairs inside; its Shapley value is half of a player's pairs, and all of
        its own square.
        """
        return ((members @ pairs) * members).sum(1)

    exact = (pairs.sum(0) + pairs.sum(1)) / 2
    # 510 coalitions are all; a pair and its complement cancel much of the rest
    for samples, error in ((600, 1e-9), (200, 0.25)):
        design, weights = Shap(samples=samples).coalitions(9)
        found = game(design) @ solution(design, weights)
        assert float(found.sum()) == pytest.approx(float(pairs.sum()), abs=1e-8)
        assert float((found - exact).square().mean().sqrt() / exact.std()) < error
        assert len(design) == min(samples, 510) + 2


def test_shap_draws_coalitions_by_the_kernel():
    design, _ = Shap(samples=4000).coalitions(20)
    sizes = torch.bincount(design[2:].sum(1).long(), minlength=21)[1:20] / 4000
    chances = torch.tensor([1 / (size * (20 - size)) for size in range(1, 20)])
    # five standard errors of a share near 0.15 of 2000 independent pairs
    assert float((sizes - chances / chances.sum()).abs().max()) < 0.04
    assert torch.equal(design[2:2002] + design[2002:], torch.ones(2000, 20, dtype=torch.float64))


# --- meaningful perturbation


@pytest.mark.parametrize("game", ["preserve", "delete"])
def test_both_games_find_the_bait_and_their_objective_falls(game):
    images, where = red_square()
    network, targets = ColourNet(60.0).requires_grad_(False), torch.zeros(3, dtype=torch.int64)
    explainer = MeaningfulPerturbation(game)
    masks = explainer.explain(network, images, targets, 0.05)
    on_bait = (masks * where).sum((1, 2)) / masks.sum((1, 2))
    assert float(on_bait.min()) > 0.6
    cells = F.interpolate(masks[:, None], size=(28, 28), mode="bilinear", align_corners=False)
    levels = perturbation_levels(images, "blur")
    after, all_kept, none_kept = (
        explainer.objective(network, levels, targets, each, (0, 0))
        for each in (cells, cells * 0 + 1, cells * 0)
    )
    assert bool((after < all_kept).all())
    assert bool((after < none_kept).all())


@pytest.mark.parametrize("game", ["preserve", "delete"])
def test_the_objective_is_the_formula(game):
    images, targets = pictures(2)
    network = Net().requires_grad_(False)
    cells = torch.rand(2, 1, 28, 35, generator=torch.Generator().manual_seed(5))
    explainer = MeaningfulPerturbation(game, size=0.7, smooth=2.0)
    found = explainer.objective(
        network, perturbation_levels(images, "blur"), targets, cells, (1, -2)
    )
    for i in range(2):
        mask = F.interpolate(cells[i : i + 1], size=(HEIGHT, WIDTH), mode="bilinear")[0, 0]
        kept = mask if game == "preserve" else 1 - mask
        seen = kept * images[i] + (1 - kept) * gaussian_blur(images[i], 20 * HEIGHT / 224)
        chance = network(torch.roll(seen, (1, -2), (1, 2))[None]).softmax(1)[0, targets[i]]
        grid = cells[i, 0].numpy()
        variation = (np.abs(np.diff(grid, axis=0)) ** 3).mean() + (
            np.abs(np.diff(grid, axis=1)) ** 3
        ).mean()
        expected = (
            0.7 * float(mask.mean())
            + 2.0 * variation
            + float(chance) * (1 if game == "delete" else -1)
        )
        assert float(found[i]) == pytest.approx(expected, abs=1e-4)


def test_jitter_is_the_same_for_every_run_and_scales_with_the_image():
    explainer = MeaningfulPerturbation()
    shifts = explainer.shifts(224, 224)
    assert shifts == explainer.shifts(224, 224)
    assert {each for pair in shifts for each in pair} == set(range(-4, 5))
    assert {each for pair in explainer.shifts(64, 64) for each in pair} == {-1, 0, 1}
    assert set(MeaningfulPerturbation(jitter=0).shifts(64, 64)) == {(0, 0)}


def test_masks_of_a_batch_are_those_of_its_images():
    images, targets = pictures(5)
    together = MeaningfulPerturbation(iterations=60).explain(Net(), images, targets, 0.05)
    order = torch.tensor([3, 0, 2, 1, 4])
    apart = MeaningfulPerturbation(iterations=60, batch=2).explain(
        Net(), images[order], targets[order], 0.05
    )
    assert torch.allclose(together[order], apart, atol=1e-4)


# --- curves


def naive_curves(
    network: nn.Module, image: Tensor, target: int, saliency: Tensor, steps: int
) -> tuple[list[float], list[float]]:
    absent = gaussian_blur(image, 20 * min(image.shape[1:]) / 224)
    order = sorted(
        range(saliency.numel()), key=lambda place: (-float(saliency.flatten()[place]), place)
    )
    deletion, insertion = [], []
    for step in range(steps + 1):
        gone = torch.zeros(saliency.numel(), dtype=torch.bool)
        gone[order[: round(step * len(order) / steps)]] = True
        gone = gone.view_as(saliency)
        for curve, seen in (
            (deletion, torch.where(gone, absent, image)),
            (insertion, torch.where(gone, image, absent)),
        ):
            curve.append(float(network(seen[None]).softmax(1)[0, target]))
    return deletion, insertion


@pytest.mark.parametrize("values", [3, 10_000])
def test_curves_are_the_naive_loop(values):
    images, targets = pictures()
    network = Net().requires_grad_(False)
    saliency = torch.randint(
        0, values, (3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(6)
    ).float()
    expected = [
        naive_curves(network, *each, 7)
        for each in zip(images, targets.tolist(), saliency, strict=True)
    ]
    found = [
        make(network, images, targets, saliency, steps=7)
        for make in (deletion_curve, insertion_curve)
    ]
    for curves, naive in zip(found, zip(*expected, strict=True), strict=True):
        assert torch.allclose(curves, torch.tensor(naive), atol=1e-5)
        assert np.allclose(area_under(curves), np.trapezoid(np.array(naive), axis=1) / 7, atol=1e-5)


def test_the_bait_is_the_best_saliency_and_its_reverse_the_worst():
    images, where = red_square()
    network, targets = ColourNet(60.0), torch.zeros(3, dtype=torch.int64)
    for make, sign in ((deletion_curve, 1), (insertion_curve, -1)):
        good, bad = (
            sign * area_under(make(network, images, targets, each))
            for each in (where.float(), (~where).float())
        )
        assert bool((good < bad - 0.2).all())
    # 1/16 is the named_decoy's area
    deletion = deletion_curve(network, images, targets, where.float(), steps=16)
    assert float(deletion[:, 0].min()) > 0.8
    assert torch.allclose(
        deletion[:, -1], insertion_curve(network, images, targets, where.float(), steps=16)[:, 0]
    )
    assert deletion_curve(network, images[:0], targets[:0], where[:0].float(), steps=4).shape == (
        0,
        5,
    )


def test_the_area_under_a_curve():
    assert area_under(torch.tensor([[1.0, 1, 1], [1, 0.5, 0], [0, 1, 0]])).tolist() == [1, 0.5, 0.5]


def test_guided_backprop_takes_a_relu_called_by_keyword():
    class Keyword(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, 3, padding=1)
            self.head = nn.Linear(4, 2)

        def forward(self, images):
            return self.head(nn.functional.relu(input=self.convolution(images)).mean((2, 3)))

    torch.manual_seed(0)
    shown = registry.build("explainer", "guided_backprop").explain(
        Keyword(), torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), 0.1
    )
    assert shown.shape == (2, 8, 8)
