"""How much models of one Rashomon set, all equally accurate, disagree about single images.

Labels are (m, n) whole numbers, one row for each of m models. Probabilities are (m, n, k), each row
a distribution. Asked about plain, decoyed and control images, the measures tell two cases apart. If
decoyed images are more ambiguous than controls, decoy models and clean models live in one set. If
they are not, although the insertion rate is high, all models share the shortcut.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import entr

TOLERANCE = 1e-3  # bits: how far below the capacity the returned value may be


def ambiguous(labels: np.ndarray, baseline: int = 0) -> np.ndarray:
    """Marks the images about which some model differs from the baseline, a row of labels.

    Returns:
        (n,) bool.
    """
    other: np.ndarray = (labels != labels[baseline]).any(0)
    return other


def ambiguity(labels: np.ndarray, baseline: int = 0) -> float:
    """Gives the share, in [0, 1], of images about which some model differs from the baseline.

    Marx et al. 2020. NaN where there is no image. Laws: it is at least the discrepancy and at most
    the sum of all models' conflicts; it never falls when a model joins the set.
    """
    return float(ambiguous(labels, baseline).mean()) if labels.shape[1] else math.nan


def conflicts(labels: np.ndarray, baseline: int = 0) -> np.ndarray:
    """Gives the share of images about which each model differs from the baseline.

    Returns:
        (m,) in [0, 1]; NaN where there is no image.
    """
    if not labels.shape[1]:
        return np.full(len(labels), math.nan)
    shares: np.ndarray = (labels != labels[baseline]).mean(1)
    return shares


def discrepancy(labels: np.ndarray, baseline: int = 0) -> float:
    """Gives the largest share of decisions, in [0, 1], that ONE other model would change.

    The other model replaces the baseline (Marx et al. 2020).
    """
    return float(conflicts(labels, baseline).max())


def viable_prediction_range(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gives the least and the largest probability, each (n, k), that a model gives to each class.

    Watson-Daniels et al. 2023. Laws: every model's probability lies in the range, each end is some
    model's, and the range never narrows when a model joins the set.
    """
    return probabilities.min(0), probabilities.max(0)


def rashomon_capacity(probabilities: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Gives the capacity, in bits, of the channel from model to answer (Hsu and Calmon 2022).

    It is the largest mutual information I(model; answer) over all weights of the models, found by
    Blahut and Arimoto's iteration: how many bits of the answer the choice of a model decides. The
    paper's own scale is `2 ** bits`, from 1 (all agree) to k (every class is surely some model's
    answer). From equal weights the value after t steps is at most log2(m) / t below the capacity
    (Arimoto 1972), so the number of steps is bounded. An image is done when its upper bound, the
    largest divergence of a model, is within the tolerance.

    Laws: it is 0 exactly where all models give one distribution; 1 bit for two sure models that
    contradict each other; 1 - H(e) for two that err with probability e in opposite ways. Neither
    copies nor mixtures of models change it. Merging classes lowers it.

    Args:
        probabilities: (m, n, k) in [0, 1], summing to 1 over k.
        tolerance: in bits; the value is never above the capacity, and below it by at most this.

    Returns:
        (n,) bits in [0, log2 min(m, k)].
    """
    models, images, classes = probabilities.shape
    if models < 2 or images == 0:
        return np.zeros(images)
    rows = probabilities.transpose(1, 0, 2).astype(float)  # (n, m, k)
    rows /= rows.sum(2, keepdims=True)
    certainty = -(entr(rows).sum(2)) / math.log(2)  # (n, m) bits: the sum of p log2 p
    capacity = np.zeros(images)
    weights = np.full((images, models), 1 / models)
    left = np.arange(images)  # (l,) the images that are not done
    for _ in range(math.ceil(math.log2(models) / tolerance) + 1):
        mixture = weights[left, None] @ rows[left]  # (l, 1, k)
        log_mixture = np.log2(np.maximum(mixture, np.finfo(float).tiny))
        expected = (rows[left] @ log_mixture.transpose(0, 2, 1))[..., 0]  # (l, m)
        divergence = certainty[left] - expected  # (l, m) Kullback-Leibler, bits
        grown = weights[left] * np.exp2(divergence)
        capacity[left] = np.log2(grown.sum(1))
        weights[left] = grown / grown.sum(1, keepdims=True)
        left = left[divergence.max(1) - capacity[left] > tolerance]
        if not len(left):
            break
    return np.clip(capacity, 0, math.log2(min(models, classes)))
