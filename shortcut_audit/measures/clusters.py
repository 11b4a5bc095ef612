"""Similarity of gradients -> clusters of images, and what the clusters have to do with the decoy.

The question is whether the gradients of images with the decoy are like each other.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.stats import fisher_exact
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_mutual_info_score

# the similarity of images that have nothing in common; with zeros the graph would fall into
# pieces, and its leading eigenvectors would not be unique
FAINT = 1e-6


def spectral_clusters(similarity: np.ndarray, clusters: int = 2, seed: int = 0) -> np.ndarray:
    """Clusters images by the similarity of their gradients (thesis, table 5.1).

    The method is scikit-learn's spectral clustering. Similarities below 0 count as 0: images whose
    gradients point in opposite directions are not neighbours.

    Args:
        similarity: (n, n), for example cosines.

    Returns:
        Labels (n,) int; the first image's cluster is number 0.
    """
    affinity = np.clip(np.nan_to_num(np.asarray(similarity, float)), FAINT, None)
    method = SpectralClustering(clusters, affinity="precomputed", random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # images that are all alike have no second cluster
        labels = method.fit_predict((affinity + affinity.T) / 2)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order: np.ndarray = np.argsort(np.argsort(first))[inverse]
    return order


def cluster_table(labels: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Counts the flagged and the other images of each cluster (thesis, table 5.1).

    Args:
        labels: (n,) the cluster of each image.
        flags: (n,) bool.

    Returns:
        (clusters, 2) int: with the flag, without it.
    """
    rows = []
    for cluster in np.unique(labels):
        inside = flags[labels == cluster]
        rows.append([np.sum(inside), np.sum(~inside)])
    return np.array(rows)


def association(table: np.ndarray) -> tuple[float, float]:
    """Measures what clusters have to do with the flag, from a table of counts (clusters, 2).

    Returns:
        The adjusted mutual information, 0 where the clusters are as good as drawn by chance and 1
        where they are the flag itself; and Fisher's exact p, 1 where there are not two clusters.
    """
    labels = np.repeat(np.arange(len(table)), table.sum(1))
    flags = np.concatenate([np.repeat([True, False], counts) for counts in table])
    p = float(fisher_exact(table).pvalue) if len(table) == 2 else 1.0
    return float(adjusted_mutual_info_score(flags, labels)), p
