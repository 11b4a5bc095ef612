"""A folder of checkpoints -> Candidates: the manifest, what files say of themselves, and every
sentence about what is wrong.
"""

from __future__ import annotations

import json
import string
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.numpy
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortcut_audit.errors import UsageError
from shortcut_audit.files.checkpoint_files import suffixes
from shortcut_audit.files.whole import canonical
from shortcut_audit.inputs_and_outputs import Head, InputSize
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.manifest.candidates import MANIFEST, read_candidates
from shortcut_audit.subjects.manifest.descriptions import describe, write_manifest
from shortcut_audit.subjects.manifest.file import FORBIDDEN

HEAD = "arch: torchvision:resnet18\nclasses: [cat, dog]\ninput: {size: 32}\n"


def manifest(folder: Path, text: str, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"weights")
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return folder


def self_describing(path: Path, **metadata: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.numpy.save_file({}, path, metadata=metadata or None)
    return path


def described(path: Path, name: str, reference: bool = False) -> Path:
    return self_describing(
        path, **describe(Candidate(name, path, "timm:x", ("a", "b"), 48, reference=reference))
    )


def sentence(folder: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_candidates(folder)
    return str(caught.value).replace(str(folder), "DIR")


def problems(folder: Path) -> dict[str, str | None]:
    return {
        each.name: each.problem and each.problem.replace(str(folder), "DIR")
        for each in read_candidates(folder)
    }


def test_a_manifest_describes_its_models_and_each_may_differ(tmp_path: Path) -> None:
    text = HEAD + (
        "models:\n"
        "  F100: {file: F100.pt, input: {size: 64, std: [1, 1, 1]}, arch: timm:vit, classes: [dog, cat]}\n"
        "  F0: {file: sub/F0.safetensors, reference: true}\n"
    )
    manifest(tmp_path, text, "F100.pt")
    self_describing(tmp_path / "sub/F0.safetensors")
    assert read_candidates(tmp_path) == [
        Candidate(
            "F0",
            tmp_path / "sub/F0.safetensors",
            "torchvision:resnet18",
            ("cat", "dog"),
            32,
            reference=True,
        ),
        Candidate(
            "F100", tmp_path / "F100.pt", "timm:vit", ("dog", "cat"), 64, std=(1.0, 1.0, 1.0)
        ),
    ]
    assert read_candidates(tmp_path / MANIFEST) == read_candidates(tmp_path)


def test_files_that_describe_themselves_need_no_manifest(tmp_path: Path) -> None:
    file = described(tmp_path / "anything.safetensors", "F0", reference=True)
    expected = Candidate("F0", file, "timm:x", ("a", "b"), 48, reference=True)
    assert read_candidates(tmp_path) == [expected]
    assert read_candidates(file) == [expected]


def test_the_manifest_goes_before_what_a_file_says_of_itself(tmp_path: Path) -> None:
    described(tmp_path / "F0.safetensors", "other", reference=True)
    manifest(
        tmp_path,
        "input: {size: 99}\nmodels: {F0: {file: F0.safetensors, classes: [x, y], reference: false}}",
    )
    (found,) = read_candidates(tmp_path)
    assert (found.name, found.arch, found.classes, found.size, found.reference) == (
        "F0",
        "timm:x",
        ("x", "y"),
        99,
        False,
    )


def test_a_single_file_is_described_by_the_manifest_beside_it(tmp_path: Path) -> None:
    manifest(tmp_path, HEAD + "models: {A: {file: A.pt}, B: {file: B.pt}}", "A.pt", "B.pt", "C.pt")
    assert [each.name for each in read_candidates(tmp_path / "B.pt")] == ["B"]
    (stranger,) = read_candidates(tmp_path / "C.pt")
    assert stranger.problem == (
        "'C.pt' is not in rashomon.yaml; list it there under 'models', or under 'ignore' if it is no model"
    )


def test_a_checkpoint_that_the_manifest_leaves_out_is_a_problem_unless_ignored(
    tmp_path: Path,
) -> None:
    files = ("F0.pt", "old/F0.pt", "run/optimizer.pt", ".cache/hidden.pt", "README.md")
    manifest(tmp_path, HEAD + "ignore: [run/*]\nmodels: {F0: {file: F0.pt}}", *files)
    said = problems(tmp_path)
    assert said.keys() == {"F0", "old-F0"}
    assert said["F0"] is None
    assert said["old-F0"] == (
        "'old/F0.pt' is not in rashomon.yaml; list it there under 'models', or under 'ignore' if it is no model"
    )


def test_equal_stems_get_distinct_names(tmp_path: Path) -> None:
    for file in (
        "a/F0.pt",
        "b/F0.pt",
        "b/F0.safetensors",
        "F 1.pt",
        "F[1].pt",
        "a-F0.pt",
        "solo.pt",
    ):
        manifest(tmp_path, "", file)
    (tmp_path / MANIFEST).unlink()
    found = {
        each.file.relative_to(tmp_path).as_posix(): each.name for each in read_candidates(tmp_path)
    }
    assert len(set(found.values())) == len(found) == 7
    assert found["solo.pt"] == "solo"
    assert found["b/F0.safetensors"] == "b-F0.safetensors"
    assert not any(FORBIDDEN.search(name) for name in found.values())


def test_two_files_that_claim_one_name_are_told_apart(tmp_path: Path) -> None:
    described(tmp_path / "F0.safetensors", "F0")
    described(tmp_path / "copy.safetensors", "F0")
    assert {each.file.stem: each.name for each in read_candidates(tmp_path)}["copy"] == "copy"
    assert len({each.name for each in read_candidates(tmp_path)}) == 2


def test_a_state_dict_without_manifest_says_how_to_write_one_that_works(tmp_path: Path) -> None:
    (tmp_path / "F0.pt").write_bytes(b"weights")
    problem = problems(tmp_path)["F0"] or ""
    first, *example = problem.split("\n")
    assert first == (
        "nothing says what 'F0.pt' is (no arch, no classes, no input size); write rashomon.yaml beside it, for example:"
    )
    manifest(tmp_path, "\n".join(example))
    assert problems(tmp_path) == {"F0": None}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{file: FO.pt}", "there is no file 'DIR/FO.pt'; did you mean 'F0.pt'?"),
        ("{file: far/away.pt}", "there is no file 'DIR/far/away.pt'"),
        ("{file: folder.pt}", "'DIR/folder.pt' is not a file"),
        (
            "{file: F0.h5}",
            f"no checkpoint format reads 'F0.h5': there is {', '.join(suffixes())}",
        ),
        ("{file: empty.safetensors}", "'empty.safetensors' is empty"),
    ],
)
def test_an_entry_whose_file_cannot_be_read_is_a_problem_of_that_model_alone(
    tmp_path: Path, entry: str, problem: str
) -> None:
    manifest(tmp_path, HEAD + f"models: {{bad: {entry}, good: {{file: F0.pt}}}}", "F0.pt", "F0.h5")
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "empty.safetensors").touch()
    said = problems(tmp_path)
    assert said["bad"] == problem
    assert said["good"] is None


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        (
            {"classes": "cat"},
            "'x.safetensors' describes itself in metadata that is not JSON; list it in rashomon.yaml",
        ),
        (
            {"classes": "[1]"},
            "'DIR/x.safetensors' has a bad value at 'classes.0': 1 is a whole number, and text is wanted",
        ),
        (
            {"input": '{"sise": 3}'},
            "'DIR/x.safetensors' has an unknown key 'input.sise'; did you mean 'size'?",
        ),
        (
            {"arch": "timm:x", "format": "pt"},
            "nothing says what 'x.safetensors' is (no classes, no input size); write rashomon.yaml",
        ),
    ],
)
def test_metadata_that_makes_no_sense_is_a_problem(
    tmp_path: Path, metadata: dict[str, str], problem: str
) -> None:
    self_describing(tmp_path / "x.safetensors", **metadata)
    assert (problems(tmp_path)["x"] or "").startswith(problem)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modles: {}", "'DIR/rashomon.yaml' has an unknown key 'modles'; did you mean 'models'?"),
        (
            "models: {F0: {fiel: x.pt, file: x.pt}}",
            "'DIR/rashomon.yaml' has an unknown key 'models.F0.fiel'; did you mean 'file'?",
        ),
        (
            "input: {sise: 3}\nmodels: {}",
            "'DIR/rashomon.yaml' has an unknown key 'input.sise'; did you mean 'size'?",
        ),
        (
            "models: {F0: {file: x.pt, input: {sdt: 1}}}",
            "'DIR/rashomon.yaml' has an unknown key 'models.F0.input.sdt'; did you mean 'std'?",
        ),
        ("arch: x", "'DIR/rashomon.yaml' lacks the key 'models'"),
        ("models: {F0: {}}", "'DIR/rashomon.yaml' lacks the key 'models.F0.file'"),
        ("", "'DIR/rashomon.yaml' must be a mapping with the key 'models', and it is empty"),
        (
            "models: {a b: {file: x.pt}}",
            "a model cannot be called 'a b': leave out spaces, / \\ [ ] @ :: and a first dot",
        ),
        (
            "models: {..: {file: x.pt}}",
            "a model cannot be called '..': leave out spaces, / \\ [ ] @ :: and a first dot",
        ),
        (
            "models: {0.5: {file: x.pt}}",
            "the key 0.5 is a number, and keys are text: put it in quotes (line 1)",
        ),
        (
            "classes: [cat, no]\nmodels: {}",
            "at 'classes.1': false is a yes/no value, as yes, no, on and",
        ),
        (
            "classes: [cat, cat]\nmodels: {}",
            "has a bad value at 'classes': 'cat' stands there twice",
        ),
        (
            'classes: [cat, "a\\tb"]\nmodels: {}',
            "has a bad value at 'classes': a class cannot be called 'a\\tb'",
        ),
        (
            "input: {std: [0, 1, 1]}\nmodels: {}",
            "has a bad value at 'input.std.0': 0: Input should be greater than 0",
        ),
        (
            "input: {size: 0}\nmodels: {}",
            "has a bad value at 'input.size': 0: Input should be greater than or equal to 1",
        ),
        (
            "input: {mean: [.nan, 0, 0]}\nmodels: {}",
            "has a bad value at 'input.mean.0': nan: Input should be a finite number",
        ),
        (
            "models:\n  F0: {file: a.pt}\n  F0: {file: b.pt}",
            "is not YAML: the key 'F0' stands twice",
        ),
        (
            "input: {mean: [123.675, 116.28, 103.53]}\nmodels: {}",
            "has a bad value at 'input.mean': 123.675 is too large: mean and std are of pixel values in [0, 1], so divide by 255",
        ),
        (
            "input: {std: [58.395, 57.12, 57.375]}\nmodels: {}",
            "has a bad value at 'input.std': 58.395 is too large",
        ),
        (
            "arch_options: {depths: {a: 1}}\nmodels: {}",
            "an option of an architecture is a number, a text, true, false or a list",
        ),
        (
            "arch_options: 3\nmodels: {}",
            "has a bad value at 'arch_options': 3 is a whole number, and a mapping is wanted",
        ),
        (
            "classes: [ros\u00e9, rose\u0301]\nmodels: {}",
            "has a bad value at 'classes': 'ros\u00e9' stands there twice",
        ),
        (
            "models: {\u00e9: {file: a.pt}, e\u0301: {file: b.pt}}",
            "stands there twice, its accents written in two ways",
        ),
        ("models: [", "'DIR/rashomon.yaml' is not YAML: while parsing a flow node"),
        (
            "models: {F0: !!python/object/apply:os.system [x]}",
            "'!!python/object/apply:os.system' is not read here",
        ),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused_in_one_sentence(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert expected in sentence(manifest(tmp_path, text))


def test_nothing_to_audit_is_an_error_and_never_an_empty_list(tmp_path: Path) -> None:
    looked = f"looked for {', '.join(suffixes())} and for rashomon.yaml"
    assert sentence(tmp_path) == f"--models 'DIR' holds no checkpoint: {looked}"
    (tmp_path / "README.md").touch()
    assert sentence(tmp_path) == f"--models 'DIR' holds no checkpoint: {looked}"
    assert sentence(tmp_path / "README.md") == f"--models 'DIR' holds no checkpoint: {looked}"
    (tmp_path / "checkpoints").mkdir()
    assert (
        sentence(tmp_path / "chekpoints")
        == "--models 'DIR' does not exist; did you mean 'checkpoints'?"
    )
    assert sentence(tmp_path / "no/where") == "--models 'DIR' does not exist"
    assert (
        sentence(manifest(tmp_path, "models: {}"))
        == f"--models 'DIR' holds no checkpoint: {looked}"
    )


def test_the_order_of_candidates_does_not_depend_on_the_order_of_the_folder(tmp_path: Path) -> None:
    for name in ("c.pt", "a.pt", "b.pt", "B.pt"):
        (tmp_path / name).touch()
    names = [each.name for each in read_candidates(tmp_path)]
    assert names == sorted(names)


names = st.text(string.ascii_letters + string.digits + "-_.+é中", min_size=1, max_size=12).filter(
    lambda name: name[0] != "."
)
texts = (
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
    .map(canonical)
    .filter(str.isprintable)
)
shares = st.floats(0, 1, allow_nan=False)
deviations = st.floats(1e-6, 1)
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
options = st.dictionaries(
    texts,
    plain | st.lists(plain | st.lists(plain, max_size=2).map(tuple), max_size=3).map(tuple),
    max_size=3,
)


sides = st.integers(1, 4096)


@st.composite
def sizes(draw: st.DrawFn) -> int:
    height, width = draw(sides), draw(st.none() | sides)
    resize = draw(st.none() | st.integers(0, 99).map(lambda more: max(height, width or 0) + more))
    by = draw(st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]))
    framed = InputSize(height, width, resize, draw(st.booleans()), by)
    return int(framed) if framed.plain else framed


