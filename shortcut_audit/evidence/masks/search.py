"""The search for an extremal mask: gradient ascent on the cells of many images at once.

Each image is searched on its own; no image influences another. An exact search sees the image
through the smooth mask, as the paper does. The other sees the revealed pixels alone: one pass of
the network is then both a step and the score of a mask, and its gradient goes straight through the
rounding (Bengio, Leonard, Courville 2013).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from shortcut_audit.evidence.masks.perturbation import perturbed
from shortcut_audit.evidence.masks.smooth_maximum import Grid

Logits = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """How the cells are optimised; lambda grows geometrically from the first to the last."""

    iterations: int
    rate: float
    first_lambda: float
    last_lambda: float
    momentum: float = 0.9  # and dampening, as in torch's SGD
    # sees through the smooth mask at every pixel and ends with its last cells; else it sees the
    # revealed pixels alone, and ends with the cells that scored best
    exact: bool = False
    patience: int = 1  # masks without a better score after which an image is done, unless exact

    def weight(self, iteration: int) -> float:
        """Gives lambda at an iteration, counted from 0."""
        progress = iteration / max(1, self.iterations - 1)
        return float(self.first_lambda * (self.last_lambda / self.first_lambda) ** progress)


@dataclass(frozen=True)
class Reward:
    """What a mask is to make large, by variant.

    The logit on what the mask keeps (preserve), minus that on what it leaves (delete), or the sum
    of both (dual).
    """

    logits: Logits
    variant: Literal["preserve", "delete", "dual"] = "preserve"
    contrast: bool = False  # the class minus the best other class

    def __call__(
        self, levels: Tensor, masks: Tensor, targets: Tensor, mirrored: bool = False
    ) -> Tensor:
        """Gives the reward, (n,), for levels (n, l, 3, h, w), masks (n, h, w), targets (n,)."""
        rewards = []
        if self.variant != "delete":
            rewards.append(self._value(levels, masks, targets, mirrored))
        if self.variant != "preserve":
            rewards.append(-1.0 * self._value(levels, 1 - masks, targets, mirrored))
        return torch.stack(rewards).sum(0)

    def _value(self, levels: Tensor, masks: Tensor, targets: Tensor, mirrored: bool) -> Tensor:
        """(n,): the target's logit through these masks, or its lead over the best other class."""
        view = perturbed(levels, masks)
        logits = self.logits(view.flip(-1) if mirrored else view)  # (n, k)
        own = logits.gather(1, targets[:, None])[:, 0]
        if not self.contrast:
            return own
        return own - logits.scatter(1, targets[:, None], -torch.inf).amax(1)


@dataclass
class _Running:
    """The images that are still searched; `place` says which of the batch they are."""

    place: Tensor  # (r,)
    levels: Tensor
    targets: Tensor
    areas: Tensor
    cells: Tensor
    velocity: Tensor
    shown: Tensor  # (r, rows, columns) bool: the top `areas` of the masks one iteration ago
    changed: Tensor  # (r,) share of the revealed cells that changed side since

    def keep(self, going: Tensor) -> None:
        """Drops the images that are done."""
        if not bool(going.all()):
            for name, value in vars(self).items():
                setattr(self, name, value[going])


@dataclass(frozen=True)
class Found:
    """What a search ends with, one entry an image."""

    cells: Tensor  # (n, rows, columns) in [0, 1]
    score: Tensor  # (n,) the best reward of revealed pixels seen; -inf in an exact search
    stale: Tensor  # (n,) masks since then
    changed: Tensor  # (n,) share of the revealed cells that changed side in the last iteration

    def note(self, running: _Running, scores: Tensor) -> None:
        """Keeps the cells that score better than any before."""
        better = scores > self.score[running.place]
        place = running.place[better]
        self.cells[place], self.score[place] = running.cells[better], scores[better]
        self.stale[running.place] = torch.where(better, 0, self.stale[running.place] + 1)


