"""Answers that came back say what the model itself would say, or one sentence, and never a pass."""

from __future__ import annotations

import csv
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import planted as known
import pytest
import torch
from answered import CLASSES, answers, planted_folder, write
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import write_models, write_scenario
from torch import Tensor

from shortcut_audit import Pictures, register
from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.evidence.natural import filled, natural
from shortcut_audit.files.store import Store
from shortcut_audit.inputs_and_outputs import Head, InputSize
from shortcut_audit.registry import build
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.candidates import read_candidates

DECOYED = ("validation", "decoyed")
SHOWING = """
dataset: {kind: marked_squares}
decoys: {}
attributes: {mark: {target: green}, everywhere: {}}
"""


@register("dataset")
class MarkedSquares(known.ColouredSquares):
    """Some squares show a mark, and it is known where."""

    classes: ClassVar[tuple[str, ...]] = CLASSES

    def load(self, split: str, size: int) -> Pictures:
        """Every other picture is marked, in a corner."""
        plain = replace(self, validation=4, background=3).of(split, size)
        on = np.arange(len(plain.ids)) % 2 == 0
        where = torch.zeros(len(on), size, size, dtype=torch.bool)
        where[on, :6, :6] = True
        named = {"mark": on, "everywhere": np.ones(len(on), bool)}
        return replace(plain, attributes=named, regions={"mark": where})

    def of(self, split: str, size: int) -> Pictures:
        """Without marks."""
        return super().load(split, size)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario, a clean and a planted checkpoint, the planted pictures and both models' answers."""
    made = tmp_path_factory.mktemp("alone")
    write_scenario(made / "scenario.yaml", 4)
    write_models(made / "models", 1, 1)
    folder = planted_folder(made / "scenario.yaml")
    for candidate in read_candidates(made / "models"):
        network = load_subject(candidate, trust_code=True).network
        write(made / f"predictions/{candidate.name}.npz", *answers(folder, network))
    return made


@pytest.fixture
def given_back(home: Path) -> tuple[list[str], np.ndarray]:
    with np.load(home / "predictions/F0-s0.npz") as held:
        return held["files"].tolist(), held["logits"]


def evidence(home: Path, models: Path, store: Path) -> Evidence:
    scenario = load_scenario(home / "scenario.yaml")
    return Evidence(scenario, read_candidates(models), Store(store), trust_code=True)


def refusal(home: Path, file: Path, kind: type[ShortcutAuditError] = UsageError) -> str:
    """What is said of the file, when it is described, loaded, or asked about everything."""
    said = evidence(home, file, file.parent / "store")
    (name,) = said.candidates
    with pytest.raises(ShortcutAuditError) as caught:
        [said.predictions(name, "stop_sign", strength) for strength in range(3)]
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same(one: Any, other: Any) -> None:
    for each in fields(one):
        left, right = getattr(one, each.name), getattr(other, each.name)
        if isinstance(left, np.ndarray):
            np.testing.assert_allclose(left, right, atol=1e-4)
        else:
            assert left == right


@pytest.mark.parametrize("name", ["F0-s0", "F100-s0"])
def test_all_that_behaviour_is_judged_by_is_what_the_checkpoint_gives(
    name: str, home: Path, tmp_path: Path
) -> None:
    own, alone = (
        evidence(home, home / each, tmp_path / each) for each in ("models", "predictions")
    )
    for strength in range(3):
        for control in (None, "scrambled"):
            asked = (name, "stop_sign", strength, control)
            same(own.predictions(*asked), alone.predictions(*asked))
    assert (own.accuracy(name).own == alone.accuracy(name).own).all()
    assert own.turned_into(name, "stop_sign") == alone.turned_into(name, "stop_sign")
    assert alone.stated_accuracy(name) is None
    assert alone.otherwise(name)[1] == {}, "no other reading of the pictures was tried"


