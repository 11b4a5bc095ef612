"""A picture is framed as the libraries frame it with which models are trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image, features
from planted import ColouredSquares
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import pil_to_tensor

from shortcut_audit import DataError, Pictures
from shortcut_audit.gate.comparisons import Asked, other_than_asked
from shortcut_audit.inputs_and_outputs import InputSize, Interpolation
from shortcut_audit.scenario import Scenario, load_scenario
from shortcut_audit.subjects.datasets.image_folder import ImageFolder
from shortcut_audit.subjects.decoding.photograph import Photograph, decode
from shortcut_audit.subjects.pictures.material import Material
from shortcut_audit.subjects.pictures.own_data_sets import framed_at
from shortcut_audit.subjects.pictures.record import pictures

FLOWERS = Path(__file__).parents[3] / "shared/data/flowers_128"
WAYS: tuple[Interpolation, ...] = ("nearest", "bilinear", "bicubic", "lanczos")
SIZES = [(InputSize(56, resize=64), 0.875), (InputSize(48), 1.0), (InputSize(60, resize=66), 0.9)]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Real photographs, or scenes that are as smooth where there are none; one is large."""
    folder = tmp_path_factory.mktemp("photographs")
    found = sorted(FLOWERS.rglob("*.jpg"))[:40:8]
    for i, (width, height) in enumerate(((150, 97), (90, 140), (128, 128))):
        coarse = np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        smooth.save(folder / f"{i}.png")
        found.append(folder / f"{i}.png")
    return found


def seen(file: Path, size: int) -> torch.Tensor:
    """The picture as a model sees it, (3, h, w) int32."""
    frames = decode(Photograph(file, file.name), file.read_bytes(), size)
    assert not isinstance(frames, str), frames
    return torch.from_numpy(np.array(frames[0])).permute(2, 0, 1).int()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [size for size, _ in SIZES])
def test_it_is_torchvisions(photographs: list[Path], size: InputSize, way: Interpolation) -> None:
    theirs = transforms.Compose(
        [
            transforms.Resize(size.resize, InterpolationMode[way.upper()], antialias=True),
            transforms.CenterCrop((size.height, size.width)),
        ]
    )
    asked = InputSize(size.height, size.width, size.resize, interpolation=way)
    for file in photographs:
        expected = pil_to_tensor(theirs(Image.open(file).convert("RGB"))).int()
        assert torch.equal(seen(file, asked), expected), file


@pytest.mark.parametrize("way", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("size", "share", "mode"),
    [(*each, mode) for each in SIZES for mode in ("center", "squash")],
)
def test_it_is_timms(
    photographs: list[Path], size: InputSize, share: float, way: Interpolation, mode: str
) -> None:
    timm = pytest.importorskip("timm.data")
    theirs = timm.create_transform(
        (3, size.height, size.width), crop_pct=share, interpolation=way, crop_mode=mode
    ).transforms[:2]
    asked = InputSize(size.height, size.width, size.resize, mode == "squash", way)
    for file in photographs:
        picture = Image.open(file).convert("RGB")
        for step in theirs:
            picture = step(picture)
        assert torch.equal(seen(file, asked), pil_to_tensor(picture).int()), file


def test_a_large_jpeg_is_decoded_small_where_that_is_ample(tmp_path: Path) -> None:
    coarse = Image.fromarray(np.random.default_rng(2).integers(0, 256, (6, 8, 3), dtype=np.uint8))
    coarse.resize((800, 600), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=95)
    size = InputSize(32, 48, 64, interpolation="bicubic")
    theirs = transforms.Compose(
        [transforms.Resize(64, InterpolationMode.BICUBIC), transforms.CenterCrop((32, 48))]
    )
    expected = pil_to_tensor(theirs(Image.open(tmp_path / "a.jpg"))).int()
    assert (seen(tmp_path / "a.jpg", size) - expected).abs().max() <= 3


def test_a_plain_size_is_what_it_was(photographs: list[Path]) -> None:
    for file in photographs:
        assert torch.equal(seen(file, 40), seen(file, InputSize(40)))
        assert seen(file, InputSize(24, 40)).shape == (3, 24, 40)
        assert torch.equal(seen(file, 40)[:, 8:32], seen(file, InputSize(24, 40)))


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", "jpg"), ("CMYK", "tif"), ("P", "png"), ("P", "bmp"), ("LA", "png"), ("PA", "tif"), ("YCbCr", "jpg"), ("LAB", "tif"), ("1", "png")])  # fmt: skip
def test_any_mode_that_a_file_can_have(tmp_path: Path, mode: str, suffix: str) -> None:
    if suffix == "tif" and not features.check("libtiff"):
        pytest.skip("this Pillow reads no TIFF")
    grey = np.tile(np.where(np.arange(16) < 8, 255, 0).astype(np.uint8), (16, 1))
    picture = Image.fromarray(np.repeat(grey[..., None], 3, 2))
    try:
        made = picture.convert("L").convert(mode) if mode in ("LA", "1") else as_mode(picture, mode)
        made.save(tmp_path / f"a.{suffix}")
    except (ValueError, OSError, KeyError):
        pytest.skip(f"this Pillow writes no {mode} as {suffix}")
    found = seen(tmp_path / f"a.{suffix}", 16)
    assert (found - torch.from_numpy(grey).int()).abs().max() <= 4


