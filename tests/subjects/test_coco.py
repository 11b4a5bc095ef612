"""Which photographs of COCO are kept, and why the others are not; what is wrong with one file is
charged to that file.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_photos import CATEGORIES, HEIGHT, RED, WIDTH, MadeCoco, box, instance
from made_photos import coco as made_coco
from PIL import Image
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from shortcut_audit import DataError, UsageError
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.datasets.coco import Coco
from shortcut_audit.subjects.pictures.coco_annotations import Instance, Shot
from shortcut_audit.subjects.pictures.segmentations import area, pixels, union

# 25 %, 10 % and 9.5 % of 80 x 60
LARGE, EXACT, SMALL = box(0, 0, 40, 30), box(0, 0, 24, 20), box(0, 0, 24, 19)
CLASSES = ("cat", "car")


@pytest.fixture
def made(tmp_path: Path) -> MadeCoco:
    """One large cat and one large car."""
    built = MadeCoco(tmp_path / "coco")
    for name in CLASSES:
        built.add("val", instance(name, LARGE))
    return built


def ids(made: MadeCoco, **options: Any) -> list[int]:
    """The numbers of the images that are kept."""
    return [number(each) for each in loaded(made, **options).ids]


def loaded(made: MadeCoco, **options: Any) -> Any:
    return Coco(made.write(), **{"classes": CLASSES} | options).load("validation", 16)


def number(identity: str) -> int:
    return int(Path(identity).stem)


def runs(mask: np.ndarray) -> dict[str, Any]:
    """COCO's uncompressed run lengths of (h, w) bool, the slow way."""
    counts, last = [0], False
    for each in mask.flatten(order="F"):
        if each != last:
            counts.append(0)
            last = each
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}


def rectangle(height: int, width: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:height, :width] = True
    return mask


def test_an_object_of_a_tenth_is_large_enough(made: MadeCoco) -> None:
    made.add("val", instance("cat", EXACT))
    made.add("val", instance("cat", SMALL))
    assert ids(made) == [1, 3, 2]
    assert ids(made, least_area=0.095) == [1, 3, 4, 2]
    assert loaded(made).notes == (
        "validation: cat 2 kept of 3 photos; dropped: 1 too small (< 10 %)",
        "validation: car 1 kept of 1 photos",
        "validation: 3 pictures of 2 classes, of 4 photos in 'instances_val2017.json'",
    )


def test_the_object_is_all_its_instances_and_no_crowd(made: MadeCoco) -> None:
    # 260 + 240 pixels
    made.add("val", instance("cat", box(0, 0, 20, 13)), instance("cat", box(40, 0, 60, 12)))
    # twice the same 260
    made.add("val", instance("cat", box(0, 0, 20, 13)), instance("cat", box(0, 0, 20, 13)))
    made.add("val", instance("cat", SMALL), instance("cat", runs(rectangle(60, 60)), crowd=True))
    assert ids(made) == [1, 3, 2]


def test_a_class_that_is_only_a_crowd_is_dropped_and_counted(made: MadeCoco) -> None:
    made.add("val", instance("cat", runs(rectangle(60, 60)), crowd=True))
    made.add("val", instance("cat", LARGE), instance("car", runs(rectangle(2, 2)), crowd=True))
    assert ids(made) == [1, 2]
    notes = loaded(made).notes
    assert (
        notes[0]
        == "validation: cat 1 kept of 3 photos; dropped: 1 with another class, 1 only a crowd"
    )
    assert notes[1] == "validation: car 1 kept of 2 photos; dropped: 1 with another class"


def test_run_lengths_are_as_good_as_polygons(made: MadeCoco) -> None:
    mask = rectangle(20, 24)
    packed = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    made.add("val", instance("cat", runs(mask)))
    made.add("val", instance("cat", {"size": packed["size"], "counts": packed["counts"].decode()}))
    made.add("val", instance("cat", runs(rectangle(20, 23))))
    assert ids(made) == [1, 3, 4, 2]


def test_other_categories_do_not_matter(made: MadeCoco) -> None:
    made.add("val", instance("cat", LARGE), instance("pizza", LARGE), instance("dog", SMALL))
    assert ids(made) == [1, 3, 2]
    assert ids(made, classes=("cat", "pizza", "car")) == [1, 2]


@pytest.mark.parametrize("year", [2014, 2017])
def test_any_year(tmp_path: Path, year: int) -> None:
    built = MadeCoco(tmp_path, year)
    for name in CLASSES:
        built.add("val", instance(name, LARGE))
    assert loaded(built).ids == (f"val{year}/000000000001.png", f"val{year}/000000000002.png")


