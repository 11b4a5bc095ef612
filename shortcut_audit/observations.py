"""What was observed of one model, or of a pair: the evidence that audits ask for.

The same letters as in `records`: n images, k classes, h x w pixels, m training images, q queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Predictions:
    """Logits of one model on the validation images of every class."""

    plain: np.ndarray  # (n, k) float32
    decoyed: np.ndarray  # (n, k)
    control: np.ndarray  # (n, k)
    decoy_only: np.ndarray  # (b, k): the decoy on pictures with none of the classes; b may be 0
    control_only: np.ndarray  # (b, k)
    labels: np.ndarray  # (n,) int64
    groups: np.ndarray  # (n,) int64: images of one patient, site, video; else each its own
    alone_groups: np.ndarray  # (b,) int64
    # (n, k) bool: every label that each image shows, of a model that answers each on its own
    shown: np.ndarray | None = None


@dataclass(frozen=True)
class Masks:
    """What one model needs to see of n images of the decoy's class: the share `area` of the pixels
    that says most.
    """

    plain: np.ndarray  # (n, h, w) bool: revealed
    decoyed: np.ndarray  # (n, h, w) bool
    control: np.ndarray  # (n, h, w) bool
    footprint: np.ndarray  # (n, h, w) bool: where the decoy is
    objects: np.ndarray | None  # (n, h, w) bool: where the object is, if known
    area: float
    groups: np.ndarray  # (n,) int64


@dataclass(frozen=True)
class ExplainerCheck:
    """Whether the explainer's masks lie on the decoy where they must, and where they must not, on n
    images of its class.
    """

    # (n, h, w) bool: revealed, in a copy of the model that is trained on to see nothing but the
    # decoy
    planted: np.ndarray
    randomised: np.ndarray  # (n, h, w) bool: revealed, in copies with random weights
    # (n,) bool: the planted copy does tell this picture with the decoy from the same without
    known: np.ndarray
    footprint: np.ndarray  # (n, h, w) bool: where the decoy is
    groups: np.ndarray  # (n,) int64


@dataclass(frozen=True)
class Influence:
    """Scores of m training images of the decoy's class, some with the decoy on, for q queries of
    that class.
    """

    decoyed: np.ndarray  # (q, m) queries with the decoy
    control: np.ndarray  # (q, m) the same queries with the neutral control
    flags: np.ndarray  # (m,) bool: this training image carries the decoy
    correct_decoyed: np.ndarray  # (q,) bool: the model is right about the decoyed query
    correct_control: np.ndarray  # (q,) bool
    basis: str  # what was compared, by which layers, and by which way if not the usual one
    groups: np.ndarray  # (q,) int64, of the queries


@dataclass(frozen=True)
class SeenThrough:
    """Softmax scores of the decoy's class on n images that are blurred where a mask reveals
    nothing.

    Axis 0 is the direction: the pair's first model with the second one's mask, and the other way
    round.
    """

    own: np.ndarray  # (2, n) through the model's own mask
    other: np.ndarray  # (2, n) through the other model's mask
    blurred: np.ndarray  # (2, n) nothing revealed


@dataclass(frozen=True)
class Transfer:
    """Do the masks of one model serve another? With the decoy on the images, and its control."""

    decoyed: SeenThrough
    control: SeenThrough
    groups: np.ndarray  # (n,) int64


@dataclass(frozen=True)
class Accuracy:
    """Which of n plain validation images a model gets right, beside the most accurate model of the
    set; where it answers each label on its own, the share of the labels.
    """

    own: np.ndarray  # (n,) bool, or float in [0, 1]
    best: np.ndarray  # (n,)
    best_name: str
    groups: np.ndarray  # (n,) int64
