"""The drawn pictures: the same for everyone, and nothing but the drawing tells the class."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from shortcut_audit import Pictures, UsageError
from shortcut_audit.subjects.datasets.demo import Demo, draw
from shortcut_audit.subjects.pictures.record import generator


@pytest.fixture(scope="module")
def validation() -> Pictures:
    return Demo(validation=60).load("validation", 64)


def test_classes_and_counts() -> None:
    demo = Demo(train=2, validation=1, background=4)
    assert demo.classes == ("cat", "fish", "house", "car", "tree")
    assert [len(demo.load(split, 8).ids) for split in ("train", "validation", "background")] == [
        10,
        5,
        4,
    ]
    assert demo.load("train", 8).ids[:3] == ("train/cat/0000", "train/cat/0001", "train/fish/0000")


def test_a_picture_depends_on_its_identity_alone() -> None:
    """Law: more pictures change none of the others, and the seed changes all."""
    few, many = Demo(validation=2).load("validation", 32), Demo(validation=5).load("validation", 32)
    for i, each in enumerate(few.ids):
        assert torch.equal(few.pixels[i], many.pixels[many.ids.index(each)])
    other = Demo(seed=1, validation=2).load("validation", 32)
    assert not any(torch.equal(a, b) for a, b in zip(few.pixels, other.pixels, strict=True))


def test_another_process_draws_the_same() -> None:
    code = "from shortcut_audit.subjects.datasets.demo import Demo; print(Demo(validation=3).load('validation', 24).digest)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == Demo(validation=3).load("validation", 24).digest


def test_a_size_changes_the_sharpness_and_not_the_scene() -> None:
    small, large = (Demo(validation=4).load("validation", size) for size in (32, 128))
    shrunk = torch.nn.functional.avg_pool2d(large.pixels[:].float(), 4)
    for i in range(len(small.ids)):
        both = np.corrcoef(shrunk[i].flatten(), small.pixels[i].float().flatten())[0, 1]
        assert both > 0.85, small.ids[i]


def test_pictures_are_all_different_and_none_is_dull(validation: Pictures) -> None:
    assert len({each.numpy().tobytes() for each in validation.pixels}) == len(validation.ids)
    assert validation.pixels[:].float().std((1, 2, 3)).min() > 5


def test_the_object_is_where_the_footprint_says() -> None:
    """The same random numbers draw the same scenery with and without an object, behind which it
    then is.
    """
    for label in range(5):
        for i in range(10):
            _, footprint = draw(label, 64, generator(0, str(i)))
            assert 0.02 < footprint.mean() < 0.8
            rows, columns = np.nonzero(footprint)
            assert 0.1 < rows.mean() / 64 < 0.9
            assert 0.1 < columns.mean() / 64 < 0.9


def test_the_background_shows_no_object() -> None:
    background = Demo(background=8).load("background", 32)
    assert background.objects is not None
    assert not background.objects[:].any()
    assert set(background.labels) == {-1}


def test_colour_light_and_place_say_nothing_of_the_class(validation: Pictures) -> None:
    """A nearest-mean guess from mean colours, spread and place is close to chance (0.2): a model
    has to look at shapes.
    """
    assert validation.objects is not None
    pixels, weight = validation.pixels[:].double(), validation.objects[:].double()
    total = weight.sum((1, 2))
    grid = torch.linspace(0, 1, 64, dtype=torch.float64)
    facts = torch.stack(
        [
            *pixels.mean((2, 3)).T,
            *pixels.std((2, 3)).T,
            (weight * grid[:, None]).sum((1, 2)) / total,
            (weight * grid).sum((1, 2)) / total,
        ],
        1,
    )
    facts = (facts - facts.mean(0)) / facts.std(0)
    labels = torch.from_numpy(validation.labels)
    even = torch.arange(len(labels)) % 2 == 0
    means = torch.stack([facts[even & (labels == label)].mean(0) for label in range(5)])
    guesses = torch.cdist(facts[~even], means).argmin(1)
    assert (guesses == labels[~even]).double().mean() < 0.45


def test_a_negative_count_is_one_sentence() -> None:
    with pytest.raises(
        UsageError, match=r"^the demo cannot draw -1 train pictures: ask for 0 or more$"
    ):
        Demo(train=-1)
