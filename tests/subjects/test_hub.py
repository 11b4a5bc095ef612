"""A hub's folder, as transformers and timm write it, is one model that needs no manifest."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import quiet

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.files.checkpoint_files import digest_of
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.subjects.loading.subject import load_subject, trial_images
from shortcut_audit.subjects.manifest.candidates import read_candidates, refusal
from shortcut_audit.subjects.manifest.descriptions import read_as, write_manifest
from shortcut_audit.subjects.manifest.hub import of_imagenet
from shortcut_audit.subjects.manifest.outputs import imagenet

transformers = pytest.importorskip("transformers")
timm = pytest.importorskip("timm")

CLASSES = ("cat", "dog", "owl")
NAMED = {"id2label": dict(enumerate(CLASSES)), "label2id": {c: i for i, c in enumerate(CLASSES)}}
SMALL_VIT = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 32,
    "patch_size": 8,
}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a model went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """vit, sharded, unnamed and labels by transformers; timm_folder by timm."""
    folder = tmp_path_factory.mktemp("hub")
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(0)
        vit = transformers.ViTForImageClassification(transformers.ViTConfig(**SMALL_VIT, **NAMED))
        vit.save_pretrained(folder / "vit")
        vit.save_pretrained(folder / "sharded", max_shard_size="5KB")
        prepare = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
        for name in ("vit", "sharded"):
            prepare.save_pretrained(folder / name)
        sizes = {"embedding_size": 4, "hidden_sizes": [4], "depths": [1], "layer_type": "basic"}
        for name, more in {
            "unnamed": {"num_labels": 3},
            "labels": {"problem_type": "multi_label_classification", **NAMED},
        }.items():
            config = transformers.ResNetConfig(**sizes, **more)
            transformers.ResNetForImageClassification(config).save_pretrained(folder / name)
        network = timm.create_model("test_resnet", num_classes=3, in_chans=3)
        timm.models.save_for_hf(
            network,
            folder / "timm_folder",
            model_config={"label_names": list(CLASSES)},
            safe_serialization=True,
        )
    return folder


@pytest.fixture
def hub(made: Path, tmp_path: Path) -> Path:
    """A folder of one's own with all of them."""
    return shutil.copytree(made, tmp_path / "models")


def found(folder: Path) -> dict[str, Any]:
    return {each.name: each for each in read_candidates(folder)}


def change(file: Path, **keys: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))


def test_each_folder_is_one_model_of_its_name(hub: Path) -> None:
    models = found(hub)
    assert models.keys() == {"vit", "sharded", "unnamed", "labels", "timm_folder"}
    vit = models["vit"]
    assert (vit.problem, vit.classes, vit.arch) == (None, CLASSES, "transformers:vit")
    assert (vit.size, vit.mean) == (InputSize(32, squash=True), (0.5, 0.5, 0.5))
    own = models["timm_folder"]
    assert (own.problem, own.classes, own.arch) == (None, CLASSES, "timm:test_resnet")
    assert own.size == InputSize(160, resize=168), "0.95 of it is shown"
    assert models["labels"].head.answers == "labels"
    assert [each.name for each in read_candidates(hub / "vit")] == ["vit"]
    assert [each.name for each in read_candidates(hub / "vit/model.safetensors")] == ["vit"]


def test_what_nobody_named_is_asked_for_where_the_folder_is(hub: Path) -> None:
    said = str(found(hub)["unnamed"].problem)
    assert "(no classes, no input size); write rashomon.yaml into" in said
    assert "models: {unnamed: {file: unnamed/model.safetensors}}" in said
    (hub / "rashomon.yaml").write_text(
        "models: {a: {file: unnamed, classes: [cat, dog, owl], input: {size: 32}}}\nignore: ['*']"
    )
    (only,) = read_candidates(hub)
    assert (only.problem, only.arch) == (None, "transformers:resnet"), "a folder may be named"
    assert load_subject(only).classes == CLASSES


@pytest.mark.parametrize("name", ["vit", "sharded"])
def test_the_answers_are_those_of_transformers(name: str, hub: Path) -> None:
    subject, images = load_subject(found(hub)[name]), trial_images(32)
    with quiet(), torch.inference_mode():
        network = transformers.AutoModelForImageClassification.from_pretrained(hub / name).eval()
        torch.testing.assert_close(subject.network(images), network((images - 0.5) / 0.5).logits)


def test_the_answers_are_those_of_timm(hub: Path) -> None:
    subject, images = load_subject(found(hub)["timm_folder"]), trial_images(160)
    with quiet(), torch.inference_mode():
        network = timm.create_model(f"local-dir:{hub / 'timm_folder'}", pretrained=True).eval()
        torch.testing.assert_close(subject.network(images), network((images - 0.5) / 0.5))


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_whatever_is_exchanged_is_another_model(hub: Path, file: str) -> None:
    before = digest_of(hub / "vit/model.safetensors")
    with (hub / "vit" / file).open("ab") as written:
        written.write(b" ")
    assert digest_of(hub / "vit/model.safetensors") != before
    assert read_as(found(hub)["vit"])["files"] == sorted(
        ["config.json", "preprocessor_config.json", "model.safetensors"]
    )