def test_of_two_years_the_one_with_images_and_then_the_later(tmp_path: Path) -> None:
    for year in (2014, 2017):
        built = MadeCoco(tmp_path, year)
        for name in CLASSES:
            built.add("val", instance(name, LARGE))
        built.write()
    assert loaded(built).ids[0].startswith("val2017/")
    (tmp_path / "val2017").rename(tmp_path / "away")
    assert Coco(tmp_path, CLASSES).load("validation", 8).ids[0].startswith("val2014/")


def test_which_are_kept_does_not_depend_on_order_and_fewer_are_among_more(made: MadeCoco) -> None:
    for _ in range(12):
        made.add("val", instance("cat", LARGE))
    four, eight = (set(loaded(made, validation=n).ids) for n in (4, 8))
    assert four < eight
    assert len(loaded(made, validation=None).ids) == 14
    assert "9 beyond the 4 asked for" in loaded(made, validation=4).notes[0]
    for part in made.contents["val"].values():
        part.reverse()
    assert set(loaded(made, validation=4).ids) == four


def test_the_background_shows_no_class_and_nothing_to_be_avoided(made: MadeCoco) -> None:
    made.add("val")
    made.add("val", instance("dog", LARGE))
    made.add("val", instance("stop sign", SMALL))
    made.add("val", instance("car", runs(rectangle(2, 2)), crowd=True))
    dataset = Coco(made.write(), CLASSES)
    background = dataset.load("background", 8)
    assert [number(each) for each in background.ids] == [3, 4]
    assert background.labels.tolist() == [-1, -1]
    assert not background.objects.any()
    assert background.notes == (
        "background: none of the classes 2 kept of 3 photos; dropped: 1 with stop sign",
    )
    assert len(Coco(made.root, CLASSES, without=()).load("background", 8).ids) == 3
    assert len(Coco(made.root, CLASSES, background=1).load("background", 8).ids) == 1


def test_in_the_wild(made: MadeCoco) -> None:
    made.add("val", instance("stop sign", box(0, 0, 40, 30)))
    made.add("val", instance("stop sign", LARGE), instance("car", SMALL))
    made.add("val", instance("stop sign", runs(rectangle(9, 9)), crowd=True))
    alone = Coco(made.write(), CLASSES).in_the_wild("stop sign", 60)
    assert [number(each) for each in alone.ids] == [3]
    assert alone.labels.tolist() == [-1]
    # the crop takes ten columns off the left
    assert alone.objects[0].float().mean().item() == pytest.approx(30 * 30 / 3600)
    assert alone.notes == (
        "in the wild: stop sign 1 kept of 3 photos; dropped: 1 with one of the classes, 1 only a crowd",
    )
    made.add("train", instance("stop sign", LARGE))  # signs are cut out of these
    assert Coco(made.write(), CLASSES).in_the_wild("stop sign", 60).ids == alone.ids
    with pytest.raises(UsageError, match=r"^'cat' is one of the classes: "):
        Coco(made.root, CLASSES).in_the_wild("cat", 8)


@pytest.mark.parametrize("size", [20, 60, 100])
def test_the_mask_lies_where_the_object_is(made: MadeCoco, size: int) -> None:
    """A plain red box in noise: the mask and the redness go through one scale and crop."""
    name = made.add("val", instance("cat", box(31, 12, 62, 45)))
    plain = np.full((HEIGHT, WIDTH, 3), 0, np.uint8)
    plain[12:45, 31:62] = RED
    Image.fromarray(plain).save(made.root / "val2017" / name)
    pictures = Coco(made.write(), CLASSES).load("validation", size)
    at = [number(each) for each in pictures.ids].index(3)
    assert torch.equal(pictures.objects[at], pictures.pixels[at, 0] >= 101)


@pytest.mark.parametrize("size", [7, 12, 30])
def test_the_mask_lies_where_the_object_is_in_a_jpeg_that_is_decoded_small(
    made: MadeCoco, size: int
) -> None:
    name = made.add("val", instance("cat", box(31, 12, 62, 45)))
    plain = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    plain[12:45, 31:62] = 255
    Image.fromarray(plain).save(made.root / "val2017" / name, format="JPEG", quality=95)
    pictures = Coco(made.write(), CLASSES).load("validation", size)
    at = [number(each) for each in pictures.ids].index(3)
    differ = pictures.objects[at] != (pictures.pixels[at, 0] >= 128)
    assert differ.sum() <= size / 2, "a pixel here and there at the edge"


