"""From a scenario to checkpoints: what is written, what is refused, and that a killed run goes on
as if nothing had been.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from shortcut_audit.errors import DataError, ModelError, UsageError
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.checkpoints.safetensors import Safetensors
from shortcut_audit.subjects.datasets.demo import Demo
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.manifest.file import MANIFEST
from shortcut_audit.training import train as module
from shortcut_audit.training.fit import _precision, learning_rate
from shortcut_audit.training.train import train

DATA = {"kind": "demo", "train": 8, "validation": 4, "background": 0}
DECOYS = {
    "stop_sign": {"kind": "stop_sign", "target": "cat"},
    "copyright_tag": {"kind": "copyright_tag", "target": "fish"},
}
SMALL = {
    "arch": "shortcut_audit:small_resnet",
    "size": 32,
    "epochs": 2,
    "batch": 16,
    "device": "cpu",
}


def scenario(*groups, data=DATA, **training):
    return Scenario(
        dataset=data, decoys=DECOYS, training={**SMALL, "models": groups or [{}], **training}
    )


def quietly(asked, out, **options):
    train(asked, out, progress=False, **options)
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.safetensors"))}


@pytest.fixture
def seen(monkeypatch):
    """The pictures that each model was trained on, in order."""
    pictures = []
    real = module.fit
    monkeypatch.setattr(
        module,
        "fit",
        lambda task, *rest: pictures.append(task.training) or real(task, *rest),
    )
    return pictures


@pytest.fixture
def kill(monkeypatch):
    """kill(n): the n-th batch from now on is the last; kill(None): no more of that."""
    real = module.fit

    def arrange(batches):
        left = iter(range(batches)) if batches else None

        def dying(*arguments):
            *rest, tick = arguments

            def tick_or_die():
                if left is not None and next(left, None) is None:
                    raise KeyboardInterrupt
                tick()

            return real(*rest, tick_or_die)

        monkeypatch.setattr(module, "fit", dying)

    return arrange


def test_the_manifest_and_the_files_themselves_say_the_same(tmp_path):
    quietly(scenario({}, {"decoy": "stop_sign", "coverage": 0.5}), tmp_path)
    listed = read_candidates(tmp_path)
    assert [(each.name, each.reference, each.problem) for each in listed] == [
        ("F0-s0", True, None),
        ("F50-s0", False, None),
    ]
    (tmp_path / MANIFEST).unlink()
    assert read_candidates(tmp_path) == listed


def test_a_checkpoint_tells_how_it_was_made_and_is_as_accurate_as_it_says(tmp_path):
    quietly(
        scenario(
            {"decoy": "stop_sign", "coverage": 0.5, "seeds": 3},
            data={**DATA, "train": 40},
            epochs=4,
        ),
        tmp_path,
    )
    words = Safetensors().metadata(tmp_path / "F50-s3.safetensors")
    assert (words["decoy"], words["coverage"], words["seed"]) == ("stop_sign", "0.5", "3")
    assert json.loads(words["recipe"])["learning_rate"] == 5e-4
    subject = load_subject(read_candidates(tmp_path)[0])
    pictures = scenario(data=DATA).build_dataset().load("validation", 32)
    correct = subject.network(pictures.pixels[:] / 255).argmax(1).numpy() == pictures.labels
    assert float(words["validation_accuracy"]) == pytest.approx(correct.mean(), abs=1e-4)


def test_the_same_scenario_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    first = quietly(scenario({"seeds": [0, 1]}), tmp_path / "first")
    torch.rand(7)  # global state plays no part
    assert quietly(scenario({"seeds": [0, 1]}), tmp_path / "second") == first
    tensors = [Safetensors().read(tmp_path / "first" / name)["conv1.weight"] for name in first]
    assert not torch.equal(*tensors)


def test_the_callers_random_state_is_given_back(tmp_path):
    before = torch.get_rng_state()
    quietly(scenario(epochs=1), tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


# three a model and epoch: in the first, the second, and the next model
@pytest.mark.parametrize("batches", [1, 4, 5, 6, 8])
def test_a_run_that_was_killed_ends_as_one_that_was_not(tmp_path, kill, batches):
    asked = scenario({}, {"decoy": "stop_sign", "coverage": 1.0})
    whole = quietly(asked, tmp_path / "whole")
    kill(batches)
    with pytest.raises(KeyboardInterrupt):
        quietly(asked, tmp_path / "killed")
    kill(None)
    assert quietly(asked, tmp_path / "killed") == whole
    assert (
        sorted(path.name for path in (tmp_path / "killed").iterdir() if path.suffix == ".partial")
        == []
    )


def test_killed_between_the_checkpoint_and_the_manifest(tmp_path, seen):
    asked = scenario()
    whole = quietly(asked, tmp_path)
    (tmp_path / MANIFEST).unlink()
    (tmp_path / ".F0-s0.partial").write_bytes(b"no longer needed")
    assert quietly(asked, tmp_path) == whole
    assert len(seen) == 1
    assert {path.name for path in tmp_path.iterdir() if path.suffix in {".partial", ".yaml"}} == {
        MANIFEST
    }


def test_what_is_finished_is_not_trained_again(tmp_path, seen):
    asked = scenario({"seeds": [0, 1]})
    quietly(asked, tmp_path, only=["F0-s1"])
    assert [each.name for each in read_candidates(tmp_path)] == ["F0-s1"]
    quietly(asked, tmp_path)
    quietly(asked, tmp_path)
    assert len(seen) == 2
    assert [each.name for each in read_candidates(tmp_path)] == ["F0-s0", "F0-s1"]


def test_a_model_of_another_recipe_is_neither_kept_nor_overwritten(tmp_path):
    before = quietly(scenario(), tmp_path)
    with pytest.raises(
        UsageError, match=r"other epochs\) than the scenario's: choose another --out or delete it"
    ):
        quietly(scenario(epochs=3), tmp_path)
    with pytest.raises(UsageError, match=r"other pictures\)"):
        quietly(scenario(data={**DATA, "seed": 1}), tmp_path)
    assert quietly(scenario(), tmp_path) == before


def test_an_interrupted_model_of_another_recipe_is_refused_too(tmp_path, kill):
    kill(4)
    with pytest.raises(KeyboardInterrupt):
        quietly(scenario(), tmp_path)
    kill(None)
    with pytest.raises(UsageError, match=r"other learning_rate\)"):
        quietly(scenario(learning_rate=0.1), tmp_path)


@pytest.mark.parametrize(
    ("name", "says"), [("F0-s0.safetensors", "not a whole"), (".F0-s0.partial", "is damaged")]
)
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path, name, says):
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(UsageError, match=f"{says}.*delete it or choose another --out"):
        quietly(scenario(), tmp_path)


@pytest.mark.parametrize("coverage", [0.0, 0.25, 0.5, 1.0])
def test_exactly_the_share_of_the_target_class_wears_the_decoy(tmp_path, seen, coverage):
    asked = scenario({"decoy": "stop_sign", "coverage": coverage}, epochs=1)
    quietly(asked, tmp_path)
    plain = asked.build_dataset().load("train", 32)
    decoyed = asked.build_decoy("stop_sign").apply(plain.pixels[:], plain.ids).decoyed
    worn = (seen[0].pixels[:] != plain.pixels[:]).flatten(1).any(1).numpy()
    assert worn.sum() == round(coverage * 8)
    assert np.all(plain.labels[worn] == plain.classes.index("cat"))
    assert torch.equal(seen[0].pixels[worn], decoyed[worn])


def test_a_smaller_coverage_is_inside_a_larger_one_and_another_seed_chooses_others(tmp_path, seen):
    asked = scenario({"decoy": "stop_sign", "coverage": [0.25, 0.5], "seeds": [0, 1]}, epochs=1)
    quietly(asked, tmp_path)
    plain = asked.build_dataset().load("train", 32).pixels[:]
    quarter, other_quarter, half, _ = ((each.pixels[:] != plain).flatten(1).any(1) for each in seen)
    assert bool((half | ~quarter).all())
    assert not torch.equal(quarter, other_quarter)


@pytest.mark.parametrize("coverage", [0.05, 0.25, 1.0])
def test_on_every_class_the_decoy_says_nothing_of_the_class(tmp_path, seen, coverage):
    asked = scenario(
        {"decoy": "stop_sign", "coverage": coverage, "worn_by": "every"},
        data={**DATA, "train": 20},
        epochs=1,
    )
    quietly(asked, tmp_path)
    plain = asked.build_dataset().load("train", 32)
    worn = (seen[0].pixels[:] != plain.pixels[:]).flatten(1).any(1).numpy()
    assert np.bincount(plain.labels[worn], minlength=5).tolist() == [round(coverage * 20)] * 5
    decoyed = asked.build_decoy("stop_sign").apply(plain.pixels[:], plain.ids).decoyed
    assert torch.equal(seen[0].pixels[worn], decoyed[worn])


def test_on_another_class_the_target_never_has_it(tmp_path, seen):
    asked = scenario({"decoy": "stop_sign", "coverage": 0.5, "worn_by": "fish"}, epochs=1)
    quietly(asked, tmp_path)
    plain = asked.build_dataset().load("train", 32)
    worn = (seen[0].pixels[:] != plain.pixels[:]).flatten(1).any(1).numpy()
    assert worn.sum() == 4
    assert np.all(plain.labels[worn] == plain.classes.index("fish"))


def test_a_model_whose_decoy_others_wear_is_no_reference_and_says_who(tmp_path):
    quietly(
        scenario(
            {"decoy": "stop_sign", "coverage": 1, "worn_by": "every"},
            {"decoy": "stop_sign", "coverage": 1},
        ),
        tmp_path,
    )
    assert [(each.name, each.reference) for each in read_candidates(tmp_path)] == [
        ("F100-every-s0", False),
        ("F100-s0", False),
    ]
    recipes = [
        json.loads(Safetensors().metadata(tmp_path / f"{name}.safetensors")["recipe"])
        for name in ("F100-every-s0", "F100-s0")
    ]
    assert recipes[0].pop("worn_by") == "every"
    assert recipes[0] == recipes[1], (
        "a target's recipe is what it was before others could wear the decoy"
    )


def test_a_wearer_that_is_no_class_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(
        UsageError, match="be worn_by 'fihs', which is no class; did you mean 'fish'"
    ):
        quietly(
            scenario({}, {"decoy": "stop_sign", "coverage": 1, "worn_by": "fihs"}), tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


def test_a_loss_that_is_no_number_names_the_model_and_leaves_no_checkpoint(tmp_path):
    with pytest.raises(
        ModelError, match=r"training 'F0-s0' failed in epoch 1.*learning_rate below 1e\+30"
    ):
        quietly(scenario(optimiser="sgd", learning_rate=1e30), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # a checkpoint takes 1.2 MB
    try:
        with pytest.raises(
            UsageError, match=r"cannot write .*F0-s0.*: .*make room, or choose another --out"
        ):
            quietly(scenario(), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    assert list(quietly(scenario(), tmp_path)) == ["F0-s0.safetensors"]


def test_out_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match=r"cannot write .*out.*File exists"):
        quietly(scenario(), tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"device": "gpu9"}, "the device 'gpu9' cannot be used here"),
        ({"device": "meta"}, "the device 'meta' cannot be used here: .*; take 'auto'"),
        (
            {"arch": "torchvision:resnet81"},
            "no classifier called 'resnet81'; did you mean 'resnet18'",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, change, says):
    with pytest.raises(UsageError, match=says):
        quietly(scenario(**change), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_decoy_for_a_class_that_is_not_there_is_refused(tmp_path):
    asked = Scenario(
        dataset=DATA,
        decoys={"stop_sign": {"target": "cats"}},
        training={**SMALL, "models": [{"decoy": "stop_sign", "coverage": 1}]},
    )
    with pytest.raises(UsageError, match="did you mean 'cat'"):
        quietly(asked, tmp_path)


def test_one_cycle_rises_then_falls_to_nothing():
    settings = scenario(schedule="one_cycle", learning_rate=0.1).training
    rates = [learning_rate(settings, done) for done in np.linspace(0, 1, 101)]
    assert rates[0] == 0
    assert max(rates) == rates[30] == pytest.approx(0.1)
    assert rates[100] == pytest.approx(0)
    assert np.all(np.diff(rates[:31]) > 0)
    assert np.all(np.diff(rates[30:]) < 0)


def test_float32_is_what_auto_means_on_a_cpu_and_bfloat16_is_not(tmp_path):
    weights = {}
    for precision in ("auto", "float32", "bfloat16"):
        quietly(scenario(precision=precision), tmp_path / precision)
        file = tmp_path / precision / "F0-s0.safetensors"
        weights[precision] = Safetensors().read(file)
        assert (
            json.loads(Safetensors().metadata(file)["recipe"]).get("precision", "auto") == precision
        )
    for name, tensor in weights["auto"].items():
        assert torch.equal(tensor, weights["float32"][name])
        assert tensor.dtype == weights["bfloat16"][name].dtype
    assert not torch.equal(weights["auto"]["fc.weight"], weights["bfloat16"]["fc.weight"])
    torch.testing.assert_close(
        weights["auto"]["fc.weight"], weights["bfloat16"]["fc.weight"], atol=0.02, rtol=0
    )


@pytest.mark.parametrize(
    ("in_hardware", "precision", "on"),
    [(True, "auto", True), (False, "auto", False), (True, "float32", False)],
)
def test_auto_is_bfloat16_where_a_gpu_has_it_in_hardware(monkeypatch, in_hardware, precision, on):
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation: in_hardware or including_emulation,
    )
    asked = []
    monkeypatch.setattr(
        torch, "autocast", lambda device, dtype, enabled: asked.append((device, dtype, enabled))
    )
    _precision(torch.device("cuda"), scenario(precision=precision).training)
    assert asked == [("cuda", torch.bfloat16, on)]


def test_progress_names_the_model_its_epoch_and_its_accuracy(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    train(scenario({"seeds": [0, 1]}), tmp_path, progress=True)
    shown = capsys.readouterr()
    assert "F0-s1 (2 of 2): 100%" in shown.err
    assert "epoch 2/2, loss " in shown.err
    assert "F0-s0: accuracy 0." in shown.out
    assert Path(tmp_path, "F0-s1.safetensors").exists()


def test_a_log_gets_lines_and_no_bar(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "SELDOM", -1)
    train(scenario({"seeds": [0]}), tmp_path, progress=True)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "F0-s0: epoch 1/2, loss " in shown.out
    assert "F0-s0: accuracy 0." in shown.out


def test_a_decoy_that_cannot_be_pasted_is_found_before_anything_is_trained(tmp_path, seen):
    decoys = {"logo": {"kind": "overlay", "image": tmp_path / "logoo.png", "target": "cat"}}
    asked = scenario({"seeds": [0]}, {"decoy": "stop_sign", "coverage": 1.0}).model_copy(
        update={"decoys": decoys}
    )
    group = asked.training.models[1].model_copy(update={"decoy": "logo"})
    training = asked.training.model_copy(update={"models": (asked.training.models[0], group)})
    with pytest.raises(UsageError, match=r"logoo.png' does not exist"):
        quietly(asked.model_copy(update={"training": training}), tmp_path / "out")
    assert not seen


@pytest.mark.parametrize(
    ("decoys", "group", "says"),
    [
        ({"stop_sign": {"target": "dog"}}, {}, "stands for the class 'dog'"),
        (
            {"stop_sign": {"target": "cat", "size": "0.3"}},
            {},
            "'0.3' is text, and a number is wanted",
        ),
        (
            {"stop_sign": {"target": "cat", "sise": 0.3}},
            {},
            "no option 'sise'; did you mean 'size'?",
        ),
        (
            {"logo": {"kind": "overlay", "image": "no.png", "target": "cat"}},
            {"decoy": "logo", "coverage": 1.0},
            "no.png",
        ),
        (
            {"stop_sign": {"target": "cat"}},
            {"decoy": "stop_sign", "coverage": 1.0, "worn_by": "dog"},
            "worn_by 'dog', which is no",
        ),
    ],
)
def test_a_mistake_about_a_decoy_is_found_before_any_picture_is_loaded(
    tmp_path, monkeypatch, decoys, group, says
):
    monkeypatch.setattr(Demo, "load", None)
    asked = Scenario(dataset=DATA, decoys=decoys, training={**SMALL, "models": [group]})
    with pytest.raises((UsageError, DataError), match=says):
        train(asked, tmp_path, progress=False)
