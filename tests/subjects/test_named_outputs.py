"""What outputs are called, and where a class of the data set is found among them."""

from __future__ import annotations

import pytest
from timm.data import ImageNetInfo
from torchvision.models import ResNet18_Weights

from shortcut_audit.errors import UsageError
from shortcut_audit.subjects.datasets.imagenet10 import TEN
from shortcut_audit.subjects.manifest.outputs import columns, imagenet, names_of_outputs


def test_imagenet_s_classes_are_those_of_torchvision_and_timm() -> None:
    assert list(imagenet()) == ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    wnids = ImageNetInfo("imagenet-1k").label_names()
    order, _ = columns(imagenet(), wnids, {})
    assert order == tuple(range(1000))


def test_ten_of_a_thousand_outputs_by_wnid_name_or_number() -> None:
    known_as = {name: (wnid,) for name, wnid in TEN.items()}
    by_wnid, names = columns(imagenet(), tuple(TEN), known_as)
    assert by_wnid[:10] == (0, 207, 250, 291, 292, 333, 340, 510, 566, 569)
    assert names[:10] == tuple(TEN)
    assert len(names) == 1000
    assert "Siberian husky" not in names
    assert columns(imagenet(), ("French horn", "207", "n01440764"), {})[0][:3] == (566, 207, 0)


def test_of_1001_outputs_the_first_is_background() -> None:
    own = names_of_outputs("imagenet", 1001)
    assert own[0] == "background"
    assert columns(own, ("tench", "n02129604"), {})[0][:3] == (1, 293, 0)


def test_a_name_of_two_outputs_is_not_guessed_at() -> None:
    with pytest.raises(UsageError, match="'crane' is the name of outputs 134 and 517: call the"):
        columns(imagenet(), ("crane",), {})
    assert columns(imagenet(), ("cardigan", "Cardigan"), {})[0][:2] == (474, 264)
    with pytest.raises(UsageError, match="'CARDIGAN' is the name of outputs 264 and 474"):
        columns(imagenet(), ("CARDIGAN",), {})


def test_some_outputs_by_number() -> None:
    assert names_of_outputs({2: "cat"}, 4) == ("output 0", "output 1", "cat", "output 3")
    with pytest.raises(ValueError, match="need 'outputs: N' beside them"):
        names_of_outputs({2: "cat"}, None)
    with pytest.raises(ValueError, match="no output 4 among 4, counted from 0"):
        names_of_outputs({4: "cat"}, 4)


def test_case_and_accents_do_not_matter_where_nothing_else_is_called_so() -> None:
    assert columns(("Café", "DOG"), ("dog", "cafe\u0301"), {}) == ((1, 0), ("dog", "cafe\u0301"))
    assert columns(("a", "A"), ("A", "a"), {})[0] == (1, 0)
    with pytest.raises(UsageError, match="fish missing, a, b extra"):
        columns(("a", "b"), ("fish",), {})


def test_two_classes_are_not_the_same_output() -> None:
    with pytest.raises(UsageError, match="'tench' and 'Tinca tinca' are the same output of it, 0"):
        columns(imagenet(), ("tench", "Tinca tinca"), {})
