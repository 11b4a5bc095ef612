"""Rashomon sets on purpose: on pictures whose class is told by two cues, or by one, so that the
answer is known.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from shortcut_audit import Pictures, register, registry
from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.masks.area import mask_of_area
from shortcut_audit.evidence.masks.explainers.saliency import Saliency
from shortcut_audit.measures.masks import similarity
from shortcut_audit.scenario import Scenario, load_scenario
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.training import diversify as module
from shortcut_audit.training import train as training
from shortcut_audit.training.diversify import blurred, make_set
from shortcut_audit.training.train import train

SIZE = 32
STILL = {"crop": None, "horizontal_flip": False, "vertical_flip": False}


@register("dataset")
@dataclass(frozen=True)
class TwoCues:
    """Grey pictures; the second class has lying stripes on the left, standing ones on the right; a
    blur makes them grey.
    """

    right: float = 0.5  # contrast of the standing stripes; 0: there are none
    train: int = 100  # a class
    validation: int = 40
    classes: ClassVar[tuple[str, ...]] = ("nothing", "texture")

    def load(self, split: str, size: int) -> Pictures:
        labels = np.arange(2 * getattr(self, split)) % 2
        pixels = np.stack(
            [self._draw(split, i, int(label), size) for i, label in enumerate(labels)]
        )
        ids = tuple(f"{split}/{i}" for i in range(len(labels)))
        return Pictures(
            torch.from_numpy(pixels), labels, ids, self.classes, digest=f"{self}/{split}/{size}"
        )

    def _draw(self, split: str, index: int, label: int, size: int) -> np.ndarray:
        rng = np.random.default_rng((len(split), index))
        picture, half, side = rng.normal(128, 3, (size, size)), size // 2, size // 4
        down, across = np.mgrid[:side, :side]
        for first, stripes in ((0, down % 2 * 2 - 1), (half, self.right * (across % 2 * 2 - 1))):
            y, x = rng.integers(0, size - side), first + rng.integers(0, half - side)
            picture[y : y + side, x : x + side] += 100 * label * stripes
        return np.repeat(picture.clip(0, 255).astype(np.uint8)[None], 3, axis=0)


class StripesNet(nn.Module):
    """A logistic regression on how much of the picture has lying and how much has standing stripes,
    from weights of 0.

    So a cue that is not on the training pictures gets no weight.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(2, classes)
        nn.init.zeros_(self.fc.weight)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) -> logits (n, k)."""
        steps = [(images.diff(dim=axis).abs() - 0.2).relu().mean((1, 2, 3)) for axis in (2, 3)]
        logits: Tensor = self.fc(20 * torch.stack(steps, dim=1))
        return logits


def cues(right, seeds=(0,), **diversify):
    """The scenario in which a model learns the cues in four epochs."""
    recipe = {
        "size": SIZE,
        "epochs": 4,
        "batch": 20,
        "optimiser": "sgd",
        "learning_rate": 0.3,
        "augmentation": STILL,
        "mean": (0, 0, 0),
        "std": (1, 1, 1),
    }
    chain = {"models": 3, "area": 0.08, "drop": 0.2, **diversify}
    return Scenario(
        dataset={"kind": "two_cues", "right": right},
        decoys={"stop_sign": {"target": "texture"}},
        training={
            **recipe,
            "arch": f"{__name__}:StripesNet",
            "device": "cpu",
            "diversify": chain,
            "models": [{"seeds": seeds}],
        },
    )


def quick(*groups, models=3, area=0.10, drop=0.99, explainer="saliency", **changes):
    """A scenario that is trained in a second, whose models are hardly better than chance: nothing
    drops.
    """
    return Scenario(
        dataset={"kind": "two_cues", "train": 20, "validation": 10},
        decoys={"corner_patch": {"target": "texture"}},
        masks={"explainer": explainer},
        training={
            **{
                "arch": "shortcut_audit:small_resnet",
                "size": SIZE,
                "epochs": 2,
                "batch": 20,
                "device": "cpu",
            },
            **{
                "models": groups or [{}],
                "diversify": {"models": models, "area": area, "drop": drop},
                **changes,
            },
        },
    )


def made(scenario, out, **options):
    """Makes the set; every checkpoint's bytes by its path, dropped ones too."""
    make_set(scenario, out, **{"progress": False, "trust_code": True, **options})
    return {file.relative_to(out).as_posix(): file.read_bytes() for file in _checkpoints(out)}


