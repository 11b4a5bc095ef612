"""What each change of the whole picture is, held against something that is not ours, and what its
control keeps.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from shortcut_audit import UsageError, registry
from shortcut_audit.subjects.datasets.demo import draw
from shortcut_audit.subjects.decoying.filtering import as_strong, rms, scrambled
from shortcut_audit.subjects.decoys.background_texture import BackgroundTexture
from shortcut_audit.subjects.decoys.blur import Blur
from shortcut_audit.subjects.decoys.high_frequency_grid import HighFrequencyGrid
from shortcut_audit.subjects.decoys.hue_shift import HueShift, turned
from shortcut_audit.subjects.decoys.jpeg_grid import JpegGrid
from shortcut_audit.subjects.decoys.vignette import Vignette
from shortcut_audit.subjects.pictures.record import generator

FAMILIES = (Blur, JpegGrid, HueShift, HighFrequencyGrid, Vignette, BackgroundTexture)
GREY = torch.full((1, 3, 64, 64), 128, dtype=torch.uint8)


def scene(size: int = 64, label: int = 0) -> torch.Tensor:
    """(1, 3, size, size) uint8: a drawn cat."""
    return torch.from_numpy(draw(label, size, generator(2, "scene"))[0].transpose(2, 0, 1).copy())[
        None
    ]


def on_rng() -> np.random.Generator:
    return generator(0, "a")


@pytest.mark.parametrize("family", FAMILIES)
def test_opacity_is_the_share_of_the_way(family: type) -> None:
    picture = scene().numpy()[0].astype(np.float32)
    whole = family().changed(picture, on_rng())
    for opacity in (0.1, 0.5):
        made = family(opacity=opacity).apply(scene(), ("a",)).decoyed[0].numpy()
        expected = np.clip(picture + opacity * (whole - picture), 0, 255)
        assert np.abs(made - expected).max() <= 0.51


@given(
    family=st.sampled_from(FAMILIES),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_any_picture_can_be_changed(family: type, height: int, width: int, seed: int) -> None:
    """Law: whatever the size, both are pictures, and the control never changes more than the decoy,
    but for rounding.
    """
    pixels = torch.randint(
        0,
        256,
        (2, 3, height, width),
        dtype=torch.uint8,
        generator=torch.Generator().manual_seed(seed),
    )
    made = family(seed=seed).apply(pixels, ("a", "b"))
    assert made.footprint.all()
    for before, decoyed, control in zip(
        pixels.float(), made.decoyed.float(), made.control.float(), strict=True
    ):
        assert rms((control - before).numpy()) <= 1.02 * rms((decoyed - before).numpy()) + 0.5


@given(st.integers(1, 200), st.integers(0, 99))
@settings(deadline=None)
def test_as_strong_is_as_strong_even_where_much_is_cut_off(amount: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.choice(np.array([0, 60, 200, 255], dtype=np.float32), (3, 20, 20))
    decoyed = np.clip(picture + rng.normal(0, amount, picture.shape), 0, 255).astype(np.float32)
    made = as_strong(picture, decoyed, picture + rng.normal(0, 5, picture.shape).astype(np.float32))
    assert rms(made - picture) == pytest.approx(rms(decoyed - picture), rel=0.02, abs=0.5)


def test_a_scrambled_change_is_the_same_change_in_another_order() -> None:
    rng = np.random.default_rng(0)
    picture, decoyed = rng.uniform(0, 255, (2, 3, 9, 7)).astype(np.float32)
    other = scrambled(picture, decoyed, on_rng())
    before, after = ((each - picture).reshape(3, -1).T for each in (decoyed, other))
    assert np.sort(after, axis=0) == pytest.approx(np.sort(before, axis=0), abs=1e-4)
    assert rms(other - picture) == pytest.approx(rms(decoyed - picture), rel=1e-5)
    assert not np.allclose(before, after)


def test_blur_is_pillows() -> None:
    """Pillow's Gaussian is made of box filters: close, and not ours."""
    made = (
        Blur(radius=0.03).apply(scene(), ("a",)).decoyed[0].numpy().transpose(1, 2, 0).astype(float)
    )
    expected = np.asarray(
        Image.fromarray(scene()[0].numpy().transpose(1, 2, 0)).filter(
            ImageFilter.GaussianBlur(0.03 * 64)
        )
    )
    assert np.abs(made - expected).mean() < 1.5


@pytest.mark.parametrize("size", [64, 128])
def test_the_blurs_control_loses_what_is_small_and_keeps_edges_sharp(size: int) -> None:
    """A line as thin as the blur's reach goes, a step between two halves stays, and a blur does
    neither.
    """
    blur, unit = Blur(), size // 64
    line, step = np.full((2, 3, size, size), 40, dtype=np.float32)
    line[:, :, 32 * unit : 33 * unit] = 200
    step[:, :, 32 * unit :] = 200
    assert (
        rms(blur.counterpart(line, line, on_rng()) - 40)
        < 6
        < rms(blur.changed(line, on_rng()) - 40)
    )
    softened, blurred = (
        rms(made - step)
        for made in (blur.counterpart(step, step, on_rng()), blur.changed(step, on_rng()))
    )
    assert softened < 0.7 * blurred
    assert unit > 1 or softened < 1e-3, "at the smaller size not a pixel of an edge changes"


