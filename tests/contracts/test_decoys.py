"""What every decoy promises, whoever wrote it: a new file in `decoys/` is tested by existing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from shortcut_audit import Decoyed, UsageError, registry

IDS = tuple(f"cat/{i}.jpg" for i in range(12))


@pytest.fixture(params=registry.names("decoy"))
def decoy(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Each decoy with its defaults; one that cannot work without a picture of the user's gets one."""
    entry = registry.lookup("decoy", request.param)
    needed = {"image": logo(tmp_path / "logo.png")} if "image" in entry.__dataclass_fields__ else {}
    return registry.build("decoy", request.param, {"target": "cat", **needed})


def logo(file: Path) -> Path:
    """A blue disc over yellow letters on nothing."""
    picture = Image.new("RGBA", (60, 40))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((15, 0, 45, 25), fill=(20, 60, 220, 255))
    draw.text((15, 24), "ACME", fill=(240, 200, 20, 255))
    picture.save(file)
    return file


def images(height: int = 64, width: int = 64, n: int = len(IDS)) -> Tensor:
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


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
        assert 0 < footprint[i].float().mean() < 1
        inside = footprint[i].expand(3, -1, -1)
        for changed in (decoyed[i], control[i]):
            assert (changed[inside] != pixels[i][inside]).float().mean() > 0.3
        assert not torch.equal(decoyed[i], control[i])


@pytest.mark.parametrize("control", ["grey", "noise", "scrambled"])
def test_place_and_content_come_from_the_identity(decoy: Any, control: str) -> None:
    decoy = registry.build("decoy", registry.snake_case(type(decoy).__name__), options(decoy) | {"control": control})
    pixels = images()
    whole = variants(decoy.apply(pixels, IDS))
    order = np.random.default_rng(0).permutation(len(IDS))
    shuffled = variants(decoy.apply(pixels[order], [IDS[i] for i in order]))
    halves = [variants(decoy.apply(pixels[part], IDS[part])) for part in (slice(0, 5), slice(5, None))]
    for every, mixed, first, second in zip(whole, shuffled, *halves, strict=True):
        assert torch.equal(every[order], mixed)
        assert torch.equal(every, torch.cat([first, second]))


def test_the_control_has_no_content(decoy: Any) -> None:
    """On a plain image the grey control is one flat patch: nothing of the decoy's drawing is left."""
    plain = torch.full((len(IDS), 3, 64, 64), 77, dtype=torch.uint8)
    _, control, footprint = variants(decoy.apply(plain, IDS))
    for i in range(len(IDS)):
        assert len(control[i][:, footprint[i]].unique()) == 1


def test_global_randomness_is_neither_used_nor_moved(decoy: Any) -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = variants(decoy.apply(images(), IDS))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    assert all(torch.equal(a, b) for a, b in zip(first, variants(decoy.apply(images(), IDS)), strict=True))


def test_no_images_give_no_images(decoy: Any) -> None:
    """A data set without background pictures has a batch of none."""
    decoyed, control, footprint = variants(decoy.apply(images(n=0), ()))
    assert decoyed.shape == control.shape == (0, 3, 64, 64)
    assert footprint.shape == (0, 64, 64)


def test_its_repr_is_its_recipe(decoy: Any) -> None:
    assert repr(decoy) == repr(type(decoy)(**options(decoy)))
    others = {"placement": "centre", "opacity": 0.5, "size": 0.4, "seed": 7, "control": "noise", "target": "x"}
    for option, other in others.items():
        assert repr(type(decoy)(**options(decoy) | {option: other})) != repr(decoy), option


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("placement", "botom_left", "a decoy's placement cannot be 'botom_left'; did you mean 'bottom_left'?"),
        ("control", "gray", "a decoy's control cannot be 'gray'; did you mean 'grey'?"),
        ("opacity", 0.0, "a decoy's opacity is a share above 0 and at most 1, not 0.0"),
        ("size", 1.5, "a decoy's size is a share above 0 and at most 1, not 1.5"),
    ],
)
def test_an_option_out_of_range_is_one_sentence(decoy: Any, option: str, value: object, said: str) -> None:
    name = registry.snake_case(type(decoy).__name__)
    with pytest.raises(UsageError) as caught:
        registry.build("decoy", name, options(decoy) | {option: value})
    assert str(caught.value) == said


def test_ids_and_pixels_must_fit(decoy: Any) -> None:
    with pytest.raises(UsageError, match=r"^a decoy goes on \(n, 3, h, w\) uint8 pixels with n ids, not on 2 ids and"):
        decoy.apply(images(), IDS[:2])
    with pytest.raises(UsageError, match=r"not on 12 ids and torch.float32 pixels of shape \(12, 3, 64, 64\)$"):
        decoy.apply(images().float(), IDS)


def options(decoy: Any) -> dict[str, Any]:
    return {name: getattr(decoy, name) for name in type(decoy).__dataclass_fields__}