def _checkpoints(out):
    return sorted(file for file in out.rglob("*.safetensors") if ".evidence" not in file.parts)


def revealed(out, name, pictures):
    """(t, h, w) bool: what a model needs to see of the pictures with stripes."""
    candidate = next(each for each in read_candidates(out) if each.name == name)
    striped = np.flatnonzero(pictures.labels == 1)
    images, targets = pictures.pixels[striped] / 255, torch.ones(len(striped), dtype=torch.int64)
    network = load_subject(candidate, trust_code=True).network
    return mask_of_area(
        registry.build("explainer", "extremal").explain(network, images, targets, 0.08), 0.08
    ).numpy()


@pytest.fixture(scope="module")
def two_cues(tmp_path_factory):
    """Two seeds, of which the first has a chain."""
    out = tmp_path_factory.mktemp("two_cues")
    made(cues(0.5, seeds=(0, 1)), out, only=["F0-s0-d2", "F0-s1"])
    return out


@pytest.fixture(scope="module")
def one_cue(tmp_path_factory):
    out = tmp_path_factory.mktemp("one_cue")
    made(cues(0.0), out)
    return out


@pytest.fixture
def one_cue_again(one_cue, tmp_path):
    return shutil.copytree(one_cue, tmp_path / "again")


@pytest.fixture
def fits(monkeypatch):
    """The pictures that each model was trained on, in order."""
    pictures, real = [], training.fit
    monkeypatch.setattr(
        training,
        "fit",
        lambda task, *rest: pictures.append(task.training) or real(task, *rest),
    )
    return pictures


@pytest.fixture
def explained(monkeypatch):
    """How many pictures were explained in each call."""
    calls, real = [], Saliency.explain
    monkeypatch.setattr(
        Saliency, "explain", lambda self, *rest: calls.append(len(rest[1])) or real(self, *rest)
    )
    return calls