@st.composite
def heads(draw: st.DrawFn, classes: int) -> Head:
    answers = draw(st.sampled_from(["softmax", "labels", *(["sigmoid"] if classes == 2 else [])]))
    asked = classes if answers == "labels" else 1
    share, positive = st.floats(0.01, 0.99), st.floats(0.1, 9)
    thresholds = draw(st.lists(share, min_size=asked, max_size=asked).map(tuple))
    if not draw(st.booleans()) or (answers == "softmax" and classes != 2):
        thresholds = ()
    several = positive.map(lambda one: tuple(one + at for at in range(classes)))
    one_for_all = positive.map(lambda one: (one,))
    several = one_for_all if answers == "sigmoid" else several
    temperatures = draw(st.one_of(st.just(()), one_for_all, several))
    output = draw(st.sampled_from([None, "logits", 2]))
    return Head(answers, thresholds, temperatures, output, draw(st.booleans()))


@st.composite
def candidate(draw: st.DrawFn, folder: Path) -> Candidate:
    channels = draw(st.sampled_from([1, 3, 4]))
    classes = draw(st.lists(texts, min_size=1, max_size=4, unique=True).map(tuple))
    return Candidate(
        name=draw(names),
        file=folder / "sub" / "weights.pt",
        arch=draw(texts),
        classes=classes,
        size=draw(sizes()),
        mean=draw(st.tuples(*[shares] * channels)),
        std=draw(st.tuples(*[deviations] * channels)),
        reference=draw(st.booleans()),
        arch_options=draw(options.map(lambda found: tuple(sorted(found.items())))),
        channels=channels,
        head=draw(heads(len(classes))),
    )