def test_pictures_of_an_attribute_are_planted_with_and_without_it(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(SHOWING)
    write_models(tmp_path / "models", 1, 0)
    own = evidence(tmp_path, tmp_path / "models", tmp_path / "1")
    network = own.subject("F0-s0").network
    back = answers(planted_folder(tmp_path / "scenario.yaml"), network)
    write(tmp_path / "predictions/F0-s0.npz", *back)
    alone = evidence(tmp_path, tmp_path / "predictions", tmp_path / "2")
    found, wanted = (filled(each, "F0-s0", "mark", None) for each in (alone, own))
    assert len(found.removed) == 2
    same(found, wanted)
    same(natural(alone, "F0-s0", "mark", None), natural(own, "F0-s0", "mark", None))
    assert filled(alone, "F0-s0", "everywhere", "blue").why == (
        "the data set does not say where it is on the pictures"
    )


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(20)), folder=st.sampled_from(["", "/srv/x/32/", "a\\b\\32\\"]))
def test_rows_come_in_any_order_and_with_any_folder(
    home: Path, order: list[int], folder: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with np.load(home / "predictions/F100-s0.npz") as held:
        files, logits = held["files"][:20], held["logits"][:20]
    names = [folder + files[i].rpartition("/")[2] for i in order]
    file = tmp_path_factory.mktemp("order") / "ours.npz"
    network = build("checkpoint", "predictions").program(write(file, names, logits[order]))
    pixels = torch.stack([picture(home, each) for each in files])
    torch.testing.assert_close(network(pixels), torch.from_numpy(logits))


def picture(home: Path, file: str) -> Tensor:
    from PIL import Image

    with Image.open(home / "planted" / file) as opened:
        return torch.from_numpy(np.array(opened)).permute(2, 0, 1) / 255


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_a_table_says_the_same_as_arrays(
    suffix: str, given_back: tuple[list[str], np.ndarray], tmp_path: Path
) -> None:
    files, logits = given_back
    file = tmp_path / f"ours{suffix}"
    table = {"file": files, **{name: logits[:, at] for at, name in enumerate(CLASSES)}}
    if suffix == ".npz":
        write(file, files, logits.astype(np.float64))
    elif suffix == ".csv":
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows([table, *zip(*table.values(), strict=True)])
    else:
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.table(table), file)
    (candidate,) = read_candidates(tmp_path)
    assert (candidate.name, candidate.problem) == ("ours", None)
    assert (candidate.arch, candidate.classes, candidate.size) == (
        "program:predictions",
        CLASSES,
        32,
    )
    network: Any = build("checkpoint", "predictions").program(file)
    np.testing.assert_allclose(network.answers.numpy(), logits, rtol=1e-6)


def test_the_list_of_the_pictures_and_other_arrays_are_no_models(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "pictures.csv").write_bytes((home / "planted/pictures.csv").read_bytes())
    np.savez(tmp_path / "features.npz", x=np.zeros(3))
    (tmp_path / "log.csv").write_text("epoch,loss\n1,0.5\n")
    (tmp_path / "data.csv").write_text("file,label\na.png,1\n")
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"file": ["a.png"], "label": [1]}), tmp_path / "d.parquet")
    with pytest.raises(UsageError, match="holds no checkpoint"):
        read_candidates(tmp_path)


def test_the_folder_of_the_pictures_says_how_they_were_framed(tmp_path: Path) -> None:
    name = f"16x8,resize=20,bicubic/{'0' * 64}.png"
    write(tmp_path / "ours.npz", [name], np.zeros((1, 3)))
    (candidate,) = read_candidates(tmp_path)
    assert (
        str(candidate.size),
        candidate.size == InputSize(16, 8, 20, interpolation="bicubic"),
    ) == (
        "16x8,resize=20,bicubic",
        True,
    )


@pytest.mark.parametrize(
    ("folder", "classes", "said"),
    [
        ("32", ["a", "a"], "the classes of 'ours.npz' cannot be: 'a' stands there twice"),
        ("32", ["a", ""], "the classes of 'ours.npz' cannot be: a class cannot be called ''"),
        ("32", "ab", None),
        ("32,any", ["a", "b"], None),
        (
            "32,resize=9",
            ["a", "b"],
            "input.resize 9 is below the size 32: a picture is scaled first and cropped then",
        ),
        ("0", ["a", "b"], None),
    ],
)
def test_answers_are_answers_whatever_a_manifest_calls_them(
    folder: str, classes: Any, said: str | None, tmp_path: Path
) -> None:
    write(
        tmp_path / "ours.npz",
        [f"{folder}/{'0' * 64}.png"],
        np.zeros((1, 2)),
        classes=np.array(classes),
    )
    (tmp_path / "rashomon.yaml").write_text(
        "arch: torchvision:resnet18\nclasses: [a, b]\ninput: {size: 32}\n"
        "models: {ours: {file: ours.npz}}\n"
    )
    (candidate,) = read_candidates(tmp_path)
    assert candidate.problem == said
    assert said or (candidate.arch, candidate.size) == ("program:predictions", 32)


