"""The parts of a scenario file, each with its ranges and its defaults."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.whole import canonical


class Part(BaseModel):
    """A part of the scenario: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(BaseModel):
    """What each effect may be at most, as a share. A user's own audit may add a key of its own."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, float]

    insertion: float = Field(0.10, gt=0, lt=1)
    removal: float = Field(0.10, gt=0, lt=1)
    decoy_only: float = Field(0.10, gt=0, lt=1)
    localisation: float = Field(0.20, gt=0, lt=1)
    explainer: float = Field(0.50, gt=0, lt=1)
    agreement: float = Field(0.20, gt=0, lt=1)
    transfer: float = Field(0.20, gt=0, lt=1)
    precision: float = Field(0.20, gt=0, lt=1)
    rank_correlation: float = Field(0.20, gt=0, lt=1)
    top_k: float = Field(0.20, gt=0, lt=1)
    # of a class without an attribute: pictures that show it are often the clearer ones too
    need: float = Field(0.30, gt=0, lt=1)
    worst_group: float = Field(0.20, gt=0, lt=1)  # by how much its error exceeds that of all
    # of classes and strengths that nobody named; twice that is never innocent
    innocent: float = Field(0.30, gt=0, lt=0.5)

    @model_validator(mode="after")
    def _no_near_miss(self) -> Limits:
        for key in self.__pydantic_extra__:
            hint = did_you_mean(key, type(self).model_fields)
            if "did you mean" in hint:
                raise ValueError(f"no limit called '{key}'{hint}")
        return self

    def __getattr__(self, name: str) -> Any:
        """A limit that nobody set is a clear error, not an AttributeError far away."""
        try:
            return super().__getattr__(name)  # type: ignore[misc]
        except AttributeError:
            if name.startswith("_"):
                raise
            hint = f"add 'limits: {{{name}: 0.10}}'"
            raise UsageError(
                f"an audit asks for limits.{name}, which the scenario does not set: {hint}"
            ) from None


class Rashomon(Part):
    """Which models count as equally accurate."""

    epsilon: float = Field(0.03, gt=0, lt=1)
    # what becomes of a model where images are too few to tell its accuracy apart
    undecided: Literal["noted", "blocks"] = "noted"
    # audits that compare accuracies: they share no alpha with those that are about a decoy
    audits: tuple[str, ...] = ("rashomon_membership",)


class Attribute(Part):
    """A decoy that is really there: some of the pictures show it, as the data set says which.

    target: the class that a model may take it for; `any`: each is asked about. column: what the
    data set calls it, where that is not the name that it has here. filling: what takes its place
    where the data set says where it is: `border` is the mean colour around it, `telea` OpenCV's
    in-painting.
    """

    target: str = "any"
    column: str | None = None
    filling: Literal["border", "telea"] = "border"

    @field_validator("target")
    @classmethod
    def _as_classes_are(cls, value: str) -> str:
        return canonical(value)


class Strength(Part):
    """How else a decoy is tried than it is named: a pass should not hang on a guessed size.

    size: times the decoy's own. opacity: None is the decoy's own. covers: it is made no larger than
    would cover this share of the picture, because whatever covers half of a picture turns it.
    """

    size: float = Field(1.0, gt=0)
    opacity: float | None = Field(None, gt=0, le=1)
    covers: float | None = Field(None, gt=0, le=1)


class MaskSettings(Part):
    """How masks are made, and on how many images of the decoy's class."""

    explainer: str = "extremal"
    options: dict[str, Any] = {}
    area: float = Field(0.05, gt=0, lt=1)
    images: int = Field(60, ge=2)


class InfluenceSettings(Part):
    """How influence is measured, for how many queries, and how many images get the decoy."""

    method: str = "gradient_cosine"
    options: dict[str, Any] = {}
    coverage: float = Field(0.20, gt=0, lt=1)
    queries: int = Field(40, ge=2)