def test_a_jpeg_is_the_same_in_its_own_file_and_its_blocks_are_eight_pixels() -> None:
    made = JpegGrid(quality=5).apply(scene(), ("a",))
    file = BytesIO()
    Image.fromarray(scene()[0].numpy().transpose(1, 2, 0)).save(
        file, "JPEG", quality=5, subsampling=0
    )
    assert np.array_equal(made.decoyed[0].numpy().transpose(1, 2, 0), np.asarray(Image.open(file)))

    def at_borders(image: torch.Tensor) -> float:
        """Steps across the borders of the blocks over steps elsewhere."""
        steps = image.float().diff(dim=-1).abs().mean((0, 1))
        border = torch.arange(len(steps)) % 8 == 7
        return float(steps[border].mean() / steps[~border].mean())

    assert at_borders(made.decoyed[0]) > 1.5
    assert at_borders(made.control[0]) < 1.15


def test_a_hue_turned_by_a_third_changes_places_of_the_channels() -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (3, 4, 5)).astype(np.float32)
    assert turned(picture, 120) == pytest.approx(picture[[2, 0, 1]], abs=1e-3)
    assert turned(picture, -120) == pytest.approx(picture[[1, 2, 0]], abs=1e-3)


@given(st.floats(-120, 120))
def test_a_turned_hue_keeps_brightness_and_colourfulness_and_turns_back(degrees: float) -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (3, 4, 5)).astype(np.float32)
    there = turned(picture, degrees)
    assert there.mean(0) == pytest.approx(picture.mean(0), abs=0.01)
    assert there.std(0) == pytest.approx(picture.std(0), abs=0.01)
    assert turned(there, -degrees) == pytest.approx(picture, abs=0.01)
    assert rms(turned(picture, -degrees) - picture) == pytest.approx(rms(there - picture), abs=0.01)


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_grid_is_one_frequency_across_and_one_down(period: int) -> None:
    change = (HighFrequencyGrid(period=period).apply(GREY, ("a",)).decoyed.float() - 128)[
        0, 0
    ].numpy()
    power = np.abs(np.fft.fft2(change)) ** 2
    at = 64 // period
    own = {(0, at), (0, -at % 64), (at, 0), (-at % 64, 0)}
    assert sum(power[place] for place in own) > 0.98 * power.sum()


def test_a_grids_control_is_its_pixels_without_the_frequency() -> None:
    made = HighFrequencyGrid().apply(GREY, ("a",))
    assert torch.equal(
        made.decoyed[0, 0].flatten().sort().values, made.control[0, 0].flatten().sort().values
    )
    power = np.abs(np.fft.fft2(made.control[0, 0].numpy() - 128.0)) ** 2
    assert power.max() < 0.02 * power.sum()


def test_a_vignette_darkens_the_corners_and_its_control_one_side() -> None:
    made = Vignette(opacity=1.0).apply(GREY.expand(30, -1, -1, -1), [str(i) for i in range(30)])
    decoyed, control = made.decoyed[:, 0].float(), made.control[:, 0].float()
    assert decoyed[0, [0, 0, -1, -1], [0, -1, 0, -1]].max() < 8
    assert decoyed[0, 31:33, 31:33].min() > 127
    assert torch.equal(decoyed, decoyed.flip(1))
    assert torch.equal(decoyed, decoyed.flip(2))
    # light that falls off evenly: two opposite places have as much together
    opposite = control + control.flip(1, 2)
    assert ((opposite - opposite.mean((1, 2), keepdim=True)).abs() < 4).float().mean() > 0.8
    darkest = control.flatten(1).argmin(1)
    assert len(set(darkest.tolist())) >= 4, "each picture has a side of its own"


def test_a_texture_repeats_has_no_mean_and_begins_elsewhere_in_each_picture() -> None:
    made = BackgroundTexture(spacing=0.25).apply(GREY.expand(2, -1, -1, -1), ("a", "b"))
    change = made.decoyed.float() - 128
    assert change.mean((2, 3)).abs().max() < 0.5
    assert torch.equal(change[:, :, :32], change[:, :, 32:]), "two rows of 16 pixels each"
    assert not torch.equal(change[0], change[1])
    assert change[0].flatten(1).unique(dim=1).shape[1] < 40


@pytest.mark.parametrize(
    ("family", "options", "said"),
    [
        ("jpeg_grid", {"quality": 0}, "a JPEG's quality is between 1 and 95, not 0"),
        (
            "hue_shift",
            {"degrees": 180},
            "a hue can be shifted by up to 120 degrees either way, and not by 0; not by 180.0",
        ),
        ("high_frequency_grid", {"period": 1}, "a grid's period is at least 2 pixels, not 1"),
        ("blur", {"radius": 0}, "a decoy's radius is a share above 0 and at most 1, not 0.0"),
        (
            "background_texture",
            {"spacing": 2},
            "a decoy's spacing is a share above 0 and at most 1, not 2.0",
        ),
        (
            "vignette",
            {"control": "scramble"},
            "a decoy's control cannot be 'scramble'; did you mean 'scrambled'?",
        ),
        (
            "coloured_border",
            {"width": 0},
            "a decoy's width is a share above 0 and at most 1, not 0.0",
        ),
        (
            "coloured_border",
            {"control": "noise"},
            "a decoy's control cannot be 'noise'; there is grey",
        ),
        (
            "corner_patch",
            {"colour": [300, 0, 0]},
            "a decoy's colour is red, green and blue, each from 0 to 255, not [300, 0, 0]",
        ),
        ("hospital_token", {"text": " "}, "a hospital token needs a text: add 'text: L PORT'"),
    ],
)
def test_an_option_that_cannot_be_is_one_sentence(
    family: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        registry.build("decoy", family, options)
    assert str(caught.value) == said