def test_what_is_cut_off_is_a_broken_model_and_not_passed_over(home: Path, tmp_path: Path) -> None:
    whole = (home / "predictions/F0-s0.npz").read_bytes()
    (tmp_path / "ours.npz").write_bytes(whole[: len(whole) // 2])
    (candidate,) = read_candidates(tmp_path)
    assert candidate.broken
    assert str(candidate.problem).startswith("'ours.npz' is no whole file of predictions: ")


def test_one_logit_is_what_the_manifest_says_it_is(
    home: Path, given_back: tuple[list[str], np.ndarray], tmp_path: Path
) -> None:
    files, _ = given_back
    write(tmp_path / "ours.npz", files, np.linspace(-2, 2, len(files)), classes=None)
    (tmp_path / "rashomon.yaml").write_text(
        "classes: [healthy, pneumonia]\nhead: {answers: sigmoid}\n"
        "input: {mean: [0.5], std: [0.5], channels: 1}\nmodels: {ours: {file: ours.npz}}\n"
    )
    (candidate,) = read_candidates(tmp_path)
    subject = load_subject(candidate)
    said = subject.network(torch.stack([picture(home, each) for each in files[:2]]))
    torch.testing.assert_close(said, torch.tensor([[1.0, -1.0]] * 2), atol=0.1, rtol=0)
    assert load_subject(replace(candidate, head=Head("sigmoid"))).size == 32


def test_only_the_very_picture_has_an_answer(home: Path, given_back: Any) -> None:
    files, logits = given_back
    network = build("checkpoint", "predictions").program(home / "predictions/F0-s0.npz")
    own = picture(home, files[0])[None]
    assert (network(own) == torch.from_numpy(logits[:1])).all()
    for other in (own + 1e-4, own.flip(-1), own * 0.5, own + torch.nan, own[:, :, :16], own * 300):
        with pytest.raises(UsageError, match="has no answer to 1 of 1 pictures"):
            network(other)


def test_masks_and_influence_cannot_be_asked(home: Path, tmp_path: Path) -> None:
    said = evidence(home, home / "predictions", tmp_path)
    for ask in (said.masks, said.explainer_check, said.influence):
        with pytest.raises(UsageError) as caught:
            ask("F0-s0", "stop_sign")
        assert str(caught.value) == (
            "'F0-s0.npz' has answers to planted pictures, and no more is known of its model: masks "
            "and influence cannot be asked; audit its checkpoint for these"
        )


def test_a_row_that_is_missing_is_no_pass(home: Path, given_back: Any, tmp_path: Path) -> None:
    with (home / "planted/pictures.csv").open() as opened:
        listed = list(csv.DictReader(opened))
    asked = {each["file"] for each in listed if each["strength"] == "2"}
    asked -= {each["file"] for each in listed if each["strength"] != "2"}
    asked &= {each["file"] for each in listed if (each["split"], each["condition"]) == DECOYED}
    files, logits = given_back
    at = files.index(min(asked))
    rest = np.delete(files, at).tolist(), np.delete(logits, at, 0)
    assert refusal(home, write(tmp_path / "ours.npz", *rest)) == (
        "'ours.npz' has no answer to 1 of 12 pictures that are asked about: if scenario, data or "
        "input size have changed, run shortcut-audit plant again and have all of it answered; no "
        "other picture can be asked about of answers alone"
    )


def test_answers_to_another_plant_are_found_by_nobody(
    home: Path, given_back: Any, tmp_path: Path
) -> None:
    write_scenario(tmp_path / "scenario.yaml", 4, "strengths: []")
    changed = (tmp_path / "scenario.yaml").read_text().replace("size: 0.3", "size: 0.4")
    (tmp_path / "scenario.yaml").write_text(changed)
    said = refusal(tmp_path, write(tmp_path / "ours.npz", *given_back))
    assert said.startswith("'ours.npz' has no answer to 12 of 12 pictures that are asked about")
    (tmp_path / "rashomon.yaml").write_text("input: {size: 48}\nmodels: {ours: {file: ours.npz}}\n")
    assert "has no answer to" in refusal(home, tmp_path / "ours.npz")


def spoilt(logits: np.ndarray) -> np.ndarray:
    wrong = logits.copy()
    wrong[:] = np.nan
    return wrong


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (lambda f, x: (f, spoilt(x)), ModelError, "12 of 12 images get logits that are not finite"),
        (
            lambda f, x: (f, x * np.float64(1e300)),
            ModelError,
            "12 of 12 images get logits that are not finite",
        ),
        (lambda f, x: ([*f, f[3]], np.vstack([x, x[3:4]])), UsageError, "' 2 times: keep one row"),
        (
            lambda f, x: (f, x[:, :2]),
            UsageError,
            "'ours.npz' has 2 logits for each picture, and 3 classes with a head of 'softmax' ask for 3: name all classes in the order of the logits",
        ),
        (
            lambda f, x: (f[:-1], x),
            UsageError,
            "'ours.npz' has files (",
        ),
        (lambda f, x: (["32/cat.png", *f[1:]], x), UsageError, "an answer to '32/cat.png', which"),
        (
            lambda f, x: ([f[0].replace("32/", "64/"), *f[1:]], x),
            UsageError,
            "answers pictures of the sizes 32 and 64: keep those of the size",
        ),
        (lambda f, x: (f, x.astype(str)), UsageError, "logits ("),
        (
            lambda f, x: (np.array(f, object), x),
            UsageError,
            "'files' as pickled objects, which are",
        ),
        (lambda f, x: (f, x.astype(object)), UsageError, "save np.array(logits, float)"),
        (
            lambda f, x: ([], x[:0]),
            UsageError,
            "'ours.npz' has files (0,) of float64, logits (0, 3)",
        ),
    ],
)
def test_what_cannot_be_is_said(
    change: Any, kind: Any, said: str, home: Path, given_back: Any, tmp_path: Path
) -> None:
    files, logits = change(*given_back)
    file = tmp_path / "ours.npz"
    np.savez(file, files=files, logits=logits, classes=np.array(CLASSES))
    assert said in refusal(home, file, kind)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "file,green,blue,yellow\nNAME,1,2,much\n",
            "has 'much' where a logit should be (row 2, yellow)",
        ),
        ("file,green,blue,yellow\nNAME,1,2\n", "rows are left out, as they have not as many cells"),
        ("file\nNAME\n", "has columns file: predictions are an .npz with"),
        ("file,cat,cat\nNAME,1,2\n", "two columns called 'cat'"),
        ("", "'ours.csv' is empty"),
    ],
)
def test_a_table_that_cannot_be_understood_is_said(
    text: str, said: str, home: Path, given_back: Any, tmp_path: Path
) -> None:
    file = tmp_path / "ours.csv"
    file.write_text(text.replace("NAME", given_back[0][0]))
    with pytest.raises(ShortcutAuditError) as caught:
        build("checkpoint", "predictions").program(file)
    assert said in str(caught.value)


def test_an_archive_that_would_fill_the_memory_is_not_opened(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ours.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("files.npy", bytes(20_000_000))
        archive.writestr("logits.npy", b"")
    with pytest.raises(ModelError) as caught:
        build("checkpoint", "predictions").program(tmp_path / "ours.npz")
    assert str(caught.value) == "'ours.npz' would grow beyond all memory: save it again"


def test_another_order_of_classes_than_the_file_says_is_a_contradiction(
    home: Path, given_back: Any, tmp_path: Path
) -> None:
    file = write(tmp_path / "ours.npz", *given_back)
    (tmp_path / "rashomon.yaml").write_text(
        "classes: [blue, green, yellow]\nmodels: {ours: {file: ours.npz}}\n"
    )
    assert "the file says of itself that output 0 is 'green'" in refusal(home, file)
