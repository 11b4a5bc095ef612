"""How much the members of a Rashomon set disagree on single images, although they are equally
accurate.

Labels are (m, n) whole numbers, one row for each of m models; probabilities are (m, n, k), each row
a distribution. Put to plain, decoyed and control images they tell two cases apart: more ambiguity
on decoyed images than on controls means that decoy and clean models live in one set; none, where
the insertion rate is high, means that all share the shortcut.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import entr

TOLERANCE = 1e-3  # bits: how far below the capacity the returned value may be


def ambiguous(labels: np.ndarray, baseline: int = 0) -> np.ndarray:
    """(n,) bool: some model decides otherwise than the baseline (a row of labels) on this image."""
    other: np.ndarray = (labels != labels[baseline]).any(0)
    return other


def ambiguity(labels: np.ndarray, baseline: int = 0) -> float:
    """In [0, 1]: the share of images on which some model decides otherwise than the baseline (Marx
    et al. 2020).

    NaN where there is no image. Laws: at least the discrepancy, at most the sum of all models'
    conflicts; it only grows with the set.
    """
    return float(ambiguous(labels, baseline).mean()) if labels.shape[1] else math.nan


def conflicts(labels: np.ndarray, baseline: int = 0) -> np.ndarray:
    """(m,) in [0, 1]: the share of images on which each model decides otherwise than the baseline;
    NaN without images.
    """
    if not labels.shape[1]:
        return np.full(len(labels), math.nan)
    shares: np.ndarray = (labels != labels[baseline]).mean(1)
    return shares


def discrepancy(labels: np.ndarray, baseline: int = 0) -> float:
    """In [0, 1]: how many decisions change at most if the baseline is replaced by ONE other model
    (Marx et al. 2020).
    """
    return float(conflicts(labels, baseline).max())


def viable_prediction_range(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest probability, each (n, k), that a model of the set gives a class
    (Watson-Daniels et al. 2023).

    Every model's probability lies in the range, both ends are some model's, and it only widens with
    the set.
    """
    return probabilities.min(0), probabilities.max(0)


def rashomon_capacity(probabilities: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """(n,) bits in [0, log2 min(m, k)]: the capacity of the channel from model to answer (Hsu and
    Calmon 2022).

    max over weights w of the models of I(model; answer), by Blahut and Arimoto: how many bits the
    choice of a model decides. `2 ** bits` is the paper's own scale, from 1 (all agree) to k (every
    answer is some model's, and sure). From equal weights the value after t steps is at most log2(m)
    / t below the capacity (Arimoto 1972), so that the steps are bounded; an image is done when its
    upper bound, the largest divergence of a model, is as near.

    Laws: 0 exactly where all models give one distribution; 1 bit for two sure models that
        contradict each other; 1 - H(e) for
    two that err with probability e in opposite ways; neither copies nor mixtures of models change
    it; merged classes lower it.

    Args:
        probabilities: (m, n, k) in [0, 1], summing to 1 over k.
        tolerance: in bits; the value is never above the capacity, and below it by at most this.
    """
    models, images, classes = probabilities.shape
    if models < 2 or images == 0:
        return np.zeros(images)
    rows = probabilities.transpose(1, 0, 2).astype(float)  # (n, m, k)
    rows /= rows.sum(2, keepdims=True)
    certainty = -(entr(rows).sum(2)) / math.log(2)  # (n, m) bits: the sum of p log2 p
    capacity, weights, left = (
        np.zeros(images),
        np.full((images, models), 1 / models),
        np.arange(images),
    )
    for _ in range(math.ceil(math.log2(models) / tolerance) + 1):
        mixture = weights[left, None] @ rows[left]  # (l, 1, k)
        log_mixture = np.log2(np.maximum(mixture, np.finfo(float).tiny))
        # (l, m) Kullback-Leibler, bits
        divergence = certainty[left] - (rows[left] @ log_mixture.transpose(0, 2, 1))[..., 0]
        grown = weights[left] * np.exp2(divergence)
        capacity[left] = np.log2(grown.sum(1))
        weights[left] = grown / grown.sum(1, keepdims=True)
        left = left[divergence.max(1) - capacity[left] > tolerance]
        if not len(left):
            break
    return np.clip(capacity, 0, math.log2(min(models, classes)))
