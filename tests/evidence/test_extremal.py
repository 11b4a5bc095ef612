"""Extremal perturbation against its formulas, written out naively, and its promises about area,
symmetry and neighbours.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.lent_network import borrowed, folded, lean
from shortcut_audit.evidence.masks.area import mask_of_area, sharpened
from shortcut_audit.evidence.masks.explainers.extremal import RECIPES, Extremal
from shortcut_audit.evidence.masks.perturbation import gaussian_blur, perturbation_levels, perturbed
from shortcut_audit.evidence.masks.search import Recipe, Reward, nearest_of_area, search
from shortcut_audit.evidence.masks.smooth_maximum import REACH, Grid, kernel

AREAS = st.sampled_from([0.02, 0.05, 0.1, 0.2])


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Tiny(nn.Module):
    """Random convolutions with batch norms that are not the identity; logits of five classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(16, 5)
        draws = generator(0)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=draws) * 0.4)
            for name, buffer in self.named_buffers():
                if "var" in name:
                    buffer.copy_(0.5 + torch.rand(buffer.shape, generator=draws))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(images).mean((2, 3))) * 10
        return logits


def pictures(n: int, side: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Smooth colours with fine noise, (n, 3, side, side), and targets."""
    draws = generator(seed)
    smooth = F.interpolate(
        torch.rand(n, 3, 6, 6, generator=draws), size=(side, side), mode="bilinear"
    )
    return (0.8 * smooth + 0.2 * torch.rand(n, 3, side, side, generator=draws)), torch.randint(
        0, 5, (n,), generator=draws
    )


def smooth_maximum_at(cells: Tensor, row: float, column: float) -> float:
    """The formula for one point, in cells; `cells` (rows, columns) of one mask, mirrored at the
    border by numpy.
    """
    values = []
    cells = torch.from_numpy(np.pad(cells.detach().numpy(), REACH, mode="symmetric"))
    for i in range(round(row) - REACH, round(row) + REACH + 1):
        for j in range(round(column) - REACH, round(column) + REACH + 1):
            distance = ((i - row) ** 2 + (j - column) ** 2) ** 0.5
            k = torch.exp(torch.tensor(-2 * max(0.0, distance / 3 - 0.5) ** 2))
            values.append(float(k * cells[i + REACH, j + REACH]))
    found = torch.tensor(values, dtype=torch.float64)
    return float((found * torch.softmax(20 * found, 0)).sum())


# --- the generator


def test_the_sizes_scale_with_the_image():
    assert [Grid(side, side).step for side in (64, 128, 224, 256)] == [2, 4, 7, 8]
    assert [Grid(side, side).shape for side in (64, 128, 224)] == [(32, 32)] * 3
    assert Grid(65, 100).shape == (33, 50)


def test_both_smooth_maxima_are_the_formula():
    grid = Grid(20, 16)  # a step of one pixel: the coarse grid is the pixels
    cells = torch.rand(2, *grid.shape, generator=generator(1))
    expected = torch.tensor(
        [[[smooth_maximum_at(c, i, j) for j in range(16)] for i in range(20)] for c in cells]
    )
    assert torch.allclose(grid.coarse(cells), expected, atol=1e-5)
    assert torch.allclose(grid.exact(cells), expected, atol=1e-5)


def test_the_exact_mask_lies_between_the_cells():
    grid = Grid(64, 64)
    cells = torch.rand(1, *grid.shape, generator=generator(2))
    exact = grid.exact(cells)[0]
    for row, column in [(0, 0), (5, 6), (17, 40), (63, 62)]:
        found = smooth_maximum_at(cells[0], (row + 0.5) / 2 - 0.5, (column + 0.5) / 2 - 0.5)
        # a pixel's window is its own cell's: rounding .25 and .75 to the nearest cell gives the
        # same one
        assert float(exact[row, column]) == pytest.approx(found, abs=1e-5)


def test_the_coarse_gradient_is_the_derivative():
    grid = Grid(12, 14)
    cells = torch.rand(1, 12, 14, dtype=torch.float64, generator=generator(3), requires_grad=True)
    slope = torch.rand(1, 12, 14, dtype=torch.float64, generator=generator(4))
    (fast,) = torch.autograd.grad((grid.coarse(cells) * slope).sum(), cells)
    (plain,) = torch.autograd.grad((grid.exact(cells) * slope).sum(), cells)
    assert torch.allclose(fast, plain, atol=1e-5)


def test_a_uniform_mask_favours_no_place():
    grid = Grid(64, 96)
    for make in (grid.coarse, grid.exact):
        cells = torch.ones(1, *grid.shape, requires_grad=True)
        mask = make(cells)
        (pull,) = torch.autograd.grad(mask.mean(), cells)
        assert float(mask.detach()[:, ::2, ::2].std()) < 1e-5
        assert float(pull.max() - pull.min()) < 1e-3 * float(pull.mean())


def test_the_kernel_is_flat_then_falls():
    assert kernel(torch.tensor([0.0, 1.5, 4.5])).tolist() == pytest.approx(
        [1, 1, float(torch.exp(torch.tensor(-2.0)))]
    )


# --- the perturbation


@pytest.mark.parametrize("sigma", [0.7, 5.0, 30.0])
def test_blur_is_scipys_with_repeated_borders(sigma):
    image = torch.rand(1, 3, 24, 31, generator=generator(5))
    expected = ndimage.gaussian_filter(
        image.double().numpy(), (0, 0, sigma, sigma), mode="nearest", truncate=4.0
    )
    found = gaussian_blur(image, sigma)
    assert torch.allclose(found.double(), torch.from_numpy(expected), atol=2e-3)
    assert torch.allclose(
        gaussian_blur(torch.full_like(image, 0.7), sigma), torch.full_like(image, 0.7), atol=1e-5
    )


@pytest.mark.parametrize("kind", ["blur_pyramid", "blur", "fade"])
def test_one_keeps_and_zero_perturbs_wholly(kind):
    images, _ = pictures(2, 24)
    levels = perturbation_levels(images, kind)
    assert torch.allclose(perturbed(levels, torch.ones(2, 24, 24)), images, atol=1e-6)
    assert torch.allclose(perturbed(levels, torch.zeros(2, 24, 24)), levels[:, 0])
    assert float(levels.min()) >= 0
    assert float(levels.max()) <= 1 + 1e-5


def test_a_mask_reads_between_two_levels():
    images, _ = pictures(1, 16)
    levels = perturbation_levels(images)
    assert levels.shape[1] == 8
    expected = 0.75 * levels[:, 3] + 0.25 * levels[:, 4]
    assert torch.allclose(perturbed(levels, torch.full((1, 16, 16), 3.25 / 7)), expected, atol=1e-5)
    for level in range(7):
        assert torch.allclose(
            levels[:, level], gaussian_blur(images, 20 * 16 / 224 * (1 - level / 7))
        )


# --- revealing


@given(
    seed=st.integers(0, 99), area=st.floats(0.001, 0.999), values=st.sampled_from([1, 2, 5, 1000])
)
def test_the_top_area_is_exact_whatever_the_ties(seed, area, values):
    saliency = torch.randint(0, values, (2, 9, 11), generator=generator(seed)).float()
    shown = mask_of_area(saliency, area)
    assert shown.sum((1, 2)).tolist() == [max(1, round(area * 99))] * 2
    for one, on in zip(saliency, shown, strict=True):
        assert bool(on.all()) or float(one[on].min()) >= float(one[~on].max())


def test_nan_is_revealed_last_and_a_wrong_area_is_refused():
    saliency = torch.tensor([[[float("nan"), 0.0], [-1.0, -2.0]]])
    assert mask_of_area(saliency, 0.75).tolist() == [[[False, True], [True, True]]]
    for asked in (
        lambda: mask_of_area(saliency, 5),
        lambda: Extremal().explain(Tiny(), *pictures(1, 32), 5),
    ):
        with pytest.raises(
            UsageError, match=r"a share of the image between 0 and 1, not 5; 0\.05 is five per cent"
        ):
            asked()


@given(seed=st.integers(0, 99), area=AREAS, power=st.sampled_from([0.3, 1.0, 6.0]))
@settings(deadline=None, max_examples=30)
def test_sharpened_masks_have_the_area_by_rounding_and_by_mean(seed, area, power):
    smooth = F.interpolate(
        torch.rand(2, 1, 8, 8, generator=generator(seed)), size=(40, 40), mode="bicubic"
    )
    rough = smooth[:, 0].clamp(0, 1) ** power
    masks = sharpened(rough, area)
    assert torch.equal(masks >= 0.5, mask_of_area(rough, area))
    assert (masks.mean((1, 2)) - area).abs().max() <= 0.0025
    assert float(masks.min()) >= 0
    assert float(masks.max()) <= 1


@given(seed=st.integers(0, 99), area=st.floats(0.01, 0.9), values=st.sampled_from([1, 3, 64]))
def test_the_nearest_mask_of_an_area_is_the_sorted_one(seed, area, values):
    draws = generator(seed)
    masks = (
        torch.stack([torch.randperm(64, generator=draws) % values for _ in range(3)]).view(3, 8, 8)
        / values
    )
    areas = torch.full((3,), area)
    ideal = nearest_of_area(masks, areas)
    assert torch.allclose(ideal.mean((1, 2)), areas, atol=1e-5)
    assert torch.equal(nearest_of_area(masks.flip(-1), areas).flip(-1), ideal)
    count = round(area * 64)
    sorted_ones = torch.cat([torch.zeros(64 - count), torch.ones(count)])
    whole = nearest_of_area(masks, torch.full((3,), count / 64))
    expected = (masks.flatten(1).sort(dim=1).values - sorted_ones).square().mean(1)
    if values == 64:  # without ties the two are one
        assert torch.allclose((masks - whole).square().mean((1, 2)), expected, atol=1e-5)


# --- the search


def test_an_exact_search_is_torchs_sgd_on_the_objective():
    images, targets = pictures(1, 16)
    network, recipe = Tiny(), Recipe(12, 0.2, 150.0, 600.0, exact=True)
    levels = perturbation_levels(images)
    found = search(Reward(network), levels, targets, torch.tensor([0.1]), recipe, True)
    grid = Grid(16, 16)
    cells = torch.ones(1, *grid.shape, requires_grad=True)
    optimiser = torch.optim.SGD([cells], lr=0.2, momentum=0.9, dampening=0.9, maximize=True)
    for t in range(12):
        mask = grid.exact(cells)
        seen = perturbed(levels, mask)  # a cell is a pixel here
        logit = network(seen.flip(-1) if t % 2 else seen)[0, targets[0]]
        penalty = (mask - nearest_of_area(mask.detach(), torch.tensor([0.1]))).square().mean()
        optimiser.zero_grad()
        (logit - 150 * 4 ** (t / 11) * penalty).backward()
        optimiser.step()
        with torch.no_grad():
            cells.clamp_(0, 1)
    assert torch.allclose(found.cells, cells.detach(), atol=1e-4)


def revealed_alone(levels: Tensor, cells: Tensor) -> Tensor:
    """The pictures with the cells (n, rows, columns) as they are, and blurred elsewhere."""
    side = levels.shape[-1] // cells.shape[-1]
    pixels = torch.kron(cells, torch.ones(1, side, side))[:, None]
    return levels[:, 0] + pixels * (levels[:, -1] - levels[:, 0])


def test_a_fast_search_steps_by_what_revealed_cells_are_worth():
    images, targets = pictures(3, 64)
    network, recipe = Tiny(), Recipe(4, 0.2, 60.0, 90.0, momentum=0.3, patience=9)
    levels, grid = perturbation_levels(images, "blur"), Grid(64, 64)
    found = search(Reward(network), levels, targets, torch.full((3,), 0.1), recipe, True)
    cells, velocity, visited = torch.ones(3, *grid.shape), torch.zeros(3, *grid.shape), []
    for t in range(4):
        leaf = cells.clone().requires_grad_()
        mask = grid.coarse(leaf)
        ideal = nearest_of_area(mask.detach(), torch.full((3,), 0.1))
        hard = ((ideal > 0.5).float() if t else torch.ones_like(ideal)).requires_grad_()
        value = network(revealed_alone(levels, hard)).gather(1, targets[:, None])[:, 0]
        (worth,) = torch.autograd.grad(value.sum(), hard)
        penalty = (mask - ideal).square().mean((1, 2)).sum()
        (slope,) = torch.autograd.grad((mask * worth).sum() - recipe.weight(t) * penalty, leaf)
        if t:
            visited.append((cells, value.detach()))
        velocity = slope if t == 0 else 0.3 * velocity + 0.7 * slope
        cells = (cells + 0.2 * velocity).clamp(0, 1)
    with torch.no_grad():
        hard = (nearest_of_area(grid.coarse(cells), torch.full((3,), 0.1)) > 0.5).float()
        last = network(revealed_alone(levels, hard)).gather(1, targets[:, None])[:, 0]
    visited.append((cells, last))
    best = torch.stack([value for _, value in visited]).max(0)
    assert torch.allclose(found.score, best.values, atol=1e-3)
    for image, which in enumerate(best.indices.tolist()):
        assert torch.allclose(found.cells[image], visited[which][0][image], atol=1e-3)


def test_an_image_is_done_when_its_patience_is_and_the_others_go_on():
    images, targets = pictures(6, 64)
    rows: list[int] = []

    class Counted(Tiny):
        def forward(self, images: Tensor) -> Tensor:
            rows.append(len(images))
            return super().forward(images)

    levels, areas = perturbation_levels(images, "blur"), torch.full((6,), 0.1)
    for patience in (1, 99):
        rows.clear()
        recipe = Recipe(8, 0.2, 60.0, 90.0, patience=patience)
        found = search(Reward(Counted()), levels, targets, areas, recipe, False)
        assert rows == sorted(rows, reverse=True)
        # one pass a step, and one for where the last step leads
        assert (rows == [6] * 9) == (patience == 99)
        assert int(found.stale.max()) <= patience


def test_the_papers_recipe_is_the_thesiss():
    paper = RECIPES["paper"]
    assert (paper.iterations, paper.rate, paper.exact) == (800, 0.01, True)
    assert [paper.weight(t) for t in (0, 1, 799)] == pytest.approx(
        [300, 300 * 1.0035, 300 * 1.0035**799]
    )


def test_rewards_are_signed_by_variant():
    images, targets = pictures(3, 24)
    network, levels = Tiny(), perturbation_levels(images)
    masks = torch.rand(3, 24, 24, generator=generator(6))
    with torch.no_grad():
        logits = [network(perturbed(levels, each)) for each in (masks, 1 - masks)]
        kept, left = (each[torch.arange(3), targets] for each in logits)
        assert torch.allclose(Reward(network)(levels, masks, targets), kept)
        assert torch.allclose(Reward(network, "delete")(levels, masks, targets), -left)
        assert torch.allclose(Reward(network, "dual")(levels, masks, targets), kept - left)
        others = torch.stack(
            [
                torch.cat([row[:t], row[t + 1 :]]).max()
                for row, t in zip(logits[0], targets, strict=True)
            ]
        )
        assert torch.allclose(Reward(network, contrast=True)(levels, masks, targets), kept - others)


# --- the network


def test_a_lean_network_says_the_same_and_folds_its_norms():
    images, _ = pictures(4, 32)
    network = Tiny().train()
    with borrowed(network), torch.no_grad():
        expected = network(images)
    with lean(network, images[:2]) as logits, torch.no_grad():
        assert torch.allclose(logits(images), expected, rtol=1e-4, atol=1e-3)
        assert not any(
            isinstance(module, nn.BatchNorm2d) for module in folded(network, images).modules()
        )
    assert network.training


class Untraceable(Tiny):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) if float(images.sum()) > 0 else images


def test_what_cannot_be_traced_or_has_a_hook_serves_as_it_is():
    images, _ = pictures(2, 32)
    hooked = Tiny()
    hooked.body.register_forward_hook(lambda _module, _inputs, output: output * 2)
    for network in (Untraceable(), hooked):
        with lean(network, images) as logits, torch.no_grad():
            assert torch.equal(
                logits(images), network(images.contiguous(memory_format=torch.channels_last))
            )


# --- masks


@pytest.mark.parametrize("side", [64, 128, 224])
def test_the_area_comes_out_as_asked(side):
    images, targets = pictures(2, side)
    for area in (0.02, 0.05, 0.1, 0.2):
        made = Extremal().masks(Tiny(), images, targets, area)
        assert (made.masks.mean((1, 2)) - area).abs().max() < 0.005
        assert ((made.masks >= 0.5).float().mean((1, 2)) - area).abs().max() < 0.005
        assert torch.allclose(made.area, made.masks.mean((1, 2)))
        assert made.converged.dtype == torch.bool
        assert float(made.masks.min()) >= 0
        assert float(made.masks.max()) <= 1


def test_areas_may_differ_within_a_batch():
    images, targets = pictures(3, 32)
    areas = torch.tensor([0.02, 0.1, 0.2])
    together = Extremal().masks(Tiny(), images, targets, areas)
    for i, area in enumerate(areas.tolist()):
        alone = Extremal().masks(Tiny(), images[i : i + 1], targets[i : i + 1], area)
        assert torch.allclose(together.masks[i : i + 1], alone.masks, atol=1e-4)
    assert (together.area - areas).abs().max() < 0.005
    with pytest.raises(UsageError, match="3 images need one area, or one each"):
        Extremal().masks(Tiny(), images, targets, areas[:2])


def test_masks_of_a_batch_are_those_of_its_images():
    images, targets = pictures(7, 64)
    together = Extremal().explain(Tiny(), images, targets, 0.05)
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    apart = Extremal(batch=2).explain(Tiny(), images[order], targets[order], 0.05)
    assert torch.allclose(together[order], apart, atol=1e-4)


def test_a_mirrored_image_has_the_mirrored_mask():
    images, targets = pictures(3, 64)
    explainer = Extremal()

    class Mirrored(Tiny):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images.flip(-1))

    found = explainer.explain(Mirrored(), images.flip(-1), targets, 0.1).flip(-1)
    plain = explainer.explain(Tiny(), images, targets, 0.1)
    # sums run in another order, so that two cells at the border of what is revealed may change
    # places
    assert torch.allclose(found, plain, atol=0.02)
    assert ((found >= 0.5) != (plain >= 0.5)).float().mean() < 1e-3


@pytest.mark.parametrize("variant", ["preserve", "delete", "dual"])
def test_the_score_beats_a_random_place(variant):
    images, targets = pictures(6, 64)
    masks = Extremal(variant=variant).explain(Tiny(), images, targets, 0.1)
    reward, levels = Reward(Tiny(), variant), perturbation_levels(images)
    with torch.no_grad():
        here = reward(levels, mask_of_area(masks, 0.1).float(), targets)
        shifted = masks.roll((32, 32), (1, 2))
        elsewhere = reward(levels, mask_of_area(shifted, 0.1).float(), targets)
    assert float((here - elsewhere).mean()) > 0


def test_memory_that_runs_out_halves_the_batch():
    images, targets = pictures(5, 32)

    class Narrow(Tiny):
        room = 2

        def forward(self, images: Tensor) -> Tensor:
            if len(images) > self.room:
                raise RuntimeError("not enough memory")
            return super().forward(images)

    done: list[int] = []
    found = Extremal(batch=8).masks(
        Narrow(), images, targets, 0.1, lambda now, _all: done.append(now)
    )
    assert done == [2, 4, 5]
    Narrow.room = 8
    assert torch.allclose(
        found.masks, Extremal(batch=8).explain(Narrow(), images, targets, 0.1), atol=1e-4
    )


def test_no_images_give_no_masks():
    assert Extremal().explain(
        Tiny(), torch.zeros(0, 3, 32, 32), torch.zeros(0, dtype=torch.int64), 0.1
    ).shape == (0, 32, 32)
