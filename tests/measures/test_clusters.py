"""Spectral clusters and what they have to do with the decoy, against brute force and the thesis's
own counts.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from shortcut_audit.measures import clusters


def test_spectral_clusters_find_two_planted_groups_and_the_table_counts_them() -> None:
    rng = np.random.default_rng(0)
    flags = rng.permutation(np.arange(60) < 15)
    directions = np.where(flags[:, None], [1.0, 0, 0], [0, 1.0, 0]) + rng.normal(0, 0.15, (60, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    labels = clusters.spectral_clusters(directions @ directions.T)
    assert labels[0] == 0
    assert sorted(clusters.cluster_table(labels, flags).tolist()) == [[0, 45], [15, 0]]
    order = rng.permutation(60)
    again = clusters.spectral_clusters((directions @ directions.T)[np.ix_(order, order)])
    assert len(np.unique(again + 2 * labels[order])) == 2  # the same partition, whatever the order


def test_two_clusters_have_the_smallest_normalised_cut() -> None:
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(11, 3)) + np.where(
        np.arange(11)[:, None] < 6, [4.0, 0, 0], [0, 4.0, 0]
    )
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    similarity = np.clip(directions @ directions.T, 0, None)

    def cut(labels: np.ndarray) -> float:
        between = similarity[labels][:, ~labels].sum()
        return float(between / similarity[labels].sum() + between / similarity[~labels].sum())

    splits = [
        np.array((True, *rest)) for rest in product([True, False], repeat=10) if not all(rest)
    ]
    best = min(splits, key=cut)
    assert ((clusters.spectral_clusters(similarity) == 0) == best).all()


def test_images_that_are_all_alike_are_no_two_clusters_and_no_error() -> None:
    labels = clusters.spectral_clusters(np.ones((8, 8)))
    table = clusters.cluster_table(labels, np.arange(8) < 4)
    assert table.sum() == 8


def test_association_is_none_one_and_the_published_one() -> None:
    assert clusters.association(np.array([[20, 0], [0, 73]]))[0] == pytest.approx(1)
    # table 5.1, fc of F0
    assert clusters.association(np.array([[10, 38], [8, 37]]))[0] == pytest.approx(0, abs=0.01)
    # table 5.1, fc + layer4 + layer3 of F50
    information, p = clusters.association(np.array([[12, 0], [6, 75]]))
    assert information == pytest.approx(0.591, abs=0.0005)
    assert p < 1e-9
    # one cluster says nothing
    assert clusters.association(np.array([[5, 9]])) == (pytest.approx(0), 1.0)
