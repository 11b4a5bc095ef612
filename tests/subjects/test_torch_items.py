"""Any torch Dataset of the user's: five lines in conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from shortcut_audit import DataError, UsageError, from_torch, registry
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.subjects.pictures.own_data_sets import each_once


class Items(torch.utils.data.Dataset[Any]):
    """Numbered items: a picture of noise, `seed % 2`, and a patient of two pictures."""

    def __init__(self, seeds: range, change: Callable[[Any], Any] = lambda item: item) -> None:
        self.seeds, self.change = seeds, change

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, at: int) -> Any:
        seed = self.seeds[at]
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 26, 3), dtype=np.uint8)
        return self.change((Image.fromarray(pixels), seed % 2, f"p{seed // 2}"))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))


def made(
    change: Callable[[Any], Any] = lambda item: item,
    splits: dict[str, range] | None = None,
    **options: Any,
) -> Any:
    """The data set of such items, as a scenario builds it."""
    known = splits or {"train": range(4), "validation": range(10, 16)}

    @from_torch(classes=("cat", "dog"), **options)
    def my_photos(split: str) -> Any:
        return Items(known[split], change) if split in known else None

    return registry.build("dataset", "my_photos")


def test_items_are_pictures() -> None:
    data = made(group=2)
    found = each_once(data, "validation", InputSize(16, 20))
    assert found.pixels.shape == (6, 3, 16, 20)
    assert found.classes == ("cat", "dog")
    assert found.labels.tolist() == [0, 1] * 3
    assert found.groups is not None
    assert found.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert len(set(found.ids)) == 6
    assert len(data.load("background", 16).ids) == 0
    assert repr(data) == "my_photos()"


def tensor(item: Any) -> Any:
    return torch.from_numpy(np.array(item[0])).permute(2, 0, 1), *item[1:]


@pytest.mark.parametrize(
    "change",
    [
        tensor,
        lambda item: (tensor(item)[0].float() / 255, *item[1:]),
        lambda item: (np.array(item[0]), *item[1:]),
        lambda item: (item[0], torch.tensor(item[1]), torch.tensor(int(item[2][1:]))),
        lambda item: (item[0], np.float32(item[1]), item[2]),
    ],
)
def test_any_kind_of_item_is_the_same(change: Callable[[Any], Any]) -> None:
    plain, other = (
        made(group=2).load("validation", 16),
        made(change, group=2).load("validation", 16),
    )
    assert other.digest == plain.digest


def test_items_may_be_dictionaries_and_labels_several() -> None:
    def change(item: Any) -> Any:
        return {"image": item[0], "labels": [item[1], 1], "site": item[2]}

    found = made(change, picture="image", label="labels", group="site").load("validation", 16)
    assert found.shown is not None
    assert found.groups is not None
    assert found.shown.tolist() == [[False, True], [True, True]] * 3
    assert found.labels.tolist() == [-1] * 6


def test_a_tensor_of_the_models_size_stays_as_it_is() -> None:
    size = InputSize(20, 26, 32, interpolation="bicubic")
    found = made(tensor).load("validation", size)
    assert torch.equal(found.pixels[0], Items(range(10, 16), tensor)[0][0])


def test_copies_and_what_was_trained_on_do_not_count() -> None:
    data = made(splits={"train": range(4), "validation": range(2, 9)})
    found = each_once(data, "validation", 300)
    assert len(found.ids) == 5
    assert "2 pictures are left out because they are in the training set too" in found.broken[0]


def test_a_group_in_two_splits_is_an_error() -> None:
    data = made(splits={"train": range(4), "validation": range(3, 9)}, group=2)
    with pytest.raises(DataError, match=r"^a group is in two splits by item\[2\]: 'p1' \(in train and validation\)"):  # fmt: skip
        data.load("validation", 16)


def test_an_item_that_cannot_be_read_is_named() -> None:
    def change(item: Any) -> Any:
        if item[2] == "p6":
            raise OSError("no such scan")
        return item

    found = made(change).load("validation", 16)
    assert len(found.ids) == 4
    assert found.broken == (
        "validation: item 2 cannot be read: OSError: no such scan",
        "validation: item 3 cannot be read: OSError: no such scan",
    )


def at_random(item: Any) -> Any:
    return torch.rand(3, 20, 20), *item[1:]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (at_random, r"^item 0 of the data set 'my_photos' is another picture each time: take what is random out of its transform$"),
        (lambda item: (tensor(item)[0].float() - 9, *item[1:]), r"^item 0 of the data set 'my_photos' \(validation\) has values from -9 to \d+, where floats are from 0 to 1: take Normalize out of its transform, as the model's input is normalised later$"),
        (lambda item: (torch.zeros(7, 5, 5), *item[1:]), r"^item 0 .* is no picture, but float32 of shape \(5, 5, 7\): a picture is a PIL image, a tensor \(c, h, w\) or an array \(h, w, c\)$"),
        (lambda item: (torch.zeros(3, 5, 5, dtype=torch.int64), *item[1:]), r"is a picture of int64: it must be uint8, or float$"),
        (lambda item: (item[0], 2, item[2]), r"^item 0 .* has the label 2: with 2 classes it is a whole number from 0 to 1, or 2 times 0 or 1$"),
        (lambda item: (item[0], [0, 1, 0], item[2]), r"has the label \[0, 1, 0\]: with 2 classes"),
        (lambda item: (item[0], "cat", item[2]), r"has the label 'cat': with 2 classes"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(change: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        made(change).load("validation", 16)


def test_no_items_are_one_sentence() -> None:
    with pytest.raises(DataError, match=r"^the data set 'my_photos' has no train pictures that can be counted, but NoneType: return a torch Dataset with a length$"):  # fmt: skip
        made(splits={"validation": range(3)}).load("train", 16)
    with pytest.raises(DataError, match=r"^the data set 'my_photos' has no train picture$"):
        made(splits={"train": range(0)}).load("train", 16)
    with pytest.raises(DataError, match=r"has no validation picture; validation: item 0 cannot be read: IndexError: tuple index out of range$"):  # fmt: skip
        made(lambda item: item[:1]).load("validation", 16)
