"""The YAML: which data, which decoys, which limits. File -> Scenario.

Relative paths in it are relative to the file itself. Nothing here imports torch: collecting tests
stays cheap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shortcut_audit import registry
from shortcut_audit.contracts import Dataset, Decoy
from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.checking import check_text, checked
from shortcut_audit.files.whole import canonical
from shortcut_audit.files.yaml_files import parsed_mapping
from shortcut_audit.waivers import Waiver, misplaced

# fields of a Scenario that are no keys of its file
FILLED_IN = frozenset({"folder", "data", "digest"})

ANY = "any"  # a decoy's target: no class is named, so each is tried


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


class Strength(Part):
    """How else a decoy is tried than it is named: a pass should not hang on a guessed size.

    size: times the decoy's own. opacity: None is the decoy's own. covers: it is made no larger
        than would cover this share of
    the picture, because whatever covers half of a picture turns it.
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


class Scenario(Part):
    """A scenario file, checked. `folder` is where relative paths start, `digest` its SHA-256.

    `data` is where those of the data set start instead, and every `root`, if somebody named it
    apart from the file.
    """

    dataset: dict[str, Any]
    decoys: dict[str, dict[str, Any]] = {}  # where nothing is named, nobody is promoted
    limits: Limits = Limits()
    rashomon: Rashomon = Rashomon()
    masks: MaskSettings = MaskSettings()
    influence: InfluenceSettings = InfluenceSettings()
    strengths: tuple[Strength, ...] = (
        Strength(opacity=1.0),
        Strength(size=2.0, opacity=1.0, covers=0.10),
    )
    blocking: tuple[str, ...] = Field(("decoy_insertion", "rashomon_membership"), min_length=1)
    waivers: tuple[Waiver, ...] = ()
    training: Training = Training()
    calibration: Calibration | None = None
    folder: Path = Path()
    data: Path | None = None
    digest: str = ""

    @model_validator(mode="after")
    def _names_fit(self) -> Scenario:
        for group in self.training.models:
            if group.decoy is not None and group.decoy not in self.decoys:
                raise ValueError(
                    f"training asks for the decoy '{group.decoy}'"
                    f"{did_you_mean(group.decoy, self.decoys)}"
                )
            if group.decoy is not None and self.target(group.decoy) is None:
                raise ValueError(
                    f"training puts '{group.decoy}' on a class, and its target is any: "
                    "add 'target: CLASS'"
                )
        if self.calibration and not self.decoys:
            raise ValueError("calibration needs decoys to try: name some in 'decoys'")
        for name in self.calibration.tuning if self.calibration else ():
            if name not in self.decoys:
                raise ValueError(
                    f"calibration tunes on the decoy '{name}'{did_you_mean(name, self.decoys)}"
                )
        for why in misplaced(self.waivers, self.decoys, self.blocking):
            raise ValueError(why)
        return self

    def target(self, decoy: str) -> str | None:
        """The class that the decoy is said to stand for; None where it is left out or `any`, so
        that every class is asked.
        """
        named = self.decoys[decoy].get("target", ANY)
        return None if named == ANY else canonical(str(named))

    @property
    def deciding(self) -> tuple[str, ...]:
        """The blocking audits that share the 5 % of false alarms: all that are about a decoy."""
        return tuple(audit for audit in self.blocking if audit not in self.rashomon.audits)

    def build_dataset(self) -> Dataset:
        """The data set that the scenario names, not yet loaded."""
        kind, options = _split(self.dataset, "")
        found: Dataset = self._located(registry.build("dataset", kind, options))
        return found

    def build_decoy(self, name: str) -> Decoy:
        """The decoy of that name; its `target` is one of the class names.

        Raises:
            UsageError: the scenario has none of that name.
        """
        if name not in self.decoys:
            raise UsageError(
                f"no decoy called '{name}' in the scenario{did_you_mean(name, self.decoys)}"
            )
        kind, options = _split({**self.decoys[name], "target": self.target(name) or ""}, name)
        found: Decoy = self._located(registry.build("decoy", kind, options))
        return found

    def _located(self, entry: Any) -> Any:
        """The entry and those in its options; relative paths start at the data or the scenario."""
        if isinstance(entry, tuple):
            return tuple(self._located(each) for each in entry)
        if not is_dataclass(entry) or isinstance(entry, type):
            return entry
        changed: dict[str, Any] = {}
        for option in fields(entry):
            value = getattr(entry, option.name)
            located = self._located(value)
            if isinstance(value, Path):  # of decoys only `root` moves with the data
                of_data = option.name == "root" or not hasattr(entry, "apply")
                located = (self.data if self.data and of_data else self.folder) / value
            if located is not value and located != value:
                changed[option.name] = located
        return replace(entry, **changed)


def _split(options: Mapping[str, Any], named: str) -> tuple[str, dict[str, Any]]:
    """The kind, which is the entry's name where nothing is said, and the rest."""
    rest = dict(options)
    return rest.pop("kind", named), rest


def load_scenario(
    path: Path, data: Path | None = None, training: Mapping[str, Any] | None = None
) -> Scenario:
    """Reads and checks a scenario file.

    Args:
        path: the YAML.
        data: where the data set's relative paths start; None: beside the YAML.
        training: keys of `training` that are set otherwise than in the file; None where nothing
            is to be trained.

    Raises:
        UsageError: no such file, not YAML, an unknown key, or a value out of range; names the
            file and the key.
    """
    what = f"the scenario '{path}'"
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {what}: {error.strerror}{_nearby(path)}") from None
    content = parsed_mapping(text, what, "the keys 'dataset' and 'decoys'")
    if data is not None and not data.is_dir():
        raise UsageError(f"'{data}' is no folder: name the one in which the data set's paths start")
    if training is not None and "training" not in content:
        raise UsageError(
            f"{what} has no 'training:', so there is no model to train: "
            "see fixtures/demo.yaml for one"
        )
    if training and isinstance(written := content.get("training") or {}, dict):
        content["training"] = {**written, **training}
    read = checked(Scenario, content, what, FILLED_IN)
    for section, options in {
        "dataset": read.dataset,
        **{f"decoys.{name}": each for name, each in read.decoys.items()},
    }.items():
        check_text(options, ("kind", "target"), section, what)
    digest = hashlib.sha256(text).hexdigest()
    return read.model_copy(
        update={"folder": path.resolve().parent, "data": data and data.resolve(), "digest": digest}
    )


def _nearby(path: Path) -> str:
    beside = [str(each) for each in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    return did_you_mean(str(path), beside) if beside else "; check the path"