def candidates(folder: Path) -> st.SearchStrategy[list[Candidate]]:
    one = candidate(folder)
    return st.lists(one, min_size=1, max_size=4, unique_by=lambda each: each.name)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_what_is_written_is_read_back(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "sub").mkdir(exist_ok=True)
    (tmp_path / "sub/weights.pt").touch()
    (tmp_path / MANIFEST).unlink(missing_ok=True)
    models = data.draw(candidates(tmp_path))
    write_manifest(tmp_path, models[:1])
    write_manifest(tmp_path, models[1:])
    assert read_candidates(tmp_path) == sorted(models, key=lambda each: each.name)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_what_a_file_is_told_of_itself_is_read_back(tmp_path: Path, data: st.DataObject) -> None:
    model = data.draw(candidates(tmp_path))[0]
    file = tmp_path / "weights.safetensors"
    self_describing(file, **describe(model))
    (found,) = read_candidates(file)
    assert found == replace(model, file=file)


def test_writing_again_replaces_a_model_keeps_the_others_and_says_shared_keys_once(
    tmp_path: Path,
) -> None:
    first = Candidate("A", tmp_path / "A.pt", "timm:x", ("a", "b"), 32, reference=True)
    second = Candidate("B", tmp_path / "B.pt", "timm:x", ("a", "b"), 32)
    write_manifest(tmp_path, [first, second])
    content = yaml.safe_load((tmp_path / MANIFEST).read_text())
    assert content["models"] == {"A": {"file": "A.pt", "reference": True}, "B": {"file": "B.pt"}}
    write_manifest(tmp_path, [Candidate("A", tmp_path / "A2.pt", "timm:y", ("a", "b"), 32)])
    content = yaml.safe_load((tmp_path / MANIFEST).read_text())
    assert content["models"] == {"A": {"file": "A2.pt", "arch": "timm:y"}, "B": {"file": "B.pt"}}