def search(
    reward: Reward, levels: Tensor, targets: Tensor, areas: Tensor, recipe: Recipe, mirror: bool
) -> Found:
    """Climbs reward - lambda * mean (m - r)^2 by gradient ascent, from cells of ones.

    Unless it is exact, a search first sees the whole image, then what each mask reveals, and its
    result is the cells whose `areas` highest values, revealed alone, score best. Images never
    influence each other: one that is done leaves the batch.

    Args:
        reward: of masks (n, h, w).
        levels: (n, l, 3, h, w); two of them unless the search is exact, so that the gradient by a
            pixel is what it is worth to reveal it.
        targets: (n,) int64.
        areas: (n,) share of the image for each image.
        recipe: steps and weights.
        mirror: whether every second iteration of an exact search sees the mirrored image.
    """
    grid = Grid(*levels.shape[-2:])
    running, found = _start(levels, targets, areas, grid)
    for iteration in range(recipe.iterations):
        slope, value, shown = _slope(reward, grid, running, recipe, iteration, mirror)
        running.changed = (shown ^ running.shown).float().mean((1, 2)) / running.areas
        running.shown = shown
        if iteration == 0:
            running.velocity = slope
        else:
            running.velocity = recipe.momentum * running.velocity + (1 - recipe.momentum) * slope
        found.changed[running.place] = running.changed
        if iteration and not recipe.exact:
            found.note(running, value)
            running.keep(found.stale[running.place] < recipe.patience)
            if not len(running.place):
                return found
        running.cells = (running.cells + recipe.rate * running.velocity).clamp(0, 1)
    if recipe.exact:
        found.cells[running.place] = running.cells
    else:  # where the last step leads to
        shown = nearest_of_area(grid.coarse(running.cells), running.areas) > 0.5
        found.note(running, reward(running.levels, grid.blocks(shown), running.targets))
    return found


def _start(levels: Tensor, targets: Tensor, areas: Tensor, grid: Grid) -> tuple[_Running, Found]:
    """All images of the batch with cells of ones, and what is found so far: nothing."""
    cells, ones = levels.new_ones(len(levels), *grid.shape), levels.new_ones(len(levels))
    running = _Running(
        place=torch.arange(len(levels), device=levels.device),
        levels=levels,
        targets=targets,
        areas=areas,
        cells=cells,
        velocity=torch.zeros_like(cells),
        shown=torch.zeros_like(cells, dtype=torch.bool),
        changed=ones,
    )
    found = Found(
        cells=cells.clone(),
        score=-torch.inf * ones,
        stale=torch.zeros_like(targets),
        changed=ones.clone(),
    )
    return running, found


def _slope(
    reward: Reward, grid: Grid, running: _Running, recipe: Recipe, iteration: int, mirror: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The objective's gradient by the cells, the reward, and the cells on the top `areas`."""
    with torch.enable_grad():
        cells = running.cells.detach().requires_grad_()
        masks = grid.exact(cells) if recipe.exact else grid.coarse(cells)
        ideal = nearest_of_area(masks.detach(), running.areas)
        shown = (grid.to_cells(ideal) if recipe.exact else ideal) > 0.5
        pixels, mirrored = masks, mirror and iteration % 2 == 1
        if not recipe.exact:
            rounded = shown if iteration else torch.ones_like(shown)
            pixels, mirrored = grid.blocks(rounded + (masks - masks.detach())), False
        value = reward(running.levels, pixels, running.targets, mirrored)
        penalty = (masks - ideal).square().mean((1, 2))
        objective = value - recipe.weight(iteration) * penalty
        (slope,) = torch.autograd.grad(objective.sum(), cells)
    return slope, value.detach(), shown


def nearest_of_area(masks: Tensor, areas: Tensor) -> Tensor:
    """Gives the binary mask of that area nearest to each mask.

    In the paper the sorted mask is held against zeros, then ones; here the same zeros and ones
    stand at the pixels' own places. Where equal values lie on both sides of the border they share
    what is left, so that no place is favoured (law: it commutes with flips).

    Args:
        masks: (n, h, w).
        areas: (n,) shares.

    Returns:
        (n, h, w) in [0, 1], mean `areas`.
    """
    flat = masks.flatten(1)
    count = areas * flat.shape[1]  # (n,) not rounded
    place = (flat.shape[1] - count).floor().long().clamp(0, flat.shape[1] - 1)
    border = flat.sort(dim=1).values.gather(1, place[:, None])  # (n, 1)
    above, equal = flat > border, flat == border
    rest = (count - above.sum(1)) / equal.sum(1)
    return (above + equal * rest[:, None]).view_as(masks)