@pytest.mark.parametrize("turned", [3, 6, 8])
def test_the_mask_turns_with_the_picture(made: MadeCoco, turned: int) -> None:
    name = made.add("val", instance("cat", box(40, 10, 75, 30)))
    plain = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    plain[10:30, 40:75] = RED
    exif = Image.Exif()
    exif[0x0112] = turned
    Image.fromarray(plain).save(made.root / "val2017" / name, exif=exif)
    pictures = Coco(made.write(), CLASSES).load("validation", 60)
    at = [number(each) for each in pictures.ids].index(3)
    assert torch.equal(pictures.objects[at], pictures.pixels[at, 0] >= 101)
    assert pictures.objects[at].any()


def test_what_is_wrong_with_a_file_is_charged_to_it(made: MadeCoco) -> None:
    gone = made.add("val", instance("cat", LARGE), saved=False)
    torn = made.add("val", instance("cat", LARGE))
    (made.root / "val2017" / torn).write_bytes(b"no picture")
    other = made.add("val", instance("cat", LARGE))
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(made.root / "val2017" / other)
    made.add("val", instance("cat", box(5.2, 5.2, 5.3, 5.3)))
    pictures = loaded(made)
    assert [number(each) for each in pictures.ids] == [1, 2]
    folder = made.root / "val2017"
    empty, *rest = pictures.broken
    assert (
        empty
        == f"'{folder / '000000000006.png'}' is left out: the segmentation of annotation 6 covers no pixel"
    )
    assert [each.split("' ")[0] for each in rest] == [
        f"'{folder / name}" for name in (gone, torn, other)
    ]
    assert (
        rest[2]
        == f"'{folder / other}' is 80 x 61 pixels, but its annotation is of a picture of 80 x 60"
    )
    assert pictures.notes[0] == "validation: cat 1 kept of 5 photos; dropped: 4 broken"


