"""The YAML: which data, which decoys, which limits. File -> Scenario.

Relative paths in it are relative to the file itself. Nothing here imports torch: collecting tests
stays cheap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from shortcut_audit import registry
from shortcut_audit.contracts import Dataset, Decoy
from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.checking import check_text, checked
from shortcut_audit.files.whole import canonical
from shortcut_audit.files.yaml_files import parsed_mapping
from shortcut_audit.settings import (
    Attribute,
    Calibration,
    Discover,
    InfluenceSettings,
    Limits,
    MaskSettings,
    Part,
    Rashomon,
    Strength,
    Training,
)
from shortcut_audit.waivers import Waiver, misplaced

# fields of a Scenario that are no keys of its file
FILLED_IN = frozenset({"folder", "data", "digest"})

ANY = "any"  # a decoy's target: no class is named, so each is tried


class Scenario(Part):
    """A scenario file, checked. `folder` is where relative paths start, `digest` its SHA-256.

    `data` is where those of the data set start instead, and every `root`, if somebody named it
    apart from the file.
    """

    dataset: dict[str, Any]
    decoys: dict[str, dict[str, Any]] = Field({})  # where nothing is named, nobody is promoted
    attributes: dict[str, Attribute] = Field({})  # decoys that some of the pictures really show
    limits: Limits = Limits()
    rashomon: Rashomon = Rashomon()
    masks: MaskSettings = MaskSettings()
    influence: InfluenceSettings = InfluenceSettings()
    strengths: tuple[Strength, ...] = (
        Strength(opacity=1.0),
        Strength(size=2.0, opacity=1.0, covers=0.10),
    )
    # () until it is read: then those that are about decoys or attributes, where there are any
    blocking: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    training: Training = Training()
    calibration: Calibration | None = None
    discover: Discover | None = None  # None: nobody looks for what nobody named
    smallest: bool = False  # whether the smallest form of each decoy is sought
    folder: Path = Path()
    data: Path | None = None
    digest: str = ""

    @field_validator("blocking")
    @classmethod
    def _can_block(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("it names no audit, so that nothing could be promoted or not")
        if "smallest_decoy" in value:
            raise ValueError(
                "smallest_decoy cannot block: half of clean models have a smallest form as well"
            )
        return value

    @model_validator(mode="before")
    @classmethod
    def _what_blocks(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "blocking" in content:
            return content
        natural = ("natural_insertion", "natural_need") if content.get("attributes") else ()
        planted = ("decoy_insertion",) if content.get("decoys") or not natural else ()
        return {**content, "blocking": (*planted, *natural, "rashomon_membership")}

    @model_validator(mode="after")
    def _names_are_apart(self) -> Scenario:
        if both := sorted(self.decoys.keys() & self.attributes.keys()):
            raise ValueError(f"'{both[0]}' is a decoy and an attribute: give one another name")
        return self

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
        for why in misplaced(self.waivers, self.named, self.blocking):
            raise ValueError(why)
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """Every decoy and attribute."""
        return (*self.decoys, *self.attributes)

    def target(self, decoy: str) -> str | None:
        """The class that the decoy or attribute is said to stand for; None where it is left out or
        `any`, so that every class is asked.
        """
        if decoy in self.attributes:
            named = self.attributes[decoy].target
        else:
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
