"""What a decoy puts on block by block is what it puts on all pictures together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_photos import coco
from PIL import Image
from torch import Tensor

from shortcut_audit import Decoyed, UsageError, registry, rows
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.records import Worn
from shortcut_audit.rows import Lazy, block_count, lately, rows_digest, span
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.decoying.coverage import covered, partly
from shortcut_audit.subjects.decoying.worn import worn
from shortcut_audit.subjects.pictures.material import Material

STEP, N, SIDE = 3, 8, 24
IDS = tuple(f"cat/{i}.jpg" for i in range(N))
OURS = [
    name
    for name in registry.names("decoy")
    if registry.lookup("decoy", name).__module__.startswith("shortcut_audit.")
]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MANY", STEP)


@pytest.fixture
def pixels() -> Tensor:
    """(n, 3, h, w) uint8 of noise that is dark at one side, so that filters have something."""
    noise = np.random.default_rng(0).integers(0, 256, (N, 3, SIDE, SIDE), np.uint8)
    noise[..., : SIDE // 2] //= 4
    return torch.from_numpy(noise)


def lazy(pixels: Tensor, step: int = STEP) -> Lazy:
    return Lazy(pixels.shape, lambda i: pixels[i * step : (i + 1) * step], step=step)


def built(name: str, folder: Path) -> Any:
    """The decoy with its defaults, and with what it cannot do without."""
    given = {"image": lambda: logo(folder / "logo.png"), "root": lambda: coco(folder / "coco")}
    known = registry.lookup("decoy", name).__dataclass_fields__
    options = {option: make() for option, make in given.items() if option in known}
    return registry.build("decoy", name, {"target": "cat", **options})


def logo(file: Path) -> Path:
    Image.new("RGBA", (20, 10), (20, 60, 220, 255)).save(file)
    return file


def check(found: Worn, expected: Decoyed) -> None:
    for part in fields(Decoyed):
        made, whole = getattr(found, part.name), getattr(expected, part.name)
        assert tuple(made.shape) == tuple(whole.shape)
        assert torch.equal(made[:], whole), part.name
        assert torch.equal(made[[6, 0, 5]], whole[[6, 0, 5]]), part.name
        assert rows_digest(made) == rows_digest(whole), part.name


@pytest.mark.parametrize("name", OURS)
def test_blocks_are_what_all_pictures_together_are(
    name: str, tmp_path: Path, pixels: Tensor
) -> None:
    decoy = built(name, tmp_path)
    expected = decoy.apply(pixels, IDS)
    assert not torch.equal(expected.decoyed, pixels)
    check(worn(decoy, lazy(pixels), IDS, name), expected)
    check(worn(decoy, pixels, IDS, name), expected)


@dataclass(frozen=True)
class Counted:
    """Adds one to a corner; it says how many pictures it was given at a time."""

    target: str = "cat"
    given: Any = ()

    def apply(self, pixels: Tensor, ids: Sequence[str]) -> Decoyed:
        self.given.append(tuple(ids))
        decoyed = pixels.clone()
        decoyed[:, :, 0, 0] += 1
        footprint = torch.zeros(len(pixels), *pixels.shape[2:], dtype=torch.bool)
        footprint[:, 0, 0] = True
        return Decoyed(decoyed, pixels, footprint)


def test_it_is_put_on_once_for_all_three_and_only_where_it_is_asked_for(pixels: Tensor) -> None:
    decoy = Counted(given=[])
    found = worn(decoy, lazy(pixels), IDS, "counted")
    assert not decoy.given
    for part in (found.decoyed, found.control, found.footprint):
        assert len(part[4:6]) == 2
    assert decoy.given == [IDS[3:6]]


@pytest.mark.parametrize("step", [1, 2, 5, 2 * N])
def test_pictures_may_come_in_blocks_of_any_length(step: int, pixels: Tensor) -> None:
    decoy = Counted(given=[])
    found = worn(decoy, lazy(pixels, step), IDS, "counted")
    expected = decoy.apply(pixels, IDS)
    assert torch.equal(found.decoyed[:], expected.decoyed)
    assert torch.equal(found.footprint[7], expected.footprint[7])
    assert block_count(found.decoyed) == -(-N // step)


def test_pictures_that_are_cropped_come_in_blocks_of_their_own_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Large pictures come in smaller blocks than what is cropped from them."""
    monkeypatch.setattr(rows, "MANY", 4)
    monkeypatch.setattr(rows, "FEW", 2)
    monkeypatch.setattr(rows, "SMALL", 3 * 22 * 22)
    asked = Scenario(
        dataset={"kind": "demo", "train": 1, "validation": 2},
        decoys={"sign": {"kind": "stop_sign", "target": "cat"}},
    )
    material, size = Material(asked), InputSize(20, 20, resize=24)
    pictures = material.pictures("validation", size)
    assert tuple(pictures.pixels.shape) == (10, 3, 20, 20)
    assert rows_digest(pictures.pixels) == rows_digest(pictures.pixels[:])
    found = material.with_decoy("sign", "validation", size)
    expected = asked.build_decoy("sign").apply(pictures.pixels[:], pictures.ids)
    assert torch.equal(found.decoyed[:], expected.decoyed)
    assert material.digests()[f"sign@{size}"] == rows_digest(expected.decoyed)


