"""The same network in every format gives the same answers; what belongs to a model counts in its
digest; and no file reaches outside its folder or runs anything unasked.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from made_formats import FILES, PROGRAMS, SHOW_NO_WEIGHTS, quiet, shard, write
from torch import nn

from shortcut_audit import registry
from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError
from shortcut_audit.evidence.gradients.scores import ranked
from shortcut_audit.evidence.sanity_networks import Versions, sanity_masks
from shortcut_audit.files.checkpoint_files import digest_if_there, digest_of, files_of, format_of
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.loading.networks import Normalised
from shortcut_audit.subjects.loading.subject import load_subject, trial_images
from shortcut_audit.subjects.manifest.candidates import read_candidates

SIZE = 16
CLASSES = ("cat", "dog", "owl")


class Small(nn.Module):
    """Small enough to be exported in a moment, with a batch norm, as most have one."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.norm(self.conv(images)).relu().mean((2, 3)))
        return logits


def small(classes: int) -> nn.Module:
    """The factory that the candidates name."""
    return Small(classes)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = Small()
        made.norm.running_mean += 0.3
        made.fc.weight.data *= 5
    return made.half().float().eval()  # so that half of the bits hold it


@pytest.fixture(scope="module")
def folder(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("formats")
    for file in FILES:
        write(made / file, network, SIZE)
    return made


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    """A folder of one's own with all files."""
    return shutil.copytree(folder, tmp_path / "models")


def candidate(file: Path, arch: str = "test_formats:small") -> Candidate:
    return Candidate(file.name, file, arch, CLASSES, SIZE)


def loaded(file: Path) -> Any:
    return load_subject(candidate(file), trust_code=True)


def refusal(file: Path, trust: bool = True, **others: Any) -> str:
    with pytest.raises(ShortcutAuditError) as caught:
        load_subject(replace(candidate(file), **others), trust_code=trust)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_the_answers_are_those_of_the_network(name: str, folder: Path, network: nn.Module) -> None:
    subject = loaded(folder / name)
    images = trial_images(SIZE)
    wanted = Normalised(network, Candidate.mean, Candidate.std)(images)
    with torch.inference_mode():
        torch.testing.assert_close(subject.network(images), wanted, rtol=1e-4, atol=1e-4)
        # batches that are no multiple of what a program takes
        for count in (1, 3):
            found = subject.network(images[:count])
            torch.testing.assert_close(found, wanted[:count], rtol=1e-4, atol=1e-4)
    assert subject.sha256 == digest_of(folder / name)


def test_each_is_one_model_and_a_program_needs_no_arch(folder: Path) -> None:
    found = {each.file.name: each for each in read_candidates(folder)}
    assert found.keys() == set(FILES), "shards and weights beside a graph are no models"
    for name in PROGRAMS:
        assert found[name].arch.startswith("program:")
        assert "no arch" not in str(found[name].problem)
        assert "classes: [cat, dog]\nmodels:" in str(found[name].problem) or found[name].size == 0
    assert found["fixed.onnx"].size == found["any.pt2"].size == SIZE, "the graph says so"


def test_a_program_has_no_other_architecture_whatever_the_manifest_says(own: Path) -> None:
    (own / "rashomon.yaml").write_text(
        "arch: torchvision:resnet18\nclasses: [cat, dog, owl]\ninput: {size: 16}\n"
        "models: {a: {file: any.onnx}}\nignore: ['*']\n"
    )
    (only,) = read_candidates(own)
    assert (only.problem, only.arch, only.arch_options) == (None, "program:onnx", ())
    assert load_subject(only).classes == CLASSES


@pytest.mark.parametrize("name", [each for each in PROGRAMS if not each.endswith("onnx")])
def test_a_program_is_run_only_with_trust(name: str, folder: Path) -> None:
    said = refusal(folder / name, trust=False)
    assert said == (
        f"{name}: '{name}' is a program, and to read it is to run what is in it: that needs "
        "--audit-trust-code in pytest, --trust-code elsewhere; model.state_dict() and ONNX need "
        "no trust"
    )


def test_onnx_is_data_and_needs_none(folder: Path) -> None:
    assert load_subject(candidate(folder / "any.onnx"), trust_code=False)


@pytest.mark.parametrize("name", ["any.pt2", *SHOW_NO_WEIGHTS])
def test_what_can_be_asked_of_a_program(name: str, folder: Path) -> None:
    """What hangs on weights; the whole table of docs/formats.md is run in integration."""
    network, images = loaded(folder / name).network, trial_images(SIZE)
    pixels = (images * 255).to(torch.uint8)
    versions = Versions(images, images.flip(0), images.flip(-1), torch.ones(4, SIZE, SIZE) > 0)

    def explain(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
        target = torch.zeros(len(images), dtype=torch.int64)
        return registry.build("explainer", "saliency").explain(network, images, target, 0.05)

    method = registry.build("influence", "gradient_cosine")
    asked = {
        "explainer_sanity": lambda: sanity_masks(network, versions, versions, 0, explain)[
            "planted"
        ],
        "influence": lambda: ranked(method, network, pixels[:2], pixels, 0, lambda *_: None)[
            "scores"
        ],
    }
    before = network(images)
    for each in asked.values():
        if name in SHOW_NO_WEIGHTS:
            with pytest.raises(UsageError, match="a program that answers pictures and shows no w"):
                each()
        else:
            assert np.isfinite(each()).all()
    assert torch.equal(network(images), before), "given back as it was"


def test_every_file_of_a_model_counts_in_its_digest(own: Path) -> None:
    for name in ("sharded.safetensors.index.json", "fixed.onnx"):
        files = files_of(own / name)
        assert len(files) == (3 if name.startswith("sharded") else 2)
        for each in files:
            before, content = digest_of(own / name), each.read_bytes()
            each.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            assert digest_if_there(own / name) != before, f"{each.name} may be exchanged"
            each.write_bytes(content)
            assert digest_of(own / name) == before


def test_the_digest_is_what_sha256sum_says_of_the_files(own: Path) -> None:
    assert (
        digest_of(own / "plain.pth") == hashlib.sha256((own / "plain.pth").read_bytes()).hexdigest()
    )
    names = sorted(each.name for each in files_of(own / "fixed.onnx"))
    lines = subprocess.run(["sha256sum", *names], cwd=own, capture_output=True, check=True).stdout
    assert digest_of(own / "fixed.onnx") == hashlib.sha256(lines).hexdigest()


def test_a_part_that_is_gone_is_named(own: Path) -> None:
    (own / "fixed.onnx.data").unlink()
    said = refusal(own / "fixed.onnx")
    assert said.endswith("'fixed.onnx' keeps weights in 'fixed.onnx.data', which is not beside it")
    (own / "sharded-00002-of-00002.safetensors").unlink()
    assert refusal(own / "sharded.safetensors.index.json").endswith("which is not beside it")
    assert digest_if_there(own / "fixed.onnx") is None


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/x.bin", "a/b.bin", "C:x.bin", "..", 7])
def test_an_index_stays_in_its_folder(name: Any, tmp_path: Path, network: nn.Module) -> None:
    index = tmp_path / "m" / "model.safetensors.index.json"
    index.parent.mkdir()
    write(tmp_path / "x.safetensors", network, SIZE)
    index.write_text(json.dumps({"weight_map": {"fc.weight": name}}))
    with pytest.raises(ModelError, match="names a file outside its folder"):
        format_of(index).read(index)


def test_shards_hold_what_their_index_places_there(own: Path, network: nn.Module) -> None:
    index = own / "sharded.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["fc.more"] = "sharded-00001-of-00002.safetensors"
    index.write_text(json.dumps(content))
    assert "lacks 'fc.more', which" in refusal(index)
    shard(index, network.state_dict())
    content = json.loads(index.read_text())
    del content["weight_map"]["fc.bias"]
    index.write_text(json.dumps(content))
    assert "holds 'fc.bias', which 'sharded.safetensors.index.json' does not" in refusal(index)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret"])
def test_a_graph_keeps_its_weights_in_its_folder(name: str, own: Path) -> None:
    (own.parent / "secret").write_bytes(bytes(1000))
    graph = onnx.load(own / "fixed.onnx", load_external_data=False)
    for each in graph.graph.initializer:
        for entry in each.external_data:
            if entry.key == "location":
                entry.value = name
    onnx.save(graph, own / "fixed.onnx")
    assert f"'fixed.onnx' names a file outside its folder: {name!r}" in refusal(own / "fixed.onnx")


def test_a_graph_asks_for_no_operation_of_strangers(own: Path) -> None:
    graph = onnx.load(own / "any.onnx")
    graph.graph.node[0].domain = "my.company"
    onnx.save(graph, own / "any.onnx")
    assert "asks for operations of 'my.company', which onnxruntime has not" in refusal(
        own / "any.onnx"
    )


def test_a_graph_with_channels_last_is_shown_pictures_so(tmp_path: Path, folder: Path) -> None:
    class Last(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((1, 2)) * torch.tensor([1.0, 2.0, 3.0])

    with quiet():
        torch.onnx.export(
            Last(),
            (torch.rand(1, SIZE, SIZE, 3),),
            tmp_path / "tf.onnx",
            dynamo=True,
            verbose=False,
        )
    subject = loaded(tmp_path / "tf.onnx")
    images = trial_images(SIZE)
    mean, std = (torch.tensor(each) for each in (Candidate.mean, Candidate.std))
    wanted = (images.mean((2, 3)) - mean) / std * torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(subject.network(images), wanted, rtol=1e-4, atol=1e-4)


def test_what_the_graph_says_of_itself_is_a_manifest(own: Path) -> None:
    graph = onnx.load(own / "any.onnx")
    for key, value in {"classes": json.dumps(CLASSES), "name": "birds"}.items():
        graph.metadata_props.add(key=key, value=value)
    onnx.save(graph, own / "any.onnx")
    (only,) = read_candidates(own / "any.onnx")
    assert (only.problem, only.name, only.classes, only.size) == (None, "birds", CLASSES, SIZE)


def test_a_suffix_is_not_all(tmp_path: Path) -> None:
    (tmp_path / "index.ts").write_text("export const answer = 42;")  # TypeScript
    with pytest.raises(UsageError, match="holds no checkpoint"):
        read_candidates(tmp_path)
