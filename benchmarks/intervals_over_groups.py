"""How often does the end of an interval err where images come in groups? For docs/judging.md.

python benchmarks/intervals_over_groups.py [--replicates 2000] [--groups 20 8 12 50] [--others 1000]

Each image shows its group's own draw with probability sqrt(icc), else a draw of its own: the mean is
known, and two images of one group correlate by icc. An end errs where the known mean is beyond it;
5 % is promised. --others: replicates of the methods that are not ours (statsmodels' GEE and the plain
cluster bootstrap), on a few cells; 0 leaves them out.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from zlib import crc32

import numpy as np

from shortcut_audit.judging import Comparison
from shortcut_audit.judging.samples import Design, Outcomes, sample_of
from shortcut_audit.records import Verdict

LEVEL, LIMIT = 0.90, 0.10
SIZES: dict[str, Callable[[int], np.ndarray]] = {
    "5 each": lambda groups: np.full(groups, 5),
    "20 each": lambda groups: np.full(groups, 20),
    "1 to 20": lambda groups: np.linspace(1, 20, groups).round().astype(int),
    "one has a third": lambda groups: np.append(np.full(groups - 1, 5), 5 * (groups - 1) // 2),
}
ICCS, RATES = (0.0, 0.1, 0.3, 0.6, 1.0), (0.02, 0.05, 0.1, 0.3, 0.5)
KINDS = ("rate", "pairs", "pairs, none lost", "numbers", "unpaired", "unpaired numbers")


@dataclass(frozen=True)
class Cell:
    """What is simulated: outcomes of one kind, in groups of these sizes."""

    kind: str
    groups: int
    sizes: str
    icc: float
    rate: float

    @property
    def truth(self) -> float:
        """The effect that the interval should hold."""
        return self.rate * {"pairs": 0.5, "unpaired": 0.5, "unpaired numbers": 0.8}.get(
            self.kind, 1
        )


def drawn(cell: Cell, rng: np.random.Generator) -> Outcomes:
    """Outcomes whose effect is `cell.truth`."""
    sizes = SIZES[cell.sizes](cell.groups)
    groups = np.repeat(np.arange(cell.groups), sizes)
    own, shared = rng.random(len(groups)), rng.random(cell.groups)[groups]
    even = np.where(rng.random(len(groups)) < np.sqrt(cell.icc), shared, own)
    if cell.kind.startswith("unpaired"):
        return _two_lots(cell, even, groups)
    if cell.kind == "numbers":  # most are near 0, a few near 1
        return Outcomes(_skewed(even, cell.rate), None, Design(groups))
    yes = (even < cell.rate).astype(float)
    if cell.kind == "rate":
        return Outcomes(yes, None, Design(groups))
    lost = 0.0 if cell.kind == "pairs, none lost" else cell.rate / 2
    control = (even > 1 - lost).astype(float)
    return Outcomes(yes, control, Design(groups))


def _two_lots(cell: Cell, even: np.ndarray, groups: np.ndarray) -> Outcomes:
    """Every third image shows it, so that groups have images on both sides."""
    shown = np.arange(len(even)) % 3 == 0
    design = Design(groups[shown], paired=False, other_groups=groups[~shown])
    if cell.kind == "unpaired numbers":
        numbers = _skewed(even, 0.2)
        return Outcomes(numbers[shown] * (1 - cell.rate) + cell.rate, numbers[~shown], design)
    return Outcomes(1.0 * (even[shown] < cell.rate), 1.0 * (even[~shown] < cell.rate / 2), design)


def _skewed(even: np.ndarray, mean: float) -> np.ndarray:
    """Numbers in [0, 1] with this mean, from even ones."""
    power = 1 / mean - 1
    skewed: np.ndarray = even**power
    return skewed


def errs(cell: Cell, replicates: int) -> tuple[float, float, float]:
    """How often the low end is above the truth, the high end below it, and the mean width."""
    rng = np.random.default_rng(crc32(repr(cell).encode()))
    missed, width = np.zeros(2), 0.0
    for _ in range(replicates):
        low, high = sample_of(drawn(cell, rng), LIMIT, LEVEL, 0, ends=False).interval(LEVEL)
        missed += (low > cell.truth + 1e-9, high < cell.truth - 1e-9)
        width += high - low
    return float(missed[0]) / replicates, float(missed[1]) / replicates, width / replicates


def cells(kind: str, groups: int, *, whole: bool) -> list[Cell]:
    """Every size, correlation and rate; or fewer, where the grid need not be whole."""
    sizes = SIZES if whole else ("5 each", "1 to 20")
    iccs, rates = (ICCS, RATES) if whole else ((0.0, 0.3, 1.0), (0.05, 0.1, 0.3))
    return [Cell(kind, groups, *each) for each in product(sizes, iccs, rates)]


def coverage(groups: int, replicates: int, pool: ProcessPoolExecutor, *, whole: bool) -> None:
    """A row of the table for each kind."""
    for kind in KINDS:
        asked = cells(kind, groups, whole=whole)
        found = list(pool.map(partial(errs, replicates=replicates), asked, chunksize=5))
        lows, highs, widths = np.array(found).T
        beyond = int((np.maximum(lows, highs) > 0.06).sum())
        worst = asked[int(np.argmax(np.maximum(lows, highs)))]
        where = f"{worst.sizes}, correlation {worst.icc}, rate {worst.rate}"
        print(
            f"| {groups} | {kind} | {len(asked)} | {100 * lows.max():.1f} | {100 * highs.max():.1f} "
            f"| {beyond} | {where} | {100 * widths.mean():.0f} |",
            flush=True,
        )


def theirs(cell: Cell, replicates: int) -> None:
    """The same errors of methods that are not ours, and of ours without groups."""
    rng, missed = np.random.default_rng(crc32(repr(cell).encode())), {}
    for _ in range(replicates):
        outcomes = drawn(cell, rng)
        alone = Outcomes(outcomes.values, outcomes.control)
        ends = {
            "ours": sample_of(outcomes, LIMIT, LEVEL, 0, ends=False).interval(LEVEL),
            "without groups": sample_of(alone, LIMIT, LEVEL, 0, ends=False).interval(LEVEL),
            "GEE": gee(outcomes),
            "cluster bootstrap": bootstrap(outcomes, rng),
        }
        for name, (low, high) in ends.items():
            ends_missed = np.array([low > cell.truth + 1e-9, high < cell.truth - 1e-9])
            missed[name] = missed.get(name, 0) + ends_missed
    said = [
        f"{100 * at[0] / replicates:.1f} / {100 * at[1] / replicates:.1f}" for at in missed.values()
    ]
    print(
        f"| {cell.kind}, {cell.sizes}, {cell.icc}, {cell.rate} | {' | '.join(said)} |", flush=True
    )


def _differences(outcomes: Outcomes) -> np.ndarray:
    return outcomes.values if outcomes.control is None else outcomes.values - outcomes.control


def gee(outcomes: Outcomes) -> tuple[float, float]:
    """statsmodels' generalised estimating equations of the mean, exchangeable, bias-reduced."""
    import statsmodels.api as sm

    values = _differences(outcomes)
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = sm.GEE(
            values,
            np.ones((len(values), 1)),
            groups=outcomes.design.groups,
            cov_struct=sm.cov_struct.Exchangeable(),
        ).fit(cov_type="bias_reduced")
        low, high = fit.conf_int(alpha=1 - LEVEL)[0]
    return float(low), float(high)


