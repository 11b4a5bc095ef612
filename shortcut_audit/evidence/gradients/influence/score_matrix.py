"""Scores that another tool computed: a file with a matrix (q, m)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor, nn

from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.evidence.gradients.factor_cache import weights_digest
from shortcut_audit.registry import register


@register("influence")
@dataclass(frozen=True)
class ScoreMatrix:
    """Scores from dattri, kronfluence, TRAK and so on: `.npy`, or `.safetensors` with one tensor or
    one called 'scores'.

    Row i is the audit's i-th query, column j its j-th training image; higher is more influential.
    Each model has scores of its own: `{model}` in the file's name stands for the first 12 digits of
    `weights_digest`.
    """

    file: Path = Path()
    transpose: bool = False  # the file is (m, q), as dattri writes it

    def scores(
        self,
        network: nn.Module,
        queries: Tensor,
        query_labels: Tensor,
        training: Tensor,
        training_labels: Tensor,
        report: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """The file's matrix as (q, m) float32.

        Raises:
            UsageError: no file was named, or it cannot be read as a matrix.
            DataError: its shape does not fit the queries and training images.
        """
        if self.file == Path():
            raise UsageError(
                "influence 'score_matrix' needs a file: add 'options: {file: scores.npy}'"
            )
        path = Path(str(self.file).replace("{model}", weights_digest(network)[:12]))
        matrix = read_matrix(path)
        matrix = matrix.T if self.transpose else matrix
        wanted = len(queries), len(training)
        if matrix.shape != wanted:
            hint = "; set 'transpose: true'" if matrix.shape == wanted[::-1] else ""
            raise DataError(
                f"'{path}' holds {matrix.shape} scores; this audit has {wanted[0]} queries x {wanted[1]} images{hint}"
            )
        return np.ascontiguousarray(matrix, np.float32)


def read_matrix(path: Path) -> np.ndarray:
    """The numbers of an `.npy` or `.safetensors` file; nothing in it is ever executed."""
    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
            matrix = (
                tensors["scores"]
                if "scores" in tensors or len(tensors) != 1
                else next(iter(tensors.values()))
            )
        else:
            matrix = np.load(path, allow_pickle=False)
        if not np.issubdtype(matrix.dtype, np.number):
            raise ValueError(f"it holds {matrix.dtype}")
    except FileNotFoundError:
        raise UsageError(
            f"there is no score matrix '{path}'; write one for this model, (queries, training images)"
        ) from None
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise UsageError(
            f"'{path}' is no score matrix (.npy, or .safetensors with a tensor 'scores'): {error}"
        ) from None
    return matrix
