"""Does a model do its task at all?

Labels and answers -> how often it is right, against chance, and which classes changed places. A
model whose answers say nothing of the picture cannot be turned by any decoy: it would pass every
other audit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import linear_sum_assignment

from shortcut_audit.judging.samples import Clustered, Design, outcomes_of, sample_of

# p below which a model is better than chance: an untrained one gets there once in a thousand times
SURE = 0.001
LEVEL = 0.90  # of the interval: each end is wrong in 5 % of cases
MOST = 100_000


@dataclass(frozen=True)
class Competence:
    """How often a model is right on n plain validation images, and how often chance would be."""

    correct: int
    n: int
    accuracy: float  # correct / n
    low: float  # of the interval of the accuracy
    high: float
    chance: float  # a share: what the same answers in another order would get right
    p: float  # one-sided, of no more than chance
    exchanged: tuple[tuple[int, int], ...]  # (label, answer): classes that changed places
    needed: int | None  # images in all that would show it, where these are too few


def competence(
    labels: np.ndarray, answers: np.ndarray, groups: np.ndarray | None = None
) -> Competence:
    """How often `answers` (n,) are the `labels` (n,), both int class indices, against chance.

    groups: (n,) which images come from one patient, site or video, if any do; interval and p are
    then over groups.

    Chance is what the same answers in another order would get right on average, the sum over
    classes of the share of labels times the share of answers (as in Cohen's kappa, 1960): a model
    that always says the most frequent class is at chance.
    p: exact binomial, or a t test over groups. exchanged: classes that changed places, by the
    assignment of answers to labels that gets most right, where that is right so much more often
    that chance does not explain it. Law: with n = 0 nothing is known, and p is 1.
    """
    n = len(labels)
    if n == 0:
        return Competence(0, 0, float("nan"), 0.0, 1.0, float("nan"), 1.0, (), None)
    size = int(max(labels.max(), answers.max())) + 1
    confusion = np.zeros((size, size), dtype=np.int64)  # label, answer
    np.add.at(confusion, (labels, answers), 1)
    correct = int(np.trace(confusion))
    chance = float(confusion.sum(1) @ confusion.sum(0)) / n**2
    right = outcomes_of(labels == answers, None, Design(groups))
    sample = sample_of(right, chance, LEVEL, seed=0)
    p, (low, high) = sample.p(min(1.0, chance)), sample.interval(LEVEL)
    worth = sample.whole.n if isinstance(sample, Clustered) else n
    needed = None if p < SURE or correct / n <= chance else _needed(correct / n, n, worth, chance)
    return Competence(correct, n, correct / n, low, high, chance, p, _exchanged(confusion), needed)


def _needed(accuracy: float, n: int, worth: float, chance: float) -> int | None:
    """Images in all that would show it, were it as accurate on them; n tell as much as `worth`
    independent ones.
    """
    more = worth
    while more <= MOST:
        more = int(more * 1.1) + 1
        if stats.binom.sf(int(accuracy * more) - 1, more, min(1.0, chance)) < SURE:
            return math.ceil(more * n / worth)
    return None


def _exchanged(confusion: np.ndarray) -> tuple[tuple[int, int], ...]:
    """(label, answer) pairs of classes that changed places; none where their order is right.

    confusion: (k, k) counts, label by answer.
    """
    rows, columns = linear_sum_assignment(-confusion)
    moved = rows != columns
    rows, columns = rows[moved], columns[moved]
    asked = confusion[rows].sum(1) > 0  # a class without pictures can be put anywhere
    other, own = int(confusion[rows, columns][asked].sum()), int(confusion[rows, rows][asked].sum())
    if other <= own or stats.binom.sf(other - 1, other + own, 0.5) >= SURE:
        return ()
    return tuple(zip(rows[asked].tolist(), columns[asked].tolist(), strict=True))


# p below which another reading is shown to be better
DOUBT = 0.05
# how much more accurate another reading must be for the manifest to be in doubt, as a share
BETTER = 0.05
# the same for larger pictures: a model may be a little better at them than at those it trained on
BETTER_LARGER = 0.10


def read_better(
    as_read: np.ndarray, others: Mapping[str, np.ndarray], larger: str = ""
) -> tuple[str, float, float] | None:
    """The other reading in which most answers are right, if it is shown to be the better one.

    as_read: (n,) bool, whether the answer is right as the manifest has the pictures read. others:
    words of another reading -> (n,) 1 or 0, NaN where not asked. larger: the words of the larger
    pictures.

    Gives the words, the accuracy as read and the other; None where no other reading is better by
    the margin and by the exact McNemar test (p < DOUBT after Bonferroni over the readings).
    """
    best: tuple[str, float, float] | None = None
    for words, right in others.items():
        asked = ~np.isnan(right)
        own, other = as_read[asked], right[asked] > 0
        gained, lost = int((other & ~own).sum()), int((own & ~other).sum())
        margin = BETTER_LARGER if words == larger else BETTER
        if gained <= lost or other.mean() - own.mean() <= margin:
            continue
        p = stats.binom.sf(gained - 1, gained + lost, 0.5)
        if p * len(others) < DOUBT and (best is None or other.mean() > best[2]):
            best = (words, float(own.mean()), float(other.mean()))
    return best
