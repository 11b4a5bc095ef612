"""Scores that another tool computed: a file with a matrix (q, m)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import nn

from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.evidence.gradients.factor_cache import weights_digest
from shortcut_audit.records import Labelled
from shortcut_audit.registry import register


@register("influence")
@dataclass(frozen=True)
class ScoreMatrix:
    """Scores from dattri, kronfluence, TRAK and so on, in a file.

    It is `.npy`, or `.safetensors` with one tensor or one called 'scores'. Row i is the audit's
    i-th query, column j its j-th training image; higher is more influential. Each model has scores
    of its own: `{model}` in the file's name stands for the first 12 digits of `weights_digest`.
    """

    streams: ClassVar[bool] = True  # only how many training images there are is asked

    file: Path = Path()
    transpose: bool = False  # the file is (m, q), as dattri writes it

    def scores(
        self,
        network: nn.Module,
        queries: Labelled,
        training: Labelled,
        report: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Gives the file's matrix as (q, m) float32.

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
        q, m = len(queries.images), len(training.images)
        if matrix.shape != (q, m):
            hint = "; set 'transpose: true'" if matrix.shape == (m, q) else ""
            raise DataError(
                f"'{path}' holds {matrix.shape} scores; this audit has {q} queries x {m} "
                f"images{hint}"
            )
        return np.ascontiguousarray(matrix, np.float32)


def read_matrix(path: Path) -> np.ndarray:
    """Reads the numbers of an `.npy` or `.safetensors` file; nothing in it is ever executed.

    Raises:
        UsageError: there is no such file, or it holds no matrix of numbers.
    """
    try:
        matrix = (
            _only_tensor(path)
            if path.suffix == ".safetensors"
            else np.load(path, allow_pickle=False)
        )
        if not np.issubdtype(matrix.dtype, np.number):
            raise ValueError(f"it holds {matrix.dtype}")
    except FileNotFoundError:
        raise UsageError(
            f"there is no score matrix '{path}'; write one for this model, "
            "(queries, training images)"
        ) from None
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise UsageError(
            f"'{path}' is no score matrix (.npy, or .safetensors with a tensor 'scores'): {error}"
        ) from None
    return matrix


def _only_tensor(path: Path) -> np.ndarray:
    """The tensor called 'scores', or the only one; a KeyError where there is neither."""
    tensors = load_file(path)
    if "scores" in tensors or len(tensors) != 1:
        return tensors["scores"]
    return next(iter(tensors.values()))
