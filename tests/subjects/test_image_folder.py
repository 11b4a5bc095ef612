"""Photographs as people have them: every mode, turned, broken, misspelt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torchvision.transforms import functional as transforms

from shortcut_audit import DataError
from shortcut_audit.subjects.datasets.image_folder import ImageFolder


@pytest.fixture
def photos(tmp_path: Path) -> ImageFolder:
    """Two classes of three pictures of several sizes, in both splits."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for i, shape in enumerate(((40, 60, 3), (61, 33, 3), (16, 16, 3))):
                Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(
                    tmp_path / split / name / f"{i}.png"
                )
    return ImageFolder(tmp_path / "train", tmp_path / "val")


def only(
    photos: ImageFolder, picture: Image.Image, name: str = "3.png", size: int = 8, **options: object
) -> torch.Tensor:
    """The picture as it is loaded, (3, size, size), when it is one of the validation cats."""
    picture.save(photos.validation / "cat" / name, **options)
    loaded = photos.load("validation", size)
    return loaded.pixels[loaded.ids.index(f"cat/{name}")]


def test_files_labels_and_order_are_torchvisions(photos: ImageFolder) -> None:
    theirs = torchvision.datasets.ImageFolder(str(photos.validation))
    loaded = photos.load("validation", 16)
    assert list(loaded.classes) == theirs.classes
    assert loaded.ids == tuple(
        Path(file).relative_to(photos.validation).as_posix() for file, _ in theirs.samples
    )
    assert loaded.labels.tolist() == theirs.targets


def test_pixels_are_torchvisions_resize_and_centre_crop(photos: ImageFolder) -> None:
    loaded = photos.load("validation", 16)
    for each, name in zip(loaded.pixels, loaded.ids, strict=True):
        picture = Image.open(photos.validation / name)
        theirs = transforms.pil_to_tensor(
            transforms.center_crop(transforms.resize(picture, [16], antialias=True), [16])
        )
        assert torch.equal(each, theirs), name


def test_a_large_photograph_is_decoded_small_without_harm(photos: ImageFolder) -> None:
    """A JPEG of many times the size is decoded at a fraction; what it shows is what a full decode
    shows.
    """
    coarse = Image.fromarray(np.random.default_rng(2).integers(0, 256, (6, 8, 3), dtype=np.uint8))
    large = coarse.resize((800, 600), Image.Resampling.BICUBIC)
    seen = only(photos, large, "3.jpg", size=32, quality=95)
    full = transforms.center_crop(transforms.resize(large, [32], antialias=True), [32])
    assert (seen.int() - transforms.pil_to_tensor(full).int()).abs().max() <= 6


def test_a_picture_of_the_right_size_stays_as_it_is(photos: ImageFolder) -> None:
    raw = np.random.default_rng(5).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert np.array_equal(only(photos, Image.fromarray(raw)).permute(1, 2, 0).numpy(), raw)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "I", "CMYK"])
def test_every_mode_becomes_rgb(photos: ImageFolder, mode: str) -> None:
    """A light left half and a dark right half stay what they are in any mode that a file can have."""
    grey = np.full((8, 8), 250, np.uint8)
    grey[:, 4:] = 5
    if mode in ("I;16", "I"):
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
        picture = picture.convert("I") if mode == "I" else picture
    else:
        picture = Image.fromarray(grey).convert("RGB").convert(mode, palette=Image.Palette.ADAPTIVE)
    seen = only(photos, picture, "3.tif" if mode in ("CMYK", "I") else "3.png").int()
    assert (seen[:, :, :4] >= 245).all()
    assert (seen[:, :, 4:] <= 10).all()


def test_what_is_transparent_is_white(photos: ImageFolder) -> None:
    assert (only(photos, Image.new("RGBA", (8, 8), (200, 0, 0, 0))) == 255).all()


