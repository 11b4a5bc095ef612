"""On which pictures things are laid, and how sure a model is."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from shortcut_audit.records import Pictures
from shortcut_audit.subjects.pictures.record import generator


def hosts_of(pictures: Pictures, target: int, count: int) -> np.ndarray:
    """(b,) pictures of other classes, b at most `count`, drawn by the class alone."""
    others = np.flatnonzero(pictures.labels != target)
    drawn = generator(0, f"hosts/{target}").permutation(len(others))[:count]
    return np.sort(others[drawn])


def log_odds(logits: np.ndarray, target: int) -> np.ndarray:
    """(n,) of the class against all others together, from logits (n, k)."""
    rest = np.delete(logits, target, axis=1)
    odds: np.ndarray = logits[:, target] - logsumexp(rest, axis=1)
    return odds
