"""The frozen types that flow. They carry values and no behaviour; functions between them do the
work.

The same letters everywhere: n images, k classes, h x w pixels, m training images, q queries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortcut_audit.inputs_and_outputs import SOFTMAX, Head

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from torch import Tensor, nn

    from shortcut_audit.exhibits import Exhibit
    from shortcut_audit.rows import Rows


@dataclass(frozen=True)
class Candidate:
    """A checkpoint as the manifest or its own metadata describes it; nothing of it is loaded yet.

    `problem` is the one sentence that says why it cannot be described (None where it can); `broken`
    says whose fault that is: the file's own (corrupt: the model is rejected), or else the
    manifest's, the folder's or the machine's (not audited).
    """

    name: str
    file: Path
    arch: str = ""
    classes: tuple[str, ...] = ()
    size: int = 0  # side of the input, pixels; an `InputSize` where pictures are framed otherwise
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    reference: bool = False
    problem: str | None = None
    broken: bool = False
    # sorted keyword arguments of the architecture; lists are tuples
    arch_options: tuple[tuple[str, Any], ...] = ()
    channels: int = 3  # of the input: 1 is grey, 4 is colour and an opaque fourth one
    head: Head = SOFTMAX


@dataclass(frozen=True)
class Subject:
    """A model under test: images (n, 3, size, size) float32 in [0, 1] -> logits (n, k), eval mode,
    normalisation inside.

    The first columns are the data set's classes in their order; a model that knows more has the
    rest behind them, in its own.
    """

    name: str
    network: nn.Module
    classes: tuple[str, ...]  # (k,) what each column of the logits stands for
    size: int
    reference: bool
    sha256: str  # of the very bytes that the tensors came from
    # share in [0, 1] that the checkpoint says of itself; the least, if it gives several
    stated_accuracy: float | None = None


@dataclass(frozen=True)
class Pictures:
    """A split of a data set, decoded to the model's input size."""

    pixels: Rows  # (n, 3, h, w) uint8
    labels: np.ndarray  # (n,) int64; -1 where none of the classes is on the picture
    ids: tuple[str, ...]  # (n,) an identity that survives re-ordering, e.g. the relative file name
    classes: tuple[str, ...]  # (k,)
    digest: str  # SHA-256 over pixels, labels, ids and classes
    objects: Rows | None = None  # (n, h, w) bool: where the object is, if the data set knows
    broken: tuple[str, ...] = ()  # one sentence for each file that could not be read
    notes: tuple[str, ...] = ()  # how many pictures each class has, and what was dropped
    # (n, k) bool: every class on each picture, where there may be several; `labels` is then -1
    shown: np.ndarray | None = None
    groups: np.ndarray | None = None  # (n,) int64: pictures of one patient, site, video
    # column of a table -> (n,) bool: which pictures have what it says
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    regions: Mapping[str, Tensor] = field(
        default_factory=dict
    )  # attribute -> (n, h, w) bool: where


@dataclass(frozen=True)
class Labelled:
    """Images with the class of each, as influence methods take them.

    Training images of a method that `streams` are `Rows`, and had a slice at a time.
    """

    images: Tensor  # (n, 3, h, w) uint8
    labels: Tensor  # (n,) int64


@dataclass(frozen=True)
class Decoyed:
    """Pictures with a decoy on each, and with its neutral control: same place, footprint and
    opacity, no content.
    """

    decoyed: Tensor  # (n, 3, h, w) uint8
    control: Tensor  # (n, 3, h, w) uint8
    footprint: Tensor  # (n, h, w) bool


@dataclass(frozen=True)
class Worn:
    """As `Decoyed`, of many pictures: each block of them is made when it is asked for."""

    decoyed: Rows  # (n, 3, h, w) uint8
    control: Rows  # (n, 3, h, w) uint8
    footprint: Rows  # (n, h, w) bool


@dataclass(frozen=True)
class NamedDecoy:
    """The decoy of a case: its name in the scenario and the class in question, as an index into the
    logits' columns.
    """

    name: str
    target: str
    target_index: int


@dataclass(frozen=True)
class Case:
    """What one test is about: a model or a pair of models, a decoy where the audit asks for one,
    and what else is asked of it.
    """

    models: tuple[str, ...]
    decoy: str | None = None
    target: str | None = None  # the class in question; None: the one that the scenario names
    strength: int = 0  # 0 is the decoy as named, i the i-th other one of `Material.strengths`
    control: str | None = None  # another control than the decoy's own

    @property
    def id(self) -> str:
        """`F100-s0-stop_sign`, or `F0-s0+F100-s0-stop_sign` for a pair: the model comes first."""
        return "-".join(["+".join(self.models), *([self.decoy] if self.decoy else [])])