def test_a_photograph_is_turned_upright(photos: ImageFolder) -> None:
    """EXIF orientation 6: the camera was held on its side; what is left in the file is at the top."""
    raw = np.zeros((8, 8, 3), np.uint8)
    raw[:, :4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = only(photos, Image.fromarray(raw), "3.jpg", exif=exif, quality=100).int()
    assert (seen[:, :4] > 240).all()
    assert (seen[:, 4:] < 15).all()


def test_broken_files_are_named_and_left_out(photos: ImageFolder) -> None:
    torn = photos.validation / "cat" / "1.png"
    torn.write_bytes(torn.read_bytes()[:400])
    (photos.validation / "dog" / "text.jpg").write_text("no picture")
    (photos.validation / "dog" / "none.jpg").touch()
    loaded = photos.load("validation", 8)
    assert loaded.ids == ("cat/0.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png")
    assert loaded.labels.tolist() == [0, 0, 1, 1, 1]
    assert len(loaded.broken) == 3
    assert loaded.notes == ("validation 5 kept of 8 photos; dropped: 3 that cannot be read",)
    for name, said in zip(
        ("cat/1.png", "dog/none.jpg", "dog/text.jpg"), loaded.broken, strict=True
    ):
        assert said.startswith(f"'{photos.validation / name}' cannot be read: ")
        assert "\n" not in said


def test_other_and_hidden_files_and_folders_are_ignored(photos: ImageFolder) -> None:
    (photos.validation / "readme.txt").touch()
    (photos.validation / ".cache").mkdir()
    (photos.validation / "cat" / "Thumbs.db").touch()
    (photos.validation / "cat" / "._0.png").touch()
    (photos.validation / "cat" / "deep").mkdir()
    Image.linear_gradient("L").save(photos.validation / "cat" / "deep" / "0.PNG")
    loaded = photos.load("validation", 8)
    assert loaded.classes == ("cat", "dog")
    assert loaded.ids[:4] == ("cat/0.png", "cat/1.png", "cat/2.png", "cat/deep/0.PNG")
    assert loaded.broken == ()


def test_a_data_set_need_not_have_a_background(photos: ImageFolder) -> None:
    loaded = photos.load("background", 8)
    assert loaded.pixels.shape == (0, 3, 8, 8)
    assert loaded.labels.shape == (0,)
    assert loaded.classes == ("cat", "dog")


def test_the_digest_follows_pixels_names_and_labels(photos: ImageFolder) -> None:
    digests = {photos.load("validation", 8).digest}
    first = photos.validation / "cat" / "0.png"
    first.rename(first.with_name("00.png"))
    digests.add(photos.load("validation", 8).digest)
    first.with_name("00.png").rename(photos.validation / "dog" / "00.png")
    digests.add(photos.load("validation", 8).digest)
    Image.new("RGB", (9, 9)).save(photos.validation / "dog" / "00.png")
    digests.add(photos.load("validation", 8).digest)
    assert len(digests) == 4


def test_an_audit_needs_no_training_folder(photos: ImageFolder) -> None:
    assert len(ImageFolder(validation=photos.validation).load("validation", 8).ids) == 6


def sentence(dataset: ImageFolder, split: str) -> str:
    with pytest.raises(DataError) as caught:
        dataset.load(split, 8)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_wrong_with_the_folders_is_said_in_one_sentence(
    photos: ImageFolder, tmp_path: Path
) -> None:
    root = photos.validation
    assert sentence(ImageFolder(photos.train, tmp_path / "vall"), "validation") == (
        f"the validation folder '{tmp_path / 'vall'}' does not exist; did you mean 'val'?"
    )
    assert sentence(ImageFolder(photos.train, root / "cat" / "0.png"), "validation").startswith(
        f"the validation folder '{root / 'cat' / '0.png'}' is a file"
    )
    assert sentence(ImageFolder(photos.train, root, tmp_path / "away" / "none"), "background") == (
        f"the background folder '{tmp_path / 'away' / 'none'}' does not exist: check the path in the scenario"
    )
    assert sentence(ImageFolder(photos.train, root / "cat"), "validation") == (
        f"the validation folder '{root / 'cat'}' has no folder in it: give each class a folder of its own"
    )
    (root / "emu").mkdir()
    assert sentence(photos, "validation") == (
        f"the validation folder has no picture of 'emu': put one into '{root / 'emu'}', or remove the folder"
    )


def test_classes_that_differ_are_listed(photos: ImageFolder) -> None:
    (photos.train / "dog").rename(photos.train / "dogs")
    assert sentence(photos, "train") == (
        "the train folder lacks dog and also has dogs, compared with validation: both need the same class folders"
    )


def test_a_split_of_broken_files_alone_is_an_error(photos: ImageFolder) -> None:
    for file in photos.validation.rglob("*.png"):
        file.write_bytes(b"")
    assert sentence(photos, "validation").startswith(
        f"none of the 6 pictures in '{photos.validation}' can be read; the first: '"
    )
