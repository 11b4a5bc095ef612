"""What every decoy promises, whoever wrote it: a new file in `decoys/` is tested by existing.

Two kinds: what is pasted somewhere (`Pasted`) leaves the rest alone; what changes the whole picture
(`Filtered`) has the whole picture as its footprint, and its control disturbs the picture as
strongly.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_photos import coco
from PIL import Image, ImageDraw
from torch import Tensor

from shortcut_audit import Decoyed, UsageError, registry
from shortcut_audit.subjects.datasets.demo import draw
from shortcut_audit.subjects.decoying.filtering import CONTROLS, Filtered
from shortcut_audit.subjects.decoying.pasting import Pasted
from shortcut_audit.subjects.pictures.record import generator

IDS = tuple(f"cat/{i}.jpg" for i in range(12))


@pytest.fixture(params=registry.names("decoy"))
def decoy(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Each decoy with its defaults; one that cannot work without a picture of the user's gets one."""
    return built(request.param, tmp_path)


@pytest.fixture(
    params=[
        name
        for name in registry.names("decoy")
        if issubclass(registry.lookup("decoy", name), Pasted)
    ]
)
def pasted(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return built(request.param, tmp_path)


@pytest.fixture(
    params=[
        name
        for name in registry.names("decoy")
        if issubclass(registry.lookup("decoy", name), Filtered)
    ]
)
def filtered(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return built(request.param, tmp_path)


def built(name: str, folder: Path) -> Any:
    entry = registry.lookup("decoy", name)
    given = {"image": lambda: logo(folder / "logo.png"), "root": lambda: coco(folder / "coco")}
    needed = {
        option: make() for option, make in given.items() if option in entry.__dataclass_fields__
    }
    return registry.build("decoy", name, {"target": "cat", **needed})


def controls(decoy: Any) -> tuple[str, ...]:
    return decoy.controls if isinstance(decoy, Pasted) else CONTROLS


def logo(file: Path) -> Path:
    """A blue disc over yellow letters on nothing."""
    picture = Image.new("RGBA", (60, 40))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((15, 0, 45, 25), fill=(20, 60, 220, 255))
    draw.text((15, 24), "ACME", fill=(240, 200, 20, 255))
    picture.save(file)
    return file


def images(height: int = 64, width: int = 64, n: int = len(IDS)) -> Tensor:
    return torch.randint(
        0, 256, (n, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


def scenes(size: int = 64) -> Tensor:
    """Pictures of the demo, for what noise cannot show: (12, 3, size, size) uint8."""
    drawn = [
        draw(i % 5, size, generator(5, identity))[0].transpose(2, 0, 1)
        for i, identity in enumerate(IDS)
    ]
    return torch.from_numpy(np.array(drawn))


def strength(variant: Tensor, pixels: Tensor) -> np.ndarray:
    """(n,) root mean square change, in grey levels."""
    return (variant.float() - pixels.float()).square().mean((1, 2, 3)).sqrt().numpy()


def variants(decoyed: Decoyed) -> tuple[Tensor, Tensor, Tensor]:
    return decoyed.decoyed, decoyed.control, decoyed.footprint


@pytest.mark.parametrize(("height", "width"), [(64, 64), (256, 256), (48, 80), (33, 17)])
def test_only_the_footprint_changes(decoy: Any, height: int, width: int) -> None:
    pixels = images(height, width)
    before = pixels.clone()
    decoyed, control, footprint = variants(decoy.apply(pixels, IDS))
    assert decoyed.dtype == control.dtype == torch.uint8
    assert footprint.dtype == torch.bool
    assert decoyed.shape == control.shape == pixels.shape
    assert footprint.shape == (len(IDS), height, width)
    outside = ~footprint[:, None].expand_as(pixels)
    assert torch.equal(decoyed[outside], pixels[outside])
    assert torch.equal(control[outside], pixels[outside])
    assert torch.equal(pixels, before), "the caller's pixels were written to"


def test_every_image_carries_it(decoy: Any) -> None:
    pixels = images()
    decoyed, control, footprint = variants(decoy.apply(pixels, IDS))
    for i in range(len(IDS)):
        share = float(footprint[i].float().mean())
        assert share == 1 if isinstance(decoy, Filtered) else 0 < share < 1
        inside = footprint[i].expand(3, -1, -1)
        for changed in (decoyed[i], control[i]):
            assert (changed[inside] != pixels[i][inside]).float().mean() > 0.3
        assert not torch.equal(decoyed[i], control[i])


def test_place_and_content_come_from_the_identity(decoy: Any) -> None:
    for control in controls(decoy):
        decoy = registry.build(
            "decoy",
            registry.snake_case(type(decoy).__name__),
            options(decoy) | {"control": control},
        )
        pixels = images()
        whole = variants(decoy.apply(pixels, IDS))
        order = np.random.default_rng(0).permutation(len(IDS))
        shuffled = variants(decoy.apply(pixels[order], [IDS[i] for i in order]))
        halves = [
            variants(decoy.apply(pixels[part], IDS[part])) for part in (slice(0, 5), slice(5, None))
        ]
        for every, mixed, first, second in zip(whole, shuffled, *halves, strict=True):
            assert torch.equal(every[order], mixed)
            assert torch.equal(every, torch.cat([first, second]))


def test_no_control_is_the_decoy_itself(decoy: Any) -> None:
    for control in controls(decoy):
        made = replace(decoy, control=control).apply(scenes(), IDS)
        assert (made.decoyed != made.control).flatten(1).any(1).all(), control


def test_the_control_has_no_content(pasted: Any) -> None:
    """On a plain image the grey control is one flat patch: nothing of the decoy's drawing is left."""
    plain = torch.full((len(IDS), 3, 64, 64), 77, dtype=torch.uint8)
    _, control, footprint = variants(pasted.apply(plain, IDS))
    for i in range(len(IDS)):
        assert len(control[i][:, footprint[i]].unique()) == 1


@pytest.mark.parametrize("size", [64, 128])
def test_the_control_of_a_changed_picture_is_as_strong_as_the_decoy(
    filtered: Any, size: int
) -> None:
    """The root mean square change, picture by picture; rounding and black and white leave five per
    cent.
    """
    pixels = scenes(size)
    for control in CONTROLS:
        made = replace(filtered, control=control).apply(pixels, IDS)
        decoyed, neutral = (strength(variant, pixels) for variant in (made.decoyed, made.control))
        assert neutral == pytest.approx(decoyed, rel=0.05), control


def test_a_changed_picture_is_seen_to_be_changed_and_still_shows_its_object(filtered: Any) -> None:
    pixels = scenes()
    made = filtered.apply(pixels, IDS)
    assert strength(made.decoyed, pixels).min() > 3
    for before, after in zip(pixels.float().mean(1), made.decoyed.float().mean(1), strict=True):
        assert np.corrcoef(before.flatten(), after.flatten())[0, 1] > 0.5


def test_the_control_does_not_look_like_the_decoy(filtered: Any) -> None:
    """Picture by picture the two differ by at least a quarter of what they change: they may share a
    loss, not a form.
    """
    pixels = scenes()
    made = filtered.apply(pixels, IDS)
    assert (strength(made.decoyed, made.control) > 0.25 * strength(made.decoyed, pixels)).all()


def test_a_picture_of_one_grey_is_no_trouble(filtered: Any) -> None:
    for level in (0, 128, 255):
        made = filtered.apply(torch.full((2, 3, 24, 24), level, dtype=torch.uint8), ("a", "b"))
        assert made.decoyed.shape == made.control.shape


def test_global_randomness_is_neither_used_nor_moved(decoy: Any) -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = variants(decoy.apply(images(), IDS))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    assert all(
        torch.equal(a, b) for a, b in zip(first, variants(decoy.apply(images(), IDS)), strict=True)
    )


def test_no_images_give_no_images(decoy: Any) -> None:
    """A data set without background pictures has a batch of none."""
    decoyed, control, footprint = variants(decoy.apply(images(n=0), ()))
    assert decoyed.shape == control.shape == (0, 3, 64, 64)
    assert footprint.shape == (0, 64, 64)


def test_its_repr_is_its_recipe(decoy: Any) -> None:
    assert repr(decoy) == repr(type(decoy)(**options(decoy)))
    others = {
        "placement": "bottom_right",
        "opacity": 0.5,
        "size": 0.4,
        "seed": 7,
        "control": controls(decoy)[-1],
        "target": "x",
    }
    changed = {
        option: other for option, other in others.items() if getattr(decoy, option, other) != other
    }
    assert {"opacity", "seed", "target"} <= set(changed)
    for option, other in changed.items():
        assert repr(type(decoy)(**options(decoy) | {option: other})) != repr(decoy), option


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        (
            "placement",
            "botom_left",
            "a decoy's placement cannot be 'botom_left'; did you mean 'bottom_left'?",
        ),
        ("control", "gray", "a decoy's control cannot be 'gray'; "),
        ("opacity", 0.0, "a decoy's opacity is a share above 0 and at most 1, not 0.0"),
        ("size", 1.5, "a decoy's size is a share above 0 and at most 1, not 1.5"),
    ],
)
def test_an_option_out_of_range_is_one_sentence(
    decoy: Any, option: str, value: object, said: str
) -> None:
    name = registry.snake_case(type(decoy).__name__)
    if option not in options(decoy):
        said = f"decoy '{name}' has no option '{option}'"
    with pytest.raises(UsageError) as caught:
        registry.build("decoy", name, options(decoy) | {option: value})
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_ids_and_pixels_must_fit(decoy: Any) -> None:
    with pytest.raises(
        UsageError,
        match=r"^a decoy goes on \(n, 3, h, w\) uint8 pixels with n ids, not on 2 ids and",
    ):
        decoy.apply(images(), IDS[:2])
    with pytest.raises(
        UsageError, match=r"not on 12 ids and torch.float32 pixels of shape \(12, 3, 64, 64\)$"
    ):
        decoy.apply(images().float(), IDS)


def options(decoy: Any) -> dict[str, Any]:
    return {each.name: getattr(decoy, each.name) for each in fields(decoy)}