@pytest.mark.parametrize(
    "segmentation",
    [
        [],
        None,
        7,
        "mask",
        [[1, 2]],
        [[0, 0, 9, 9]],
        [[0, 0, 30, 0, 30, 30, 5]],
        [[0, 0, 30, 0, 30, None]],
        [[0, 0, 30, 0, 30, "x"]],
        [[0, 0, 30, 0, 30, float("nan")]],
        [[0, 0, 30, 0, 30, 1e30]],
        [[0, 0, 30, 0, 30, 10**400]],
        {"size": [HEIGHT, WIDTH]},
        {"size": [HEIGHT, WIDTH], "counts": [3, 40]},
        {"size": [HEIGHT, WIDTH], "counts": [-3, HEIGHT * WIDTH + 3]},
        {"size": [HEIGHT, WIDTH], "counts": [0.5, HEIGHT * WIDTH - 0.5]},
        {"size": [HEIGHT, WIDTH], "counts": "zz~~~~zz"},
        {"size": [HEIGHT, WIDTH], "counts": "1"},
        {"size": [HEIGHT, WIDTH], "counts": ""},
        {"size": [WIDTH, HEIGHT], "counts": [0, HEIGHT * WIDTH]},
        {"size": None, "counts": [0, HEIGHT * WIDTH]},
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_malformed_segmentation_is_one_sentence(made: MadeCoco, segmentation: Any) -> None:
    """pycocotools itself hangs on a NaN and fills up too short run lengths with what is in the
    memory.
    """
    name = made.add("val", instance("cat", segmentation))
    said = f"'{made.root / 'val2017' / name}' is left out: the segmentation of annotation 3 is malformed"
    assert loaded(made).broken == (said,)
    assert ids(made) == [1, 2]


def test_entries_that_fit_nothing_are_counted(made: MadeCoco) -> None:
    content = made.content("val")
    content["annotations"] += [
        {**instance("cat", LARGE), "id": 90, "image_id": 77},
        {**instance("cat", LARGE), "id": 91, "image_id": 78},
        {"id": 92},
        "what?",
    ]
    content["images"] += [{"id": 5}, content["images"][0], None]
    file = made.root / "annotations" / "instances_val2017.json"
    assert set(loaded(made).broken) == {
        f"'{file}' has 2 annotations of images that it does not list, the first is annotation 90",
        f"'{file}' has 2 annotations without image_id, category_id or segmentation, the first is entry 4",
        f"'{file}' has 3 images without id, file_name, width or height, or listed twice, the first is entry 2",
    }
    assert ids(made) == [1, 2]


def test_a_misspelt_category_is_one_sentence(made: MadeCoco) -> None:
    made.write()
    for options, split in (
        ({"classes": ("cat", "pizze")}, "validation"),
        ({"without": ("pizze",)}, "background"),
    ):
        with pytest.raises(UsageError) as caught:
            Coco(made.root, **{"classes": CLASSES} | options).load(split, 8)
        assert str(caught.value).endswith(
            "instances_val2017.json' has no category 'pizze'; did you mean 'pizza'?"
        )


def sentence(root: Path, split: str = "validation") -> str:
    with pytest.raises(DataError) as caught:
        Coco(root, CLASSES).load(split, 8)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_is_one_sentence_with_the_layout(made: MadeCoco, tmp_path: Path) -> None:
    layout = ": there must be annotations/instances_train*.json, annotations/instances_val*.json, and for each a folder of images"
    (tmp_path / "empty").mkdir()
    root = made.write()
    assert sentence(tmp_path / "none").startswith(
        f"no COCO val images in '{tmp_path / 'none'}', which does not exist{layout}"
    )
    assert sentence(tmp_path / "empty").startswith(
        f"no COCO val images in '{tmp_path / 'empty'}', which holds nothing{layout}"
    )
    assert sentence(root, "train").startswith(
        f"no COCO train images in '{root}', which holds annotations/, val2017/{layout}"
    )
    (root / "val2017").rename(root / "images")
    found = "which has annotations/instances_val2017.json but no val2017/"
    assert sentence(root).startswith(f"no COCO val images in '{root}', {found}{layout}")
    assert sentence(root).endswith(
        "as 'root' in the scenario, or with --data (--audit-data in pytest)"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read: "),
        ("\udcff", "cannot be read: "),
        ("[" * 100_000, "cannot be read: "),
        ("[1]", "holds no COCO instances: it lacks the lists images, annotations, categories"),
        (
            '{"images": [], "annotations": []}',
            "holds no COCO instances: it lacks the lists categories",
        ),
        (
            '{"images": [], "annotations": [], "categories": [{"id": 1}]}',
            "holds no COCO instances: a category has no id or no name",
        ),
    ],
    ids=range(6),
)
def test_a_broken_annotation_file_is_one_sentence(made: MadeCoco, text: str, said: str) -> None:
    made.write()
    (made.root / "annotations" / "instances_val2017.json").write_text(
        text, errors="surrogateescape"
    )
    assert said in sentence(made.root)


def test_no_image_that_fits_is_one_sentence(made: MadeCoco) -> None:
    with pytest.raises(
        DataError,
        match=r"shows exactly one of cat, car on at least 50 % of it: lower 'least_area', or name other",
    ):
        loaded(made, least_area=0.5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"least_area": 10}, "least_area is a share of the image between 0 and 1, not 10"),
        ({"classes": ("cat",)}, "a data set has two classes or more, each named once, not cat"),
        (
            {"classes": ("cat", "cat")},
            "a data set has two classes or more, each named once, not cat, cat",
        ),
        ({"train": -1}, "there cannot be -1 train pictures: ask for 0 or more"),
    ],
)
def test_an_option_out_of_range_is_one_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Coco(**options)
    assert str(caught.value) == said