def test_models_written_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    models = [
        Candidate(f"F{number}", tmp_path / f"F{number}.pt", "timm:x", ("a",), 32)
        for number in range(16)
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: write_manifest(tmp_path, [each]), models))
    assert len(read_candidates(tmp_path)) == 16


def test_a_manifest_that_would_not_be_readable_is_not_written(tmp_path: Path) -> None:
    write_manifest(tmp_path, [Candidate("A", tmp_path / "A.pt", "timm:x", ("a",), 32)])
    before = (tmp_path / MANIFEST).read_bytes()
    with pytest.raises(UsageError, match="a model cannot be called 'a b'"):
        write_manifest(tmp_path, [Candidate("a b", tmp_path / "A.pt", "timm:x", ("a",), 32)])
    assert (tmp_path / MANIFEST).read_bytes() == before
    assert not list(tmp_path.glob(".*.tmp"))


def test_reading_imports_no_torch(tmp_path: Path) -> None:
    described(tmp_path / "F0.safetensors", "F0")
    manifest(tmp_path, HEAD + "models: {F0: {file: F0.safetensors}, F1: {file: F1.pt}}", "F1.pt")
    code = (
        "import sys, json; from pathlib import Path; from shortcut_audit.subjects.manifest.candidates import read_candidates\n"
        "found = read_candidates(Path(sys.argv[1])); print(json.dumps([len(found), 'torch' in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [2, False]


def test_options_belong_to_the_architecture_that_they_stand_with(tmp_path: Path) -> None:
    text = HEAD + (
        "arch_options: {img_size: 64, depths: [2, [2]]}\n"
        "models:\n  A: {file: A.pt}\n  B: {file: A.pt, arch_options: {}}\n  C: {file: A.pt, arch: timm:y}\n"
        "  D: {file: A.pt, arch: timm:y, arch_options: {b: 1, a: null}}\n"
    )
    found = {
        each.name: each.arch_options for each in read_candidates(manifest(tmp_path, text, "A.pt"))
    }
    top = (("depths", (2, (2,))), ("img_size", 64))
    assert found == {"A": top, "B": (), "C": (), "D": (("a", None), ("b", 1))}
    assert hash(found["A"]) == hash(top)


def test_names_of_models_may_hold_braces_and_accents_in_either_form(tmp_path: Path) -> None:
    text = (
        HEAD
        + "classes: [cat, rose\u0301]\nmodels: {'net-{epoch}': {file: A.pt}, rose\u0301: {file: A.pt}}"
    )
    found = read_candidates(manifest(tmp_path, text.replace("classes: [cat, dog]\n", ""), "A.pt"))
    assert [each.name for each in found] == ["net-{epoch}", "ros\u00e9"]
    assert found[0].classes == ("cat", "ros\u00e9")


def test_metadata_that_nobody_understands_is_passed_over_where_a_manifest_speaks(
    tmp_path: Path,
) -> None:
    self_describing(tmp_path / "F0.safetensors", classes="cat,dog", input="[1]", reference="yes")
    assert problems(manifest(tmp_path, HEAD + "models: {F0: {file: F0.safetensors}}")) == {
        "F0": None
    }


def test_checkpoints_behind_links_are_candidates_and_hidden_ones_are_not(tmp_path: Path) -> None:
    """A model that nobody audits should not go unnoticed."""
    for name in ("store/run7/F100.pt", "models/F0.pt", "models/.cache/F1.pt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    models = tmp_path / "models"
    (models / "run7").symlink_to(tmp_path / "store/run7")
    (models / "loop").symlink_to(models)
    assert [each.file for each in read_candidates(models)] == [
        models / "F0.pt",
        models / "run7/F100.pt",
    ]


def test_a_file_with_several_names_is_one_candidate(tmp_path: Path) -> None:
    (tmp_path / "epoch9.pt").write_bytes(b"x")
    (tmp_path / "best.pt").symlink_to(tmp_path / "epoch9.pt")
    assert [each.name for each in read_candidates(tmp_path)] == ["epoch9"]
    (tmp_path / "gone.pt").symlink_to(tmp_path / "nowhere.pt")
    found = {each.name: each.problem for each in read_candidates(tmp_path)}
    assert found.keys() == {"epoch9", "gone"}
    assert "there is no file" in (found["gone"] or "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "head: {threshold: {cat: 60}}",
            "at 'head.threshold.cat': 60: Input should be less than 1",
        ),
        (
            "head: {answers: softmx}",
            "at 'head.answers': 'softmx': Input should be 'softmax', 'sigmoid' or",
        ),
        ("input: {size: 32x48}", "at 'input.size': '32x48' is text, and a whole number is wanted"),
        ("input: {resize: 40, crop: 0.9}", "resize and crop say the same in two ways"),
        ("classes: {-1: cat}", "outputs are counted from 0, and there is no -1"),
    ],
)
def test_of_a_value_that_may_be_several_things_the_one_that_was_meant_is_named(
    tmp_path: Path, text: str, said: str
) -> None:
    assert said in sentence(manifest(tmp_path, f"{text}\nmodels: {{}}\n"))