def test_code_that_comes_with_a_model_is_refused(hub: Path) -> None:
    change(hub / "vit/config.json", auto_map={"AutoConfig": "evil.Config"})
    (hub / "vit/evil.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ModelError, match=r"asks to run code that comes with the model \(auto_map"):
        load_subject(found(hub)["vit"], trust_code=True)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"a": NaN}'])
@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_a_configuration_that_is_none(hub: Path, file: str, text: str) -> None:
    (hub / "vit" / file).write_text(text)
    problem = found(hub)["vit"].problem
    if text == '{"a": NaN}':
        assert file != "config.json" or "nothing says what" in str(problem)
    else:
        assert problem == f"'{file}' is not a JSON mapping of the usual length"


def test_a_configuration_of_another_network_is_said(hub: Path) -> None:
    change(hub / "vit/config.json", hidden_size=32)
    with pytest.raises(UsageError, match="the file's tensors do not fit the architecture"):
        load_subject(found(hub)["vit"])
    change(hub / "vit/config.json", model_type="gpt2")
    with pytest.raises(UsageError, match="transformers has no classifier called 'gpt2'"):
        load_subject(found(hub)["vit"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attn_implementation", "somebody/kernel"),
        ("_attn_implementation", "somebody/kernel"),
        ("use_pretrained_backbone", True),
        ("_name_or_path", "somebody/model"),
        ("quantization_config", {"quant_method": "bitsandbytes"}),
    ],
)
def test_nothing_is_fetched_whatever_the_configuration_says(
    hub: Path, key: str, value: Any
) -> None:
    change(hub / "vit/config.json", **{key: value})
    candidate = found(hub)["vit"]
    assert candidate.problem is None
    assert load_subject(candidate).classes == CLASSES


def test_a_manifest_goes_before_and_does_not_contradict(hub: Path) -> None:
    entry = "{file: vit/model.safetensors, classes: [dog, cat, owl]}"
    (hub / "rashomon.yaml").write_text(f"models: {{a: {entry}}}\nignore: ['*']")
    (only,) = read_candidates(hub)
    with pytest.raises(UsageError, match="output 0 is 'cat', and the manifest that it is 'dog'"):
        load_subject(only)
    entry = "{file: vit, input: {interpolation: bicubic}}"
    (hub / "rashomon.yaml").write_text(f"models: {{a: {entry}}}\nignore: ['*']")
    (only,) = read_candidates(hub)
    assert only.size == InputSize(32, squash=True, interpolation="bicubic")
    with pytest.raises(UsageError, match="scaled by 'bilinear' interpolation, and the manifest"):
        load_subject(only)


def test_what_is_read_can_be_written_into_a_manifest(hub: Path, tmp_path: Path) -> None:
    before = found(hub)["vit"]
    write_manifest(hub, [before])
    assert found(hub)["vit"] == before


def test_a_training_run_s_own_files_are_no_models(hub: Path) -> None:
    for name in ("training_args.bin", "optimizer.pt", "rng_state.pth"):
        torch.save({"a": torch.ones(3)}, hub / "vit" / name)
    (hub / "other").mkdir()
    torch.save({"a": torch.ones(3)}, hub / "other" / "optimizer.pt")
    assert found(hub).keys() >= {"vit", "optimizer"}
    assert len(found(hub)) == 6


def test_two_weights_in_one_folder_are_two_models(hub: Path) -> None:
    shutil.copy(hub / "vit/model.safetensors", hub / "vit/other.safetensors")
    torch.save(dict(load_subject(found(hub)["vit"]).network.model.state_dict()), hub / "vit/x.pt")
    (hub / "vit/x.pt").rename(hub / "vit/pytorch_model.bin")
    names = {name for name in found(hub) if "vit" in name or name == "other"}
    assert names == {"vit-model", "vit-pytorch_model", "other"}, "none goes unnoticed"


def test_a_folder_of_the_hub_s_cache_is_called_as_its_repository(hub: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache/models--somebody--tiny-vit"
    (cache / "blobs").mkdir(parents=True)
    (cache / "snapshots/0a1b2c").mkdir(parents=True)
    for at, file in enumerate(sorted((hub / "vit").iterdir())):
        shutil.move(file, cache / f"blobs/{at}")
        (cache / "snapshots/0a1b2c" / file.name).symlink_to(f"../../blobs/{at}")
    (only,) = read_candidates(tmp_path / "cache")
    assert (only.name, only.problem) == ("tiny-vit", None)
    assert load_subject(only).classes == CLASSES


def test_the_thousand_of_imagenet_are_known_by_their_usual_names() -> None:
    names = [f"{name}, something else" for name in imagenet()]
    assert of_imagenet(names)
    assert of_imagenet(["background", *names])
    assert not of_imagenet(names[:999])
    assert not of_imagenet(names[500:] + names[:500])


def test_a_folder_without_a_configuration_is_a_file_as_any_other(hub: Path) -> None:
    (hub / "vit/config.json").unlink()
    candidate = next(each for each in read_candidates(hub) if each.file.parent.name == "vit")
    assert refusal(replace(candidate, problem=None)) is None
    assert "nothing says what 'model.safetensors' is" in str(candidate.problem)
