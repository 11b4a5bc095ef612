"""How a library's own processor prepares a picture is how ours does, from what its file says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_formats import quiet
from PIL import Image

from shortcut_audit.errors import UsageError
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.subjects.manifest.preprocessing import (
    framing_in,
    input_of_processor,
    input_of_timm,
)
from shortcut_audit.subjects.pictures.framing import framed, scaled_to

transformers = pytest.importorskip("transformers")
timm = pytest.importorskip("timm")

PROCESSORS: list[tuple[str, dict[str, Any]]] = [
    ("ViTImageProcessor", {"size": {"height": 32, "width": 32}}),
    ("ViTImageProcessor", {"size": {"height": 32, "width": 48}, "resample": 3}),
    ("ViTImageProcessor", {"size": {"height": 32, "width": 32}, "do_normalize": False}),
    ("ViTImageProcessor", {"size": {"height": 32, "width": 32}, "rescale_factor": 1 / 128}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 32}, "crop_pct": 0.875}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
    ("CLIPImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": 32}),
    ("BitImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": 32}),
    ("MobileNetV2ImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": 32}),
    ("DeiTImageProcessor", {"size": {"height": 40, "width": 40}, "crop_size": 32}),
    ("EfficientNetImageProcessor", {"size": {"height": 32, "width": 32}, "rescale_offset": False}),
    ("LevitImageProcessor", {"size": {"shortest_edge": 32}, "crop_size": 32}),
    ("PoolFormerImageProcessor", {"size": {"shortest_edge": 36}, "crop_size": 36}),
]


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    """Wider than high, smooth, and unlike in every corner."""
    down, across = np.mgrid[0:90, 0:130] / 90
    colours = [np.sin(3 * down + across), np.cos(4 * across), np.sin(2 * across * down)]
    return Image.fromarray((127 + 120 * np.stack(colours, 2)).astype(np.uint8))


def ours(said: dict[str, Any], picture: Image.Image) -> torch.Tensor:
    """(3, h, w): the picture as a model sees it whose manifest says this."""
    height, width = said["size"] if isinstance(said["size"], list) else (said["size"],) * 2
    by = said.get("interpolation", "bilinear")
    size = InputSize(height, width, said.get("resize"), said.get("squash", False), by)
    pixels = np.asarray(framed(picture, scaled_to(picture.size, size), size))
    values = torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(said[key])[:, None, None] for key in ("mean", "std"))
    return (values - mean) / std


@pytest.mark.parametrize(("kind", "options"), PROCESSORS)
def test_of_transformers(
    kind: str, options: dict[str, Any], photograph: Image.Image, tmp_path: Path
) -> None:
    with quiet():
        processor = getattr(transformers, kind)(**options)
        processor.save_pretrained(tmp_path)
        wanted = torch.as_tensor(np.asarray(processor(photograph)["pixel_values"][0]))
    words = json.loads((tmp_path / "preprocessor_config.json").read_text())
    said = input_of_processor(words)
    found = ours(said, photograph)
    assert found.shape == wanted.shape
    # a value of 255 is rounded, and the libraries place a crop of odd width half a pixel apart
    assert (found - wanted).abs().mean() < 0.02 * wanted.std()
    spoilt = ours({**said, "mean": [0.4, 0.4, 0.4]}, photograph)
    assert (spoilt - wanted).abs().mean() > 0.1, "another preparation would be seen"


@pytest.mark.parametrize("crop", [0.875, 0.95, 1.0])
@pytest.mark.parametrize("mode", ["center", "squash"])
def test_of_timm(crop: float, mode: str, photograph: Image.Image) -> None:
    words = {
        "input_size": [3, 56, 56],
        "crop_pct": crop,
        "crop_mode": mode,
        "interpolation": "bicubic",
        "mean": [0.5, 0.4, 0.3],
        "std": [0.2, 0.3, 0.4],
    }
    with quiet():
        prepare = timm.data.create_transform(**{**words, "input_size": (3, 56, 56)})
        wanted = prepare(photograph)
    found = ours(input_of_timm(words), photograph)
    assert (found - wanted).abs().max() < 0.05


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"size": {"shortest_edge": 256}}, "keep their shape (shortest_edge 256, no crop)"),
        ({"do_flip_channel_order": True, "size": 256}, "blue before red"),
    ],
)
def test_what_cannot_be_done_here_is_said(words: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError) as caught:
        input_of_processor(words)
    assert why in str(caught.value)


def test_timm_s_borders_are_said() -> None:
    with pytest.raises(UsageError, match="crop_mode 'border', which is not done here: write"):
        input_of_timm({"input_size": [3, 8, 8], "crop_mode": "border"})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            {"val_crop_size": 224, "val_resize_size": 256, "interpolation": "bilinear"},
            {"size": 224, "resize": 256, "interpolation": "bilinear"},
        ),
        ({"img_size": 224, "crop_pct": 0.9}, {"size": 224, "resize": 248}),
        ({"size": 64, "mean": [0], "squash": True}, {"size": 64, "resize": 64, "squash": True}),
        ({"size": 64, "resize": 72}, {}),  # of what it is the size, nobody says
        ({"img_size": 224, "crop_pct": None}, {}),
        ({"img_size": "224", "crop_pct": 0.9}, {}),
        ({"crop_pct": True, "img_size": 224}, {}),
    ],
)
def test_words_of_training_scripts(words: dict[str, Any], said: dict[str, Any]) -> None:
    assert framing_in(words) == said
