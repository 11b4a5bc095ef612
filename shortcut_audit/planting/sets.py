"""The pictures that audits of behaviour ask every model about, as `evidence.collection` asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from shortcut_audit.evidence.natural import taken_away
from shortcut_audit.records import Pictures, Worn
from shortcut_audit.rows import Rows
from shortcut_audit.subjects.pictures.material import Material
from shortcut_audit.subjects.pictures.record import of

if TYPE_CHECKING:
    pass

SPLITS = ("validation", "background")


@dataclass(frozen=True)
class Planted:
    """A split in one condition: `plain`, or `decoyed` with a decoy, or `control` without it.

    Of an attribute: pictures that show it, as `evidence.natural.TakenAway` has them.
    """

    pictures: Pictures
    pixels: Rows  # (n, 3, h, w) uint8
    split: str
    condition: str = "plain"
    decoy: str = ""
    strength: int = 0  # as in a `Case`


@dataclass(frozen=True)
class _Way:
    """How a decoy is put on pictures: as in a `Case`."""

    decoy: str
    strength: int
    control: str | None


def planted(material: Material, size: int) -> Iterator[Planted]:
    """Every set of pictures of the scenario at this size; the plain validation pictures first.

    Law: whatever `Evidence.predictions`, `natural` and `filled` ask about is among them.
    """
    validation = material.pictures("validation", size)
    yield Planted(validation, validation.pixels, "validation")
    for way, split in product(_ways(material), SPLITS):
        placed, pictures = _placed(material, way, split, size), material.pictures(split, size)
        control = "control" if way.control is None else f"control {way.control}"
        yield Planted(pictures, placed.decoyed, split, "decoyed", way.decoy, way.strength)
        yield Planted(pictures, placed.control, split, control, way.decoy, way.strength)
    for attribute, target in _attributes(material):
        taken = taken_away(material, attribute, target, size)
        if not isinstance(taken, str):
            pictures = of(validation, taken.at)
            for condition in ("removed", "control", "moved"):
                pixels: Rows = getattr(taken, condition)
                yield Planted(pictures, pixels, "validation", condition, attribute)


def counted(material: Material, size: int) -> int:
    """How many pictures `planted` gives at most, some of which may be the same."""
    validation = material.pictures("validation", size)
    once = len(validation.ids)
    both = once + len(material.pictures("background", size).ids)
    taken = sum(
        int(material.attribute(each, validation).sum()) for each, _ in _attributes(material)
    )
    return once + 2 * both * len(_ways(material)) + 3 * taken


def _attributes(material: Material) -> list[tuple[str, str]]:
    """Each attribute with its class; with every class, where none is named."""
    found = []
    for attribute in material.scenario.attributes:
        named = material.scenario.target(attribute)
        found += [(attribute, each) for each in ([named] if named else material.classes)]
    return found


def _ways(material: Material) -> list[_Way]:
    """Each decoy at each strength, under its own control and under the second one."""
    found = []
    for decoy in material.scenario.decoys:
        controls = dict.fromkeys([None, material.second_control(decoy)])
        for strength in range(len(material.strengths(decoy))):
            found += [_Way(decoy, strength, each) for each in controls]
    return found


def _placed(material: Material, way: _Way, split: str, size: int) -> Worn:
    if way.strength or way.control:
        return material.varied(way.decoy, split, size, way.strength, way.control)
    return material.with_decoy(way.decoy, split, size)
