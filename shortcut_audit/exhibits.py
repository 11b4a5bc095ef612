"""What a report shows beside its figures: pictures, and distributions that are drawn. Frozen values
that decide nothing.

Files are named as seen from the folder of the reports, such as `pictures/3f2a….webp`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """One version of a picture, and what the model says of it."""

    file: str
    answer: str  # the class that the model names
    share: float  # softmax score of the class in question, in [0, 1]


@dataclass(frozen=True)
class Tile:
    """One validation picture of another class: plain, with the decoy, and with its control."""

    id: str  # the picture's identity
    label: str  # its class
    turned: bool  # with the decoy the model names the class in question, under the control not
    plain: Seen
    decoyed: Seen
    control: Seen


@dataclass(frozen=True)
class Looked:
    """Where the model looks on one picture of the decoy's class, with the decoy on it."""

    id: str
    file: str  # the decoyed picture
    revealed: str  # the same, dimmed outside the mask, and the decoy's outline drawn
    on_decoy: float  # share of the mask that lies on the decoy, in [0, 1]


@dataclass(frozen=True)
class TrainingImage:
    """A training picture that speaks for the model's answer."""

    id: str
    file: str
    score: float
    carries: bool  # the decoy is on it


@dataclass(frozen=True)
class Spoke:
    """The training pictures that speak most for what the model says of one query."""

    query: str  # id
    file: str  # of the query, with the decoy on it
    images: tuple[TrainingImage, ...]  # the most influential first
    among: int  # m training pictures that were compared
    carriers: int  # how many of the m carry the decoy
    basis: str  # how it was compared, in words


@dataclass(frozen=True)
class Faintest:
    """The smallest and faintest form of the decoy that turns pictures, on one that it turned."""

    id: str
    file: str
    words: str  # size, opacity, copies, and how many pictures it turns


@dataclass(frozen=True)
class Box:
    """A box plot's numbers: quartiles, and whiskers at the outermost points within 1.5 of the
    inter-quartile range (Tukey).
    """

    low: float
    first: float
    median: float
    third: float
    high: float
    n: int


@dataclass(frozen=True)
class Distribution:
    """One number an image, with the decoy, under the control and without either."""

    what: str  # such as "softmax score of 'cat' on pictures of other classes"
    boxes: tuple[tuple[str, Box], ...]  # condition ("decoyed", "control", "plain") -> box


@dataclass(frozen=True)
class Confusion:
    """Rows are true classes, columns are answers; counts."""

    condition: str  # "plain" or "decoyed"
    labels: tuple[str, ...]  # of the rows
    answers: tuple[str, ...]  # of the columns
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Exhibit:
    """What can be shown of one model and one decoy; what was not asked is empty."""

    model: str
    sha256: str  # of the checkpoint that all of it is about
    decoy: str
    target: str  # the class in question
    pictures: int  # validation pictures of other classes
    turned: int  # of these, how many the decoy turns and its control does not
    tiles: tuple[Tile, ...] = ()  # worst first; a sample where `turned` is more
    looked: tuple[Looked, ...] = ()
    spoke: tuple[Spoke, ...] = ()
    faintest: tuple[Faintest, ...] = ()  # one, where it was sought and found
    distributions: tuple[Distribution, ...] = ()
    confusions: tuple[Confusion, ...] = ()
