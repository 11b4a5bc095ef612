"""What is on the whole picture: out of focus, blocks, another light, a frame, a texture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from shortcut_audit import registry
from shortcut_audit.contracts import Progress
from shortcut_audit.discovery.appearance.standing_out import (
    FEWEST,
    RARE,
    direction,
    in_order,
    shown_by,
    surely,
)
from shortcut_audit.discovery.appearance.traces import TRACES, Trace, rim_pixels
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.errors import UsageError
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register

RIDGE = 0.1  # of the discriminant, as a share of the mean variance
TRIED = 24  # pictures of other classes on which the decoy's options are tried
SMALLEST = 16  # side in pixels, or there are no blocks, bands and rings


@dataclass(frozen=True, eq=False)
class _Halves:
    """The half of the pictures that is searched, and the half that ranks."""

    seek: Pictures
    rank: Pictures


@register("proposer")
@dataclass(frozen=True)
class ImageWide:
    """Traces of each decoy that changes the whole picture, by Fisher's discriminant.

    The score is the share of the class that certainly has what one in a hundred other pictures has,
    beyond the share that honest classes reach: cats are softer than houses, and nobody is to blame.
    """

    least: float = 0.02  # score; honest classes stay below it
    most: int = 3  # proposals of a class

    of_models: ClassVar[bool] = False

    def propose(self, search: Ground, report: Progress | None = None) -> Sequence[Proposal]:
        """Decoys of the registry that do to any picture what stands out, the likeliest first."""
        halves = _Halves(in_order(search.parts.search), in_order(search.parts.rank))
        if min(halves.seek.pixels.shape[2:]) < SMALLEST:
            return []
        found: list[Proposal] = []
        for done, trace in enumerate(TRACES, 1):
            rows = _rows(trace, halves.seek.pixels[:]), _rows(trace, halves.rank.pixels[:])
            for target in search.targets:
                found += self._of_class(trace, halves, rows, target)
            if report:
                report(done, len(TRACES))
        found.sort(key=lambda proposal: -proposal.score)
        return list(_at_most(self.most, found))

    def _of_class(
        self, trace: Trace, halves: _Halves, rows: tuple[Tensor, Tensor], target: int
    ) -> Iterator[Proposal]:
        """The trace's proposal for a class, where it stands out there.

        rows: (n, d) what the pictures of each half have of the trace.
        """
        searched = halves.seek.labels == target
        middle, spread = rows[0][~searched].mean(0), rows[0][~searched].std(0) + 1e-6
        seek, rank = ((each - middle) / spread for each in rows)
        weights = direction(seek[searched, None], seek[~searched, None], RIDGE)[0]  # (d,)
        own = np.flatnonzero(halves.rank.labels == target)
        others = np.flatnonzero(halves.rank.labels != target)
        ranked = (rank @ weights).numpy()
        limit = np.quantile(ranked[others], 1 - RARE)
        hits = int((ranked[own] > limit).sum())
        score = float(surely(np.array(hits), len(own))) - trace.natural
        if hits < FEWEST or score < self.least:
            return
        shown = shown_by(own[np.argsort(-ranked[own], kind="stable")][:hits])
        options = _fitted(trace, halves.rank, shown, others[:TRIED])
        if options is None:
            return
        name = halves.rank.classes[target]
        yield Proposal(
            "image_wide",
            name,
            score,
            f"{hits} of {len(own)} pictures of '{name}' are {trace.seen}, more than "
            f"{100 * (1 - RARE):.0f} in 100 other pictures are ({_worded(options)} does the same)",
            side=halves.rank.pixels.shape[2],
            filter=options,
            sources=tuple(halves.rank.ids[i] for i in shown),
        )


def _rows(trace: Trace, pixels: Tensor) -> Tensor:
    """(n, d) of pixels (n, 3, h, w) uint8."""
    return torch.cat([trace.of(some.float() / 255) for some in torch.split(pixels, 200)])


def _at_most(most: int, proposals: Sequence[Proposal]) -> Iterator[Proposal]:
    """The first `most` of each class."""
    given: dict[str, int] = {}
    for proposal in proposals:
        given[proposal.target] = given.get(proposal.target, 0) + 1
        if given[proposal.target] <= most:
            yield proposal


def _fitted(
    trace: Trace, pictures: Pictures, shown: np.ndarray, others: np.ndarray
) -> dict[str, Any] | None:
    """The decoy's options that leave on other pictures what the pictures shown have.

    None where no decoy can do it: a grey frame, say, has no control, or none brings the others at
    least half of the way to what the pictures shown have.
    """
    wanted, plain = _rows(trace, pictures.pixels[shown]), _rows(trace, pictures.pixels[others])
    spread, ids = plain.std(0) + 1e-6, [pictures.ids[i] for i in others]
    best, least = None, float((((plain.mean(0) - wanted.mean(0)) / spread) / 2).square().sum())
    for tried in trace.tries():
        if trace.decoy == "coloured_border":
            edge = rim_pixels(pictures.pixels[shown].float())
            tried["colour"] = [
                round(float(each)) for each in edge.median(2).values.median(0).values
            ]
        kind, given = tried["kind"], {name: tried[name] for name in tried if name != "kind"}
        try:
            decoy = registry.build("decoy", kind, given)
        except UsageError:
            continue
        rows = _rows(trace, decoy.apply(pictures.pixels[others], ids).decoyed)
        away = float(((rows.mean(0) - wanted.mean(0)) / spread).square().sum())
        if away < least:
            best, least = tried, away
    return best


def _worded(options: dict[str, Any]) -> str:
    """`blur with radius 0.018`."""
    said = [f"{name} {value}" for name, value in options.items() if name != "kind"]
    return f"{options['kind']} with {', '.join(said)}"