class Group(Part):
    """Models to train: one for each coverage and seed; coverage 0 makes clean references.

    worn_by says which training images may carry the decoy: "target", those of the decoy's own
    class; "every", the same share of every class, so that the decoy says nothing; or CLASS, those
    of another class, with which it happens to go together. The last two are confusable clean
    settings: such a model has seen the decoy and has no reason to take it for the TARGET, so the
    audits of this decoy should let it pass. It is no reference all the same, for it was not trained
    without the decoy: it is used to what clean training finds strange, or (CLASS) it answers the
    decoy with that other class.
    """

    decoy: str | None = None
    coverage: tuple[float, ...] = (0.0,)
    seeds: tuple[int, ...] = (0,)
    worn_by: str = "target"

    @field_validator("worn_by")
    @classmethod
    def _as_classes_are(cls, value: str) -> str:
        return canonical(value)

    @field_validator("coverage", "seeds", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _coverage_is_a_share(self) -> Group:
        for share in self.coverage:
            if not 0 <= share <= 1:
                raise ValueError(f"coverage is a share between 0 and 1, not {share}")
            if share > 0 and self.decoy is None:
                raise ValueError(f"coverage {share} needs a decoy: add 'decoy: NAME'")
        if self.decoy is None and self.worn_by != "target":
            raise ValueError(f"worn_by '{self.worn_by}' needs a decoy: add 'decoy: NAME'")
        return self


class Augmentation(Part):
    """Of training images: a random crop of this share, resized back; flips with p = 1/2."""

    crop: tuple[float, float] | None = (0.5, 1.0)
    horizontal_flip: bool = True
    vertical_flip: bool = True


class Diversify(Part):
    """A set on purpose: what a model's masks reveal is blurred for the next one (thesis, 2.2)."""

    models: int = Field(4, ge=2)  # in a chain at most, the first included
    area: float = Field(0.10, gt=0, lt=1)  # of each training image, blurred after each model
    # the chain ends with the first model that loses more accuracy than this
    drop: float = Field(0.03, gt=0, lt=1)


class Training(Part):
    """The thesis's recipe (section 3.4); only `shortcut-audit train` and `study` read it."""

    arch: str = "torchvision:resnet18"
    size: int = Field(256, ge=16)  # side of the square input, pixels
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(5e-4, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["constant", "one_cycle"] = "constant"
    batch: int = Field(64, ge=1)
    epochs: int = Field(20, ge=1)
    augmentation: Augmentation = Augmentation()
    device: str = "auto"  # a CUDA GPU where there is one
    # bfloat16 where a GPU has it in hardware
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    diversify: Diversify | None = None
    models: tuple[Group, ...] = (Group(),)


class Calibration(Part):
    """How the audits themselves are audited; only `shortcut-audit calibrate` reads it."""

    # name -> what it changes in `training`
    recipes: dict[str, dict[str, Any]] = Field({"plain": {}}, min_length=1)
    references: int = Field(4, ge=2)  # clean models of its recipe beside each candidate
    rounds: int = Field(1, ge=1)  # audits of each clean model, each with another pair of decoys
    fresh: dict[str, Any]  # what it changes in `dataset`: pictures on which behaviour is labelled
    # audit -> every how many models it is run; those that block are run on all
    supporting: dict[str, int] = {}
    # decoys on which limits may be tuned; the others are reported only
    tuning: tuple[str, ...] = ()


class Discover(Part):
    """Whether shortcuts that nobody named are sought, and when one is proposed."""

    classes: tuple[str, ...] = ()  # into which pictures may be turned; (): all of them
    # who proposes, each with its options
    proposers: dict[str, dict[str, Any]] = Field(
        {
            "cut_outs": {},
            "places": {},
            "recurring_patches": {},
            "image_wide": {},
            "disagreement": {},
        },
        min_length=1,
    )
    hosts: int = Field(80, ge=10)  # pictures of other classes on which each candidate is tried
    tried: int = Field(5, ge=1)  # candidates of each class and model
    most: int = Field(2, ge=1)  # of them, those that are proposed
    # what is proposed recurs in so many training pictures, and turns so many more pictures into its
    # class than under its control, and than in any peer
    recurs: int = Field(6, ge=2, le=12)  # of 12 that are kept
    beyond: float = Field(0.10, gt=0, lt=1)
    # whether what turns half of other pictures in the model and its peers alike is asked about too,
    # and what can be held against no other model: `shortcut-audit discover` shows both to a person
    shared: bool = False

    @field_validator("classes")
    @classmethod
    def _as_classes_are(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(canonical(name) for name in value)
