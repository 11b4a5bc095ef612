"""Each change of the whole picture is proposed as the decoy that does the same; a class that merely
differs a little is not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from marked_pictures import ground, marked, noise

from shortcut_audit import registry
from shortcut_audit.discovery.proposers.image_wide import ImageWide

PLANTED = [
    ("blur", {"radius": 0.03}),
    ("vignette", {"opacity": 0.6}),
    ("jpeg_grid", {"quality": 6}),
    ("high_frequency_grid", {"period": 4, "opacity": 0.16}),
    ("coloured_border", {"width": 0.08, "colour": [225, 40, 170]}),
]


def changed(kind: str, options: dict[str, Any], share: float) -> Any:
    pictures = noise(80)
    pixels = pictures.pixels.clone()
    chosen = np.flatnonzero(pictures.labels == 1)[:: round(1 / share)]
    decoy = registry.build("decoy", kind, options)
    pixels[chosen] = decoy.apply(pixels[chosen], [pictures.ids[i] for i in chosen]).decoyed
    return replace(pictures, pixels=pixels)


@pytest.mark.parametrize(("kind", "options"), PLANTED, ids=[kind for kind, _ in PLANTED])
def test_it_is_proposed_with_its_options(kind: str, options: dict[str, Any]) -> None:
    found = ImageWide().propose(ground(changed(kind, options, 1.0), (1,)))
    (fits,) = [each.filter for each in found if each.filter["kind"] == kind]
    assert fits == {"kind": kind, **options}


@pytest.mark.parametrize("kind", ["blur", "vignette"])
def test_half_a_class_is_enough(kind: str) -> None:
    found = ImageWide().propose(ground(changed(kind, {}, 0.5)))
    assert {each.target for each in found} == {"right"}
    assert kind in [each.filter["kind"] for each in found]
    assert 0.05 < found[0].score < 0.5


def test_a_frame_that_is_nearly_grey_has_no_decoy_and_is_left_out() -> None:
    pictures = noise(120)
    pictures.pixels[pictures.labels == 1, :, :3] = 128
    kinds = [each.filter["kind"] for each in ImageWide().propose(ground(pictures))]
    assert "coloured_border" not in kinds


def test_what_every_class_shows_is_no_shortcut() -> None:
    pictures = noise(120)
    decoy = registry.build("decoy", "blur", {"radius": 0.03})
    every = decoy.apply(pictures.pixels, pictures.ids).decoyed
    assert ImageWide().propose(ground(replace(pictures, pixels=every))) == []


def test_small_pictures_have_no_bands() -> None:
    assert ImageWide().propose(ground(noise(20, side=8))) == []


def test_a_small_mark_is_not_on_the_whole_picture() -> None:
    found = ImageWide().propose(ground(marked(noise(120), 0.25, None)))
    assert found == []