def bootstrap(outcomes: Outcomes, rng: np.random.Generator) -> tuple[float, float]:
    """Percentiles of the mean where groups are drawn with replacement, 2,000 times."""
    which = np.asarray(outcomes.design.groups)
    sizes, sums = np.bincount(which), np.bincount(which, weights=_differences(outcomes))
    drawn_groups = rng.integers(0, len(sizes), (2000, len(sizes)))
    means = sums[drawn_groups].sum(1) / sizes[drawn_groups].sum(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def verdicts(cell: Cell, replicates: int) -> None:
    """How often the effect HOLDS and is VIOLATED at a limit of 10 points, with groups and without."""
    rng, comparison = np.random.default_rng(crc32(repr(cell).encode())), Comparison(LIMIT)
    said = {True: [], False: []}
    for _ in range(replicates):
        outcomes = drawn(cell, rng)
        for grouped, each in (
            (True, outcomes),
            (False, Outcomes(outcomes.values, outcomes.control)),
        ):
            said[grouped].append(comparison.decide(sample_of(each, LIMIT, LEVEL, 0, ends=False)))
    shares = [
        f"{100 * said[grouped].count(verdict) / replicates:.1f}"
        for grouped in (True, False)
        for verdict in (Verdict.HOLDS, Verdict.VIOLATED)
    ]
    print(
        f"| {cell.groups} x {cell.sizes} | {cell.icc} | {cell.rate} | {' | '.join(shares)} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--groups", type=int, nargs="*", default=[20, 8, 12, 50])
    parser.add_argument("--others", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.processes) as pool:
        for groups in asked.groups:
            coverage(groups, asked.replicates, pool, whole=groups == 20)
    for kind, rate in product(
        ("rate", "pairs, none lost"), (0.05, 0.1, 0.3) if asked.others else ()
    ):
        theirs(Cell(kind, 20, "5 each", 0.3, rate), asked.others)
    for groups, rate in product((20, 35, 60, 120), (0.0, 0.02, 0.1, 0.3) if asked.others else ()):
        verdicts(Cell("pairs, none lost", groups, "5 each", 0.3, rate), asked.others)


if __name__ == "__main__":
    main()