@dataclass(frozen=True)
class Limit:
    """What an effect may be at most, as a share (0.10 is ten points)."""

    value: float


@dataclass(frozen=True)
class Estimate:
    """A mean over images with its interval. NaN only where n is 0."""

    value: float
    low: float
    high: float
    level: float  # the interval's confidence level, e.g. 0.95
    n: int
    method: str


class Verdict(StrEnum):
    """HOLDS: the effect is shown to be inside the limit; VIOLATED: beyond; UNDECIDED: neither."""

    HOLDS = "HOLDS"
    VIOLATED = "VIOLATED"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True)
class Judgement:
    """What judging says of one check, without knowing which model or picture it was."""

    verdict: Verdict
    estimate: Estimate
    observed: float  # mean without pairing: the value on decoyed images
    control: float | None  # the same under the control
    limit: float
    p: float | None  # one-sided, before the correction for multiplicity; None where no test is made
    p_adjusted: float | None  # after Holm within the model
    null: str  # what p was judged against, in words
    needed: int | None = None  # images in all that would decide, where UNDECIDED
    detectable: float | None = None  # smallest effect that this many images find with power 0.8
    # the positive control: an effect put into the control outcomes; None where none was
    planted: float | None = None
    advice: str = ""  # what would decide, in words, where UNDECIDED
    # of an innocent effect: what exceeds the mean of the reference models; else None
    excess: float | None = None
    excess_high: float | None = None  # its far end, inside the limit


_NOTHING = math.nan
UNMEASURED = Judgement(  # what is said of a check that measured nothing
    verdict=Verdict.UNDECIDED,
    estimate=Estimate(_NOTHING, _NOTHING, _NOTHING, _NOTHING, 0, ""),
    observed=_NOTHING,
    control=None,
    limit=_NOTHING,
    p=None,
    p_adjusted=None,
    null="",
)


@dataclass(frozen=True)
class Finding:
    """One check of one model (or pair) with one decoy: the line of `record.jsonl`.

    `verdict` is the judgement's, unless the finding does not count.
    """

    audit: str
    subjects: tuple[str, ...]
    decoy: str | None
    verdict: Verdict
    blocking: bool
    claim: str  # one whole sentence
    judgement: Judgement = UNMEASURED
    applies: bool = True  # False: the audit has nothing to say about this decoy; the claim says why
    case: str = ""  # the pytest node id
    role: str = ""  # ACCURACY or EXPLAINER, where it is not about the model's reasons
    error: bool = False  # nothing was measured: the model or the audit broke
    waived: str = ""  # by whom, until when and why, where somebody waived it aloud
    waived_until: str = ""  # the last day on which that holds, such as 2027-01-31
    # sizes, opacities and places of the decoy that this finding speaks for, in words
    tried: str = ""
    # of each subject's checkpoint: of the very bytes that were loaded, or whose answers were kept
    sha256: tuple[str, ...] = ()
    seconds: float = 0.0


ABOVE_CHANCE = "above_chance"  # the finding that every model gets beside those of its audits
# what an audit is about, where that is not the model's reasons
ACCURACY = "accuracy"  # how right the models are: a shortcut is not what it is about
EXPLAINER = "explainer"  # the explainer: it speaks against that, not against the model


class Decision(StrEnum):
    """What becomes of a model: promoted only where every blocking audit was run and holds."""

    PROMOTE = "promote"
    REJECT = "reject"
    UNDECIDED = "undecided"
    WAIVED = "waived"


@dataclass(frozen=True)
class ModelReport:
    """One model's verdict, the sentence that says why, and every finding about it alone."""

    decision: Decision
    sentence: str
    sha256: str | None  # of the bytes that were audited; None where the file could not be read
    file: str
    reference: bool
    findings: tuple[Finding, ...]
    # architecture, classes and input: how the file was read
    read_as: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """Everything that the files of a run say."""

    models: dict[str, ModelReport]
    pairs: tuple[Finding, ...]
    scenario: dict[str, str]  # path, digest
    suite: dict[str, Any]  # digest of the audits' files, and each file's own
    provenance: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0
    # split or decoy, and size -> digest of the pictures
    data: dict[str, str] = field(default_factory=dict)
    # decoy -> how far the set's members disagree
    multiplicity: dict[str, Any] = field(default_factory=dict)
    exhibits: tuple[Exhibit, ...] = ()  # pictures for people; no verdict depends on them
    schema: int = 1
    finished: bool = True  # False: the run was interrupted, so that nobody is promoted
