"""Grey of more than 8 bits, several pages, pictures of one colour: right, or named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shortcut_audit import DataError, Pictures
from shortcut_audit.errors import MachineError
from shortcut_audit.subjects.datasets.image_folder import ImageFolder
from shortcut_audit.subjects.decoding import photograph

RAMP = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (16, 1))  # (16, 16) from black to white
GREY = np.round(RAMP * 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
    Image.fromarray(GREY.T.copy()).save(tmp_path / "dog" / "0.png")
    return tmp_path


def loaded(folder: Path) -> Pictures:
    return ImageFolder(validation=folder).load("validation", 16)


def seen(folder: Path) -> np.ndarray:
    """The cat's first channel, (16, 16)."""
    pictures = loaded(folder)
    assert pictures.ids[0].startswith("cat/"), pictures.broken
    return pictures.pixels[0, 0].numpy()


@pytest.mark.parametrize(
    ("values", "suffix"),
    [
        (RAMP, "tif"),
        (RAMP * np.float32(0.5) + np.float32(0.25), "tif"),
        ((RAMP * 255).astype(np.float32), "tif"),
        ((RAMP * 65535).astype(np.uint16), "tif"),
        ((RAMP * 65535).astype(np.uint16), "png"),
        ((RAMP * 65535).astype(np.int32), "tif"),
    ],
)
def test_grey_of_more_than_eight_bits_is_scaled(
    folder: Path, values: np.ndarray, suffix: str
) -> None:
    Image.fromarray(values).save(folder / f"cat/0.{suffix}")
    white = {"f": 255 if values.max() > 1 else 1, "u": 65535, "i": 65535}[values.dtype.kind]
    assert np.abs(seen(folder).astype(float) - values.astype(float) / white * 255).max() <= 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (RAMP * np.float32(65535), "its values are floats from 0 to 65535, which does not say what is white"),
        (RAMP - np.float32(0.5), "its values are floats from -0.5 to 0.5"),
        (np.where(RAMP > 0.5, np.float32(np.nan), RAMP), "some of its values are no numbers"),
        (np.where(RAMP > 0.5, np.float32(np.inf), RAMP), "some of its values are no numbers"),
        ((RAMP * 200_000).astype(np.int32), "its values are from 0 to 200000, and 16 bits hold 0 to 65535"),
        ((RAMP * 100 - 50).astype(np.int32), "its values are from -50 to 50"),
    ],
)  # fmt: skip
def test_grey_whose_white_nobody_knows_is_left_out_and_named(
    folder: Path, values: np.ndarray, said: str
) -> None:
    Image.fromarray(values).save(folder / "cat/0.tif")
    found = loaded(folder)
    assert found.ids == ("dog/0.png",)
    assert len(found.broken) == 1
    assert f"cat/0.tif' cannot be read: {said}" in found.broken[0]


def test_of_several_pages_it_is_the_first(folder: Path) -> None:
    pages = [Image.fromarray(np.roll(GREY, 4 * i, 1)) for i in range(3)]
    for suffix in ("tif", "webp", "png"):
        file = folder / f"cat/0.{suffix}"
        pages[0].save(
            file,
            save_all=True,
            append_images=pages[1:],
            **({"lossless": True} if suffix == "webp" else {}),
        )
        assert np.array_equal(seen(folder), GREY), suffix
        file.unlink()


@pytest.mark.parametrize(
    "mode", ["P", "LA", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "1", "L;16 RGB"]
)
def test_any_mode_is_right_or_named(folder: Path, mode: str) -> None:
    """What a decoder takes for another picture must not pass in silence."""
    half = np.where(GREY > 127, 255, 0).astype(np.uint8)
    if mode == "L;16 RGB":
        _rgb16(folder / "cat/0.png", half)
    else:
        picture = Image.fromarray(half).convert("RGB")
        picture = picture.convert("L") if mode == "LAB" else picture
        try:
            picture = picture.convert(mode)
        except ValueError:
            picture = Image.merge(
                "LAB", [Image.fromarray(half), *[Image.new("L", half.shape, 128)] * 2]
            )
        if mode in ("PA", "HSV"):
            picture = picture.convert("RGBA" if mode == "PA" else "RGB")
        picture.save(
            folder / ("cat/0.png" if mode in ("P", "LA", "PA", "RGBA", "HSV", "1") else "cat/0.tif")
        )
    found = loaded(folder)
    if found.ids[0] == "dog/0.png":
        assert "cat/0" in found.broken[0]
    else:
        assert np.abs(found.pixels[0, 0].numpy().astype(int) - half).max() <= 3
        assert found.broken == ()


def _rgb16(file: Path, grey: np.ndarray) -> None:
    """A PNG with three channels of 16 bits, which Pillow cannot write."""
    import struct
    import zlib

    rows = b"".join(
        b"\0" + np.repeat(row.astype(">u2") * 257, 3).astype(">u2").tobytes() for row in grey
    )
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", *grey.shape[::-1], 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def test_pictures_of_one_colour_are_counted(folder: Path) -> None:
    for i in range(3):
        Image.new("RGB", (16, 16), (i, i, i)).save(folder / f"cat/black{i}.png")
    Image.fromarray(GREY).save(folder / "cat/right.png")
    said = "validation: 3 of 4 pictures of class 'cat' are one colour and show nothing: look at how they were saved"
    assert loaded(folder).broken == (said,)


def test_bytes_that_were_saved_as_wider_integers_are_bytes(folder: Path) -> None:
    """By the rule of 16 bits they would be black."""
    Image.fromarray(GREY.astype(np.int32)).save(folder / "cat/0.tif")
    wide = loaded(folder).pixels[:]
    (folder / "cat/0.tif").unlink()
    Image.fromarray(GREY).save(folder / "cat/1.png")
    assert torch.equal(wide, loaded(folder).pixels[:])


def test_no_memory_is_no_fault_of_a_picture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    # what was decoded before needs no memory
    Image.fromarray(255 - GREY).save(folder / "cat/0.png")
    monkeypatch.setattr(photograph, "as_rgb", full)
    with pytest.raises(MachineError, match="too little memory"):
        loaded(folder)


def test_a_picture_is_named_in_the_same_words_each_time(folder: Path) -> None:
    (folder / "cat/0.png").write_bytes(b"no picture")
    assert loaded(folder).broken == loaded(folder).broken
    (folder / "dog/0.png").write_bytes(b"none")
    with pytest.raises(
        DataError,
        match=r"can be read; the first: '.*0.png' cannot be read: it is no picture of a known format",
    ):
        loaded(folder)