def as_mode(picture: Image.Image, mode: str) -> Image.Image:
    if mode == "PA":
        return picture.convert("LA").convert(mode)
    if mode == "LAB":
        from PIL import ImageCms

        profiles = (ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"))
        return ImageCms.applyTransform(
            picture, ImageCms.buildTransform(*profiles, "RGB", "LAB")
        ) or picture  # fmt: skip
    return picture.convert(mode)


@dataclass(frozen=True)
class OfMyOwn:
    """Squares of exactly the side that is asked for: an int is all that it knows."""

    wrong: bool = False
    classes: ClassVar[tuple[str, ...]] = ("a", "b")

    def load(self, split: str, size: int) -> Pictures:
        assert type(size) is int
        side = size + self.wrong
        across = torch.arange(side, dtype=torch.uint8).expand(4, 3, side, side).clone()
        across[:, 0, 0, 0] = torch.arange(4)
        made = pictures(across, [0, 1, 0, 1], map(str, range(4)), self.classes)
        region = torch.zeros(4, side, side, dtype=torch.bool)
        region[:, :, side // 2] = True
        return replace(made, objects=region, regions={"token": region})


def test_a_data_set_that_knows_ints_alone_is_cropped() -> None:
    found = framed_at(OfMyOwn(), "validation", InputSize(20, 32, 40))
    assert found.pixels.shape == (4, 3, 20, 32)
    assert found.pixels[0, 0, 5].tolist() == list(range(4, 36))
    assert found.objects is not None
    assert found.objects[0, 0].nonzero().tolist() == [[16]]
    assert found.regions["token"].shape == (4, 20, 32)
    assert found.notes == (
        "validation: the data set scales its pictures itself, and the model is asked at "
        "20x32,resize=40",
    )
    plain = framed_at(OfMyOwn(), "validation", 32)
    assert plain.notes == ()
    assert plain.digest != found.digest
    with pytest.raises(DataError) as raised:
        framed_at(OfMyOwn(wrong=True), "validation", InputSize(20, 32))
    assert str(raised.value) == (
        "the data set gives pictures of 33 x 33 pixels where squares of 32 were asked for, and "
        "the model takes 20x32: let 'load' honour the size, or all of its InputSize and say "
        "'frames = True' in its class"
    )


def material(dataset: Any) -> Material:
    decoys = {"stop_sign": {"target": "green"}, "vignette": {"target": "blue"}}
    made = Material(Scenario(dataset={}, decoys=decoys))
    made.dataset = dataset
    return made


def test_a_run_is_not_bound_to_squares() -> None:
    made = material(ColouredSquares(validation=12))
    size = InputSize(24, 32, 36, interpolation="bicubic")
    made.try_decoys(["stop_sign", "vignette"], size)
    for decoy in ("stop_sign", "vignette"):
        placed = made.with_decoy(decoy, "validation", size)
        assert placed.decoyed.shape == placed.control.shape == (36, 3, 24, 32)
        assert placed.footprint.shape == (36, 24, 32)
    assert made.varied("stop_sign", "validation", size, 0, "scrambled").decoyed.shape[2:] == (
        24,
        32,
    )
    names = set(made.digests())
    assert {"validation@24x32,resize=36,bicubic", "stop_sign@24x32,resize=36,bicubic"} <= names
    for name in names:
        assert InputSize.parse(name.rpartition("@")[2]) == size


def test_a_plain_size_and_its_int_are_one_split() -> None:
    made = material(ColouredSquares(validation=12))
    assert made.pictures("validation", InputSize(32)) is made.pictures("validation", 32)
    assert set(made.digests()) == {"validation@32"}


def test_the_gate_shows_framed_pictures_again(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        pixels = np.random.default_rng(ord(name[0])).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / name / "0.png")
    scenario = tmp_path / "s.yaml"
    scenario.write_text(
        "dataset: {kind: image_folder, validation: photos}\ndecoys: {stop_sign: {target: cat}}\n"
    )
    read = load_scenario(scenario, tmp_path)
    shown = Material(read)
    shown.varied("stop_sign", "validation", InputSize(24, 32, 36), 1, None)
    document = {"scenario": {"digest": read.digest}, "data": shown.digests()}
    asked = Asked("F0", scenario=scenario, data=tmp_path)
    assert set(document["data"]) == {f"{name}@24x32,resize=36" for name in ("validation", "stop_sign+1")}  # fmt: skip
    assert list(other_than_asked(document, asked)) == []
    plain = {"validation@32": document["data"]["validation@24x32,resize=36"]}
    said = list(other_than_asked({**document, "data": plain}, asked))
    assert said == [
        "the pictures of validation@32 (name@pixels) are not those that were audited"
    ]  # fmt: skip
    odd = list(other_than_asked({**document, "data": {"validation@much": "0"}}, asked))
    assert odd == ["the pictures cannot be compared: 'much' is no input size"]


def test_folders_take_every_size(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        pixels = np.random.default_rng(len(name) + ord(name[0])).integers(
            0, 256, (40, 60, 3), np.uint8
        )
        Image.fromarray(pixels).save(tmp_path / name / "0.png")
    size = InputSize(24, 32, squash=True, interpolation="lanczos")
    found = material(ImageFolder(validation=tmp_path)).pictures("validation", size)
    expected = Image.open(tmp_path / "cat/0.png").resize((32, 24), Image.Resampling.LANCZOS)
    assert torch.equal(found.pixels[0], pil_to_tensor(expected))
