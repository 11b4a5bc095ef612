"""Figures of two populations -> sentences: where the other population is worse than the published.

The other population is smaller, so that only what is worse by more than chance is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scipy import stats

ALPHA = 0.05


def contradictions(published: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each rate that is worse than the published one by more than chance.

    The test is Fisher's exact one, one-sided. Law: figures never contradict themselves.
    """
    yield from _worse(
        "clean models that are rejected",
        (published["false_alarms"], published["clean"]),
        (found["false_alarms"], found["clean"]),
    )
    for coverage, row in found["power_counts"].items():
        known = published["power_counts"].get(coverage, {"models": 0, "found": 0})
        what = f"local decoy models of coverage {coverage} that are missed"
        yield from _worse(what, _missed(known), _missed(row))


def _missed(row: Mapping[str, int]) -> tuple[int, int]:
    """How many models were not found, and of how many."""
    return row["models"] - row["found"], row["models"]


def _worse(what: str, published: tuple[int, int], found: tuple[int, int]) -> Iterator[str]:
    table = [[found[0], found[1] - found[0]], [published[0], published[1] - published[0]]]
    p = float(stats.fisher_exact(table, alternative="greater").pvalue)
    if p < ALPHA:
        yield (
            f"{what}: {found[0]} of {found[1]}, "
            f"published are {published[0]} of {published[1]} (p = {p:.2g})"
        )
