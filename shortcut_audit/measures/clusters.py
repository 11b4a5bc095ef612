"""Do the gradients of images with the decoy keep together? Similarity -> clusters, and what they
have to do with the decoy.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.stats import fisher_exact
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_mutual_info_score

# likeness of images that have nothing in common: a graph in pieces has no leading eigenvectors of
# its own
FAINT = 1e-6


def spectral_clusters(similarity: np.ndarray, clusters: int = 2, seed: int = 0) -> np.ndarray:
    """Clusters of images by the similarity (n, n) of their gradients -> labels (n,) int, 0 for the
    first image's (table 5.1).

    scikit-learn's spectral clustering. Similarities below 0 count as 0: images that pull the
    weights apart are no neighbours.
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
    """Flagged and other images in each cluster: (n,), (n,) bool -> (clusters, 2) int (table 5.1's
    with / without).
    """
    return np.array(
        [
            [np.sum(flags[labels == each]), np.sum(~flags[labels == each])]
            for each in np.unique(labels)
        ]
    )


def association(table: np.ndarray) -> tuple[float, float]:
    """What clusters have to do with the flag, from counts (clusters, 2): adjusted mutual
    information and Fisher's exact p.

    The information is 0 where the clusters are as good as drawn by chance, and 1 where they are the
    flag itself.
    """
    labels = np.repeat(np.arange(len(table)), table.sum(1))
    flags = np.concatenate([np.repeat([True, False], counts) for counts in table])
    p = float(fisher_exact(table).pvalue) if len(table) == 2 else 1.0
    return float(adjusted_mutual_info_score(flags, labels)), p