def test_the_next_model_finds_the_other_cue_and_the_one_after_it_finds_none(two_cues):
    pictures = TwoCues().load("validation", SIZE)
    first, second, other_seed = (
        revealed(two_cues, name, pictures) for name in ("F0-s0", "F0-s0-d1", "F0-s1")
    )
    on_the_left = [
        float(each[:, :, : SIZE // 2].sum() / each.sum()) for each in (first, second, other_seed)
    ]
    assert on_the_left[0] > 0.9
    assert on_the_left[1] < 0.2
    assert on_the_left[2] > 0.9, "another seed alone does not change the reason"
    assert similarity(first, second).mean() < 0.2
    assert similarity(first, other_seed).mean() > 0.9
    assert [each.name for each in read_candidates(two_cues)] == ["F0-s0", "F0-s0-d1", "F0-s1"]
    assert (two_cues / ".dropped" / "F0-s0-d2.safetensors").is_file()


def test_with_one_cue_the_chain_ends_at_once_and_no_audit_sees_the_model_that_fell(one_cue):
    assert [(each.name, each.reference, each.problem) for each in read_candidates(one_cue)] == [
        ("F0-s0", True, None)
    ]
    (one_cue / "rashomon.yaml").rename(one_cue / "aside")
    try:
        assert [each.name for each in read_candidates(one_cue)] == ["F0-s0"]
    finally:
        (one_cue / "aside").rename(one_cue / "rashomon.yaml")


def test_the_model_that_fell_is_told_and_not_trained_again(one_cue_again, fits, capsys):
    before = {file: file.stat().st_mtime_ns for file in _checkpoints(one_cue_again)}
    # a run was killed just before it removed this
    stale = one_cue_again / ".dropped" / ".F0-s0-d1.partial"
    stale.write_bytes(b"no longer needed")
    make_set(cues(0.0), one_cue_again, trust_code=True)
    said = " ".join(capsys.readouterr().out.split())
    assert "F0-s0-d1: accuracy 0." in said
    assert (
        "is more than 0.2 below the 1.000 of F0-s0, so it is not in the set and the chain ends; it is kept as"
        in said
    )
    assert fits == []
    assert not stale.exists()
    assert {file: file.stat().st_mtime_ns for file in _checkpoints(one_cue_again)} == before


def test_a_larger_drop_lets_it_join_untrained_and_a_smaller_one_then_refuses(one_cue_again, fits):
    made(cues(0.0, models=2, drop=0.6), one_cue_again)
    assert [(each.name, each.reference) for each in read_candidates(one_cue_again)] == [
        ("F0-s0", True),
        ("F0-s0-d1", False),
    ]
    assert fits == []
    with pytest.raises(
        UsageError,
        match=r"drop was larger, and loses more accuracy than 0\.2: delete it and its lines",
    ):
        made(cues(0.0), one_cue_again)


def test_without_diversify_it_is_train_and_with_it_the_first_models_are_the_same(tmp_path):
    groups = {"seeds": [0, 1]}, {"decoy": "corner_patch", "coverage": 0.5}
    plain = quick(*groups, diversify=None)
    train(plain, tmp_path / "train", progress=False)
    by_train = {file.name: file.read_bytes() for file in _checkpoints(tmp_path / "train")}
    assert made(plain, tmp_path / "plain") == by_train
    chains = made(quick(*groups), tmp_path / "chains")
    assert {name: chains[name] for name in by_train} == by_train
    assert set(chains) - set(by_train) == {
        f"{name}-d{i}.safetensors" for name in ("F0-s0", "F0-s1", "F50-s0") for i in (1, 2)
    }


def test_only_the_first_clean_model_of_a_chain_is_a_reference(tmp_path):
    made(quick({}, {"decoy": "corner_patch", "coverage": 1}, models=2), tmp_path)
    listed = read_candidates(tmp_path)
    assert {each.name: each.reference for each in listed} == {
        "F0-s0": True,
        "F0-s0-d1": False,
        "F100-s0": False,
        "F100-s0-d1": False,
    }
    (tmp_path / "rashomon.yaml").unlink()
    assert read_candidates(tmp_path) == listed


def test_each_model_is_trained_on_pictures_blurred_where_those_before_it_looked(tmp_path, fits):
    asked = quick({"decoy": "corner_patch", "coverage": 1})
    made(asked, tmp_path)
    explainer = registry.build("explainer", "saliency")
    for i in (0, 1):
        shown = fits[i].pixels
        candidate = read_candidates(tmp_path)[i]
        targets = torch.from_numpy(fits[i].labels)
        saliency = explainer.explain(load_subject(candidate).network, shown / 255, targets, 0.10)
        reason = mask_of_area(saliency, 0.10)[:, None].expand_as(shown)
        strongest = [
            gaussian_filter(
                each.numpy().astype(float), 20 * SIZE / 224, axes=(1, 2), mode="nearest"
            )
            for each in shown
        ]
        after = fits[i + 1].pixels
        assert torch.equal(after[~reason], shown[~reason])
        assert np.abs(after.numpy() - np.stack(strongest))[reason.numpy()].max() <= 1
    worn = (
        (fits[0].pixels[:] != asked.build_dataset().load("train", SIZE).pixels[:])
        .flatten(1)
        .any(1)
        .numpy()
    )
    assert worn.tolist() == (fits[0].labels == 1).tolist(), "the first of them with the decoy on"


@pytest.mark.parametrize("died", ["explaining", "training", "listing"])
def test_a_run_that_was_killed_ends_as_one_that_was_not_and_explains_nothing_twice(
    tmp_path, monkeypatch, explained, fits, died
):
    monkeypatch.setattr(module, "PART", 16)
    asked = quick(models=2)
    whole = made(asked, tmp_path / "whole")
    assert explained == [16, 16, 8]
    explained.clear()
    with monkeypatch.context() as patch:
        if died == "explaining":
            patch.setattr(Saliency, "explain", _dying_in_the_second_call(Saliency.explain))
        if died == "training":
            patch.setattr(training, "fit", _dying_in_the_second(training.fit))
        if died == "listing":
            patch.setattr(module, "write_manifest", _die)
        with pytest.raises(KeyboardInterrupt):
            made(asked, tmp_path / "killed")
    assert made(asked, tmp_path / "killed") == whole
    assert explained == [16, 16, 8]
    assert [each.name for each in read_candidates(tmp_path / "killed")] == ["F0-s0", "F0-s0-d1"]
    fits.clear()
    assert made(asked, tmp_path / "killed") == whole
    assert fits == []


def _die(*_):
    raise KeyboardInterrupt


def _dying_in_the_second_call(real):
    left = iter([real])
    return lambda *arguments: next(left, _die)(*arguments)


def _dying_in_the_second(real):
    """The second model's second epoch is not finished."""
    calls = []

    def fit(*arguments):
        calls.append(arguments)
        for i, epoch in enumerate(real(*arguments)):
            if len(calls) == 2 and i == 1:
                _die()
            yield epoch

    return fit


def test_only_makes_the_chain_up_to_the_model_that_is_named(tmp_path):
    asked = quick({"seeds": [0, 1]})
    assert list(made(asked, tmp_path, only=["F0-s1-d1"])) == [
        "F0-s1-d1.safetensors",
        "F0-s1.safetensors",
    ]
    assert list(made(asked, tmp_path, only=["F0-s0"])) == [
        "F0-s0.safetensors",
        "F0-s1-d1.safetensors",
        "F0-s1.safetensors",
    ]
    with pytest.raises(UsageError, match="no model called 'F0-s1-d3'; did you mean 'F0-s1-d"):
        made(asked, tmp_path, only=["F0-s1-d3"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"area": 0.2}, r"other blurred\)"),
        ({"explainer": "occlusion"}, r"other blurred\)"),
        ({"epochs": 1}, r"other epochs\)"),
    ],
)
def test_a_model_after_other_reasons_is_neither_kept_nor_overwritten(tmp_path, change, says):
    before = made(quick(models=2), tmp_path)
    with pytest.raises(UsageError, match=says):
        made(quick(models=2, **change), tmp_path)
    assert made(quick(models=2), tmp_path) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"explainer": "salience"}, "no explainer called 'salience'; did you mean 'saliency'"),
        ({"device": "gpu9"}, "the device 'gpu9' cannot be used here"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(tmp_path, change, says):
    with pytest.raises(UsageError, match=says):
        made(quick(**change), tmp_path / "out")
    assert not Path(tmp_path, "out").exists()


def test_the_presets_first_models_are_the_demos():
    presets = Path(__file__).parents[2] / "fixtures"
    asked, demo = (load_scenario(presets / name) for name in ("diversified.yaml", "demo.yaml"))
    assert (
        asked.training.model_copy(update={"diversify": None, "models": demo.training.models})
        == demo.training
    )
    assert asked.dataset == demo.dataset
    assert asked.training.diversify.drop == asked.rashomon.epsilon


def test_progress_speaks_of_the_masks_and_of_each_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    make_set(quick(models=2), tmp_path)
    shown = capsys.readouterr()
    assert "masks of F0-s0: 100%" in shown.err
    assert "40/40" in shown.err
    assert "F0-s0-d1: accuracy 0." in shown.out


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(0, 255))
def test_a_blur_changes_nothing_but_what_is_revealed_and_nothing_on_a_uniform_picture(
    seed, share, grey
):
    rng = np.random.default_rng(seed)
    pixels = torch.from_numpy(rng.integers(0, 256, (2, 3, 16, 16), dtype=np.uint8))
    mask = torch.from_numpy(rng.random((2, 16, 16)) < share)
    kept = (~mask)[:, None].expand_as(pixels)
    assert torch.equal(blurred(pixels, mask, torch.device("cpu"))[kept], pixels[kept])
    uniform = torch.full_like(pixels, grey)
    assert torch.equal(blurred(uniform, mask, torch.device("cpu")), uniform)