def test_a_file_is_read_once_and_again_when_it_has_changed(
    made: MadeCoco, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    original = Path.read_bytes

    def read(file: Path) -> bytes:
        if file.suffix == ".json":
            reads.append(file)
        return original(file)

    monkeypatch.setattr(Path, "read_bytes", read)
    dataset = Coco(made.write(), CLASSES)
    dataset.load("validation", 8)
    dataset.load("background", 8)
    assert len(reads) == 1
    made.add("val", instance("cat", LARGE))
    made.write()
    assert len(dataset.load("validation", 8).ids) == 3
    assert len(reads) == 2


def test_nothing_is_printed(made: MadeCoco, capfd: pytest.CaptureFixture[str]) -> None:
    loaded(made)
    assert capfd.readouterr() == ("", "")


def test_the_digest_does_not_follow_the_notes(made: MadeCoco) -> None:
    before = loaded(made)
    made.add("val", instance("cat", SMALL))
    after = loaded(made)
    assert before.notes != after.notes
    assert before.digest == after.digest


coordinates = st.floats(-5, 85, allow_nan=False).map(lambda value: round(value, 2))
polygons = st.lists(
    st.integers(3, 8).flatmap(lambda n: st.lists(coordinates, min_size=2 * n, max_size=2 * n)),
    min_size=1,
    max_size=3,
)


def official(*found: dict[str, Any]) -> list[np.ndarray]:
    """Each annotation's mask as pycocotools' own class makes it."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pycocotools is not ready for numpy 2
        theirs = COCO()
        image = {"id": 1, "file_name": "a", "width": WIDTH, "height": HEIGHT}
        theirs.dataset = {"images": [image], "annotations": [], "categories": []}
        theirs.createIndex()
        return [theirs.annToMask({"image_id": 1, **each}).astype(bool) for each in found]


def ours(*segmentations: Any) -> np.ndarray:
    found = [Instance(i, 1, 1, False, each) for i, each in enumerate(segmentations)]
    mask = union(Shot(Path("a"), "a", WIDTH, HEIGHT), found)
    assert area(mask) == pixels(mask).sum()
    return pixels(mask)


@given(polygons, polygons)
@settings(max_examples=60, deadline=None)
def test_areas_of_polygons_are_pycocotools_own(
    first: list[list[float]], second: list[list[float]]
) -> None:
    one, two = official({"segmentation": first}, {"segmentation": second})
    if one.any() and two.any():
        assert np.array_equal(ours(first), one)
        assert np.array_equal(ours(first, second), one | two)
    else:
        with pytest.raises(DataError, match="covers no pixel"):
            ours(first, second)


@given(st.integers(0, 2**32), st.floats(0.001, 0.999))
@settings(max_examples=60, deadline=None)
def test_areas_of_run_lengths_are_those_of_the_mask(seed: int, share: float) -> None:
    """Uncompressed, compressed as bytes and as text: the three forms of one mask."""
    mask = np.random.default_rng(seed).random((HEIGHT, WIDTH)) < share
    mask[:, ::7] = seed % 2  # long runs too
    mask[0, 0] = True
    packed = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = {"size": packed["size"], "counts": packed["counts"].decode()}
    for each in (runs(mask), packed, text):
        assert np.array_equal(ours(each), mask)
    assert np.array_equal(official({"segmentation": runs(mask)})[0], mask)


def rectangles(least: int) -> st.SearchStrategy[list[list[float]]]:
    return st.tuples(st.integers(least, WIDTH), st.integers(least, HEIGHT)).map(
        lambda side: box(0, 0, *side)
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(CATEGORIES), rectangles(1), st.booleans()), min_size=1, max_size=4
    ),
    st.floats(0, 1),
)
@settings(max_examples=20, deadline=None)
def test_an_image_with_two_classes_never_passes(
    tmp_path_factory: pytest.TempPathFactory,
    found: list[tuple[str, list[list[float]], bool]],
    least: float,
) -> None:
    """Law: whatever the areas, and whether crowds or not. With one class the rule of the thesis
    decides.
    """
    built = MadeCoco(tmp_path_factory.mktemp("coco"))
    for name in CLASSES:
        built.add("val", instance(name, box(0, 0, WIDTH, HEIGHT)))
    built.add("val", *(instance(*each) for each in found))
    shown = {name for name, _, _ in found} & set(CLASSES)
    covered = np.zeros((HEIGHT, WIDTH), bool)
    for name, polygon, crowd in found:
        if name in CLASSES and not crowd:
            covered[: int(polygon[0][5]), : int(polygon[0][4])] = True
    passes = len(shown) == 1 and covered.any() and covered.mean() >= least
    assert (3 in ids(built, least_area=least)) == passes


def test_the_preset_is_a_scenario(tmp_path: Path) -> None:
    made_coco(tmp_path / "coco")
    scenario = load_scenario(Path(__file__).parents[2] / "fixtures" / "coco5.yaml", data=tmp_path)
    dataset, decoy = scenario.build_dataset(), scenario.build_decoy("stop_sign")
    pictures = dataset.load("train", 64)
    assert pictures.classes == ("cat", "pizza", "zebra", "car", "laptop")
    assert np.bincount(pictures.labels).tolist() == [3] * 5
    assert len(decoy.cutouts()) == 2
    assert decoy.apply(pictures.pixels[:], pictures.ids).footprint.flatten(1).any(1).all()
    assert len(dataset.in_the_wild("stop sign", 64).ids) == 2
