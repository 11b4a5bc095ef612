"""Numbers of images -> box plots; answers of images -> a matrix of confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from shortcut_audit.exhibits import Box, Confusion, Distribution

REACH = 1.5  # of the inter-quartile range: how far a whisker may be from its quartile (Tukey)
MOST_CLASSES = 12  # of a matrix; the rest is one row and one column
OTHERS = "others"


def box(values: np.ndarray) -> Box:
    """The box of (n,) finite values, as `matplotlib.cbook.boxplot_stats` has it; n is at least 1.

    Quartiles are interpolated. A whisker ends at the outermost value within 1.5 of the
    inter-quartile range, and at the quartile where no value lies between.
    """
    first, median, third = (float(each) for each in np.percentile(values, (25, 50, 75)))
    reach = REACH * (third - first)
    low = values[values >= first - reach].min(initial=first)
    high = values[values <= third + reach].max(initial=third)
    return Box(float(low), first, median, third, float(high), len(values))


def distribution(what: str, conditions: Mapping[str, np.ndarray]) -> Distribution | None:
    """One box for each condition's (n,) values; None where there are no images."""
    boxes = tuple((name, box(values)) for name, values in conditions.items() if len(values))
    return Distribution(what, boxes) if boxes else None


def confusions(
    truth: np.ndarray, answers: Mapping[str, np.ndarray], names: Sequence[str], target: int
) -> tuple[Confusion, ...]:
    """One matrix for each condition, over the same classes.

    Of more than 12 classes `target` and those that are answered most often have a row and a column;
    all others share one, and so do pictures with none of the classes.

    Args:
        truth: (n,) indices into `names`; -1 where none of the classes is shown.
        answers: condition -> (n,) indices into `names`.
        names: what the columns of the logits stand for.
    """
    shown = _classes(truth, list(answers.values()), len(names), target)
    place = np.full(len(names) + 1, len(shown))
    place[shown] = np.arange(len(shown))
    counts = {}
    for condition, given in answers.items():
        counted = np.zeros((len(shown) + 1, len(shown) + 1), dtype=int)
        np.add.at(counted, (place[truth], place[given]), 1)
        counts[condition] = counted
    together = np.sum(list(counts.values()), axis=0)
    rows = together.any(1)
    columns = together.any(0) | rows
    words = np.array([*(names[at] for at in shown), OTHERS], dtype=object)
    return tuple(
        Confusion(
            condition,
            tuple(words[rows]),
            tuple(words[columns]),
            tuple(map(tuple, counted[rows][:, columns].tolist())),
        )
        for condition, counted in counts.items()
    )


def _classes(
    truth: np.ndarray, answers: Sequence[np.ndarray], count: int, target: int
) -> list[int]:
    """Indices of the classes that have a row and a column of their own, in their order."""
    named = np.concatenate([truth[truth >= 0], *answers])
    often = np.bincount(named, minlength=count)
    often[target] = len(named) + 1
    return sorted(np.argsort(-often, kind="stable")[:MOST_CLASSES].tolist())
