"""What has a fixed place: a tag in a corner, a token, a frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from shortcut_audit.contracts import Progress
from shortcut_audit.discovery.appearance.standing_out import (
    FEWEST,
    RARE,
    box_of,
    common_part,
    cut,
    direction,
    in_order,
    shown_by,
    surely,
)
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register

ALIKE = 0.35  # of the usual spread: a plate that is half transparent keeps a quarter of it
RIDGE = 0.02  # of the discriminant, as a share of the mean variance
COMPARED = 200  # pictures of other classes that show how much a window usually varies


@dataclass(frozen=True, eq=False)
class _Map:
    """One class, cell by cell of a grid of g cells, on the half that ranks."""

    scores: np.ndarray  # (g,)
    margins: np.ndarray  # (a, g) of a pictures: how far beyond what is rare elsewhere
    own: np.ndarray  # (a,) these pictures, as indices
    others: np.ndarray  # (b,) the pictures of other classes


@register("proposer")
@dataclass(frozen=True)
class Places:
    """Colours and edges of each cell of a grid, by Fisher's discriminant: class against the rest.

    The score is the share of the class that certainly shows what one in a hundred other pictures
    shows there, times how alike these pictures are in that cell: houses stand on the ground as
    well, but no two in the same colours.
    """

    least: float = 0.04  # score; honest classes stay below it
    most: int = 3  # proposals of a class
    cells: int = 8  # of the grid, along a side

    of_models: ClassVar[bool] = False

    def propose(self, search: Ground, report: Progress | None = None) -> Sequence[Proposal]:
        """Places where a class shows the same thing and the others do not, the likeliest first."""
        seek, rank = in_order(search.parts.search), in_order(search.parts.rank)
        looks = self._looks(seek.pixels[:]), self._looks(rank.pixels[:])
        found: list[Proposal] = []
        for done, target in enumerate(search.targets, 1):
            fitted = looks[0][seek.labels == target], looks[0][seek.labels != target]
            mapped = _mapped(direction(*fitted, RIDGE), looks[1], rank.labels, target)
            found += self._proposed(mapped, rank, target)
            if report:
                report(done, len(search.targets))
        return sorted(found, key=lambda proposal: -proposal.score)

    def _looks(self, pixels: Tensor) -> Tensor:
        """(n, g, 20): colours and edge strengths in the quarters of each of g cells."""
        parts, fine = [], 2 * self.cells
        for some in torch.split(pixels, 500):
            colours = some.float() / 255
            grey = colours.mean(1, keepdim=True)
            across = F.pad((grey[..., 1:] - grey[..., :-1]).abs(), (1, 0))
            down = F.pad((grey[..., 1:, :] - grey[..., :-1, :]).abs(), (0, 0, 1, 0))
            parts.append(F.adaptive_avg_pool2d(torch.cat([colours, across, down], 1), fine))
        quarters = torch.cat(parts).reshape(len(pixels), 5, self.cells, 2, self.cells, 2)
        return quarters.permute(0, 2, 4, 1, 3, 5).reshape(len(pixels), self.cells**2, 20)

    def _proposed(self, mapped: _Map, pictures: Pictures, target: int) -> Iterator[Proposal]:
        """Adjacent cells that stand out are one proposal; the best come first."""
        scores = mapped.scores.reshape(self.cells, self.cells)
        joined, count = ndimage.label(scores >= self.least, np.ones((3, 3)))
        groups = sorted(range(1, count + 1), key=lambda group: -scores[joined == group].max())
        for group in groups[: self.most]:
            best = scores[joined == group].max()
            meant = (joined == group) & (scores >= best / 2)
            proposal = self._proposal(mapped, pictures, target, meant)
            if proposal is not None:
                yield proposal

    def _proposal(
        self, mapped: _Map, pictures: Pictures, target: int, meant: np.ndarray
    ) -> Proposal | None:
        """The cells that are `meant`, (cells, cells) bool, as they look in the clearest pictures.

        None where too few pictures show it to say what is the same in them.
        """
        chosen = _clearest(mapped, meant.ravel())
        if len(chosen) < FEWEST:
            return None
        side = pictures.pixels.shape[2]
        cells, rows, columns = self._window(meant, side)
        region = common_part(
            _floats(cut(pictures, chosen, rows, columns)),
            _floats(cut(pictures, mapped.others[:COMPARED].tolist(), rows, columns)),
            ALIKE,
        )
        region = region if region.any() else cells[rows, columns]
        down, across = box_of(region)
        top, left = rows.start + down.start, columns.start + across.start
        window = slice(top, rows.start + down.stop), slice(left, columns.start + across.stop)
        score = float(mapped.scores[meant.ravel()].max())
        name = pictures.classes[target]
        words = (
            f"at one place, {top} pixels from the top and {left} from the left of {side}, "
            f"pictures of '{name}' show the same thing, which pictures of other classes hardly "
            f"ever show there (score {score:.2f}; honest classes stay below {self.least:g})"
        )
        return Proposal(
            "places",
            name,
            score,
            words,
            crops=cut(pictures, chosen, *window),
            region=region[down, across],
            corner=(top, left),
            side=side,
            sources=tuple(pictures.ids[i] for i in chosen),
        )

    def _window(self, meant: np.ndarray, side: int) -> tuple[np.ndarray, slice, slice]:
        """(side, side) bool of the meant cells, and the rows and columns that hold them.

        The window is one cell wider on each side: a mark need not end where a cell does.
        """
        owner = np.arange(side) * self.cells // side  # (side,) the cell of each pixel
        wide = ndimage.binary_dilation(meant, np.ones((3, 3)))
        return meant[owner][:, owner], *box_of(wide[owner][:, owner])


def _mapped(weights: Tensor, looks: Tensor, labels: np.ndarray, target: int) -> _Map:
    """How each cell ranks by the weights (g, d), on pictures whose looks are (n, g, d)."""
    own, others = np.flatnonzero(labels == target), np.flatnonzero(labels != target)
    projected = torch.einsum("ngd,gd->ng", looks, weights).numpy()
    limit = np.quantile(projected[others], 1 - RARE, axis=0)  # (g,)
    spread = projected[others].std(0) + 1e-6
    margins = (projected[own] - limit) / spread
    certain = surely((margins > 0).sum(0), len(own))
    alike = _alikeness(looks[own], looks[others], margins > 0)
    return _Map(certain * alike, margins, own, others)


def _alikeness(own: Tensor, others: Tensor, hits: np.ndarray) -> np.ndarray:
    """(g,) in [0, 1]: 1 where all pictures that are hit look the same in the cell.

    It is 0 where they differ as much as other classes' pictures do.

    Args:
        own: (a, g, d) looks.
        others: (b, g, d).
        hits: (a, g) bool, which of the a pictures show what is rare elsewhere.
    """
    spread = others.std(0) + 0.01  # (g, d); a cell that never changes has no scale of its own
    usual = _distances(others / spread).median(0).values.clamp(min=1e-6)  # (g,)
    alike = np.zeros(hits.shape[1])
    for cell in np.flatnonzero(hits.sum(0) >= FEWEST):
        shown = own[torch.from_numpy(hits[:, cell]), cell] / spread[cell]
        near = _distances(shown).median() / usual[cell]
        alike[cell] = max(0.0, 1 - float(near))
    return alike


def _distances(looks: Tensor) -> Tensor:
    """Mean squared distances (n, ...) of looks (n, ..., d) from their median."""
    return (looks - looks.median(0).values).square().mean(-1)


def _clearest(mapped: _Map, meant: np.ndarray) -> list[int]:
    """Pictures that show it in most of the meant cells, as indices, the clearest first."""
    margins = mapped.margins[:, meant]  # (a, c)
    shown = np.flatnonzero((margins > 0).mean(1) >= 0.5)
    clearest = shown[np.argsort(-margins[shown].sum(1), kind="stable")]
    return [int(i) for i in mapped.own[shown_by(clearest)]]


def _floats(crops: np.ndarray) -> Tensor:
    """(e, a, b, 3) in [0, 1]."""
    return torch.from_numpy(crops).float() / 255