@dataclass(frozen=True)
class Dice:
    """Puts on another colour each time."""

    target: str = "cat"

    def apply(self, pixels: Tensor, ids: Sequence[str]) -> Decoyed:
        colour = int(torch.randint(256, ()))
        footprint = torch.ones(len(ids), *pixels.shape[2:], dtype=torch.bool)
        return Decoyed(torch.full_like(pixels, colour), pixels, footprint)


def test_a_decoy_that_is_not_the_same_twice_is_named(pixels: Tensor) -> None:
    torch.manual_seed(1)
    found = worn(Dice(), lazy(pixels), IDS, "dice")
    rows_digest(found.decoyed)
    rows._recent().clear()
    with pytest.raises(UsageError) as caught:
        found.decoyed[:]
    assert str(caught.value) == (
        "what decoy 'dice' puts on a picture is not the same each time it is asked for: "
        "let it depend on the pictures and their ids alone"
    )


@pytest.mark.parametrize("coverage", [0.0, 0.3, 0.5, 1.0])
def test_a_share_of_the_pictures_wears_it_block_by_block(coverage: float, pixels: Tensor) -> None:
    decoy, flags = Counted(given=[]), covered(IDS, coverage)
    whole, parts = (partly(decoy, each, IDS, flags) for each in (pixels, lazy(pixels)))
    assert isinstance(parts, Lazy)
    assert torch.equal(whole[:], parts[:])
    assert rows_digest(whole) == rows_digest(parts)
    changed = (parts[:] != pixels).flatten(1).any(1).numpy()
    assert changed.tolist() == flags.tolist()
    assert changed.sum() == round(coverage * N)


def test_no_pictures_wear_nothing(pixels: Tensor) -> None:
    found = worn(Counted(given=[]), pixels[:0], (), "counted")
    assert found.decoyed[:].shape == (0, 3, SIDE, SIDE)
    assert found.footprint[:].shape == (0, SIDE, SIDE)


@dataclass(frozen=True)
class Scribbler:
    """Writes into the pictures that it is given."""

    def apply(self, pixels: Tensor, ids: Sequence[str]) -> Decoyed:
        pixels[:, :, :2] = 255
        none = torch.zeros((len(pixels), *pixels.shape[2:]), dtype=torch.bool)
        return Decoyed(pixels, pixels.clone(), none)


def test_a_decoy_that_writes_into_its_pictures_changes_no_others(pixels: Tensor) -> None:
    ids = [str(i) for i in range(len(pixels))]
    plain = Lazy(pixels.shape, lately(lambda i: pixels[span(pixels, i)].clone()))
    assert (worn(Scribbler(), plain, ids, "scribbler").decoyed[:][:, :, :2] == 255).all()
    assert torch.equal(plain[:], pixels)
