"""One reader: what stands twice, is no text, or is of another type than asked is one sentence."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shortcut_audit import UsageError, registry
from shortcut_audit.files.checking import converted
from shortcut_audit.files.yaml_files import dumped, parsed
from shortcut_audit.scenario import load_scenario
from shortcut_audit.study.published import published
from shortcut_audit.subjects.manifest.file import read_manifest

ROOT = Path(__file__).parents[2]
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=("C",))),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(categories=("L", "N"))), inner, max_size=3)
    ),
    max_leaves=8,
)


def refused(content: str | bytes) -> str:
    with pytest.raises(UsageError) as caught:
        parsed(content if isinstance(content, bytes) else content.encode(), "the file")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("the file ")
    return str(caught.value)


@given(PLAIN)
def test_what_is_written_is_read_back_by_us_and_by_others(content: Any) -> None:
    text = dumped(content)
    assert parsed(text.encode(), "the file") == content
    assert yaml.safe_load(text) == content


@pytest.mark.parametrize(
    "path", sorted((ROOT / "fixtures").glob("*.yaml")), ids=lambda path: path.name
)
def test_our_own_files_are_read_as_anybody_reads_them(path: Path) -> None:
    assert parsed(path.read_bytes(), path.name) == yaml.safe_load(path.read_bytes())


def test_the_published_tables_are_read() -> None:
    assert published()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("010", "010"),
        ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
    ],
)
def test_a_number_is_a_number_only_where_it_is_written_as_one(text: str, value: object) -> None:
    assert parsed(f"a: {text}".encode(), "the file") == {"a": value}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "the key 'a' stands twice (line 2)"),
        ('a: 1\n"a": 2', "the key 'a' stands twice (line 2)"),
        ("x: {y: [{a: 1, b: 2, a: 3}]}", "the key 'a' stands twice"),
        ("x: &x {a: 1}\ny: {<<: *x, <<: *x}", "the key '<<' stands twice (line 2)"),
        ("x: &x {a: 1}\ny: &y {a: 2}\nz: {<<: [*x, *y]}", "the key 'a' comes from two merged mappings (line 3)"),
        ("1.5: a", "the key 1.5 is a number, and keys are text: put it in quotes (line 1)"),
        ('1: a\n"1": b', "the key '1' stands twice (line 2)"),
        ("no: a", "the key no is a yes/no value, and keys are text: put it in quotes"),
        ("~: a", "the key ~ is nothing, and keys are text"),
        ("? [a]\n: b", "the key it is a list, and keys are text"),
        ("a: !!binary aGVsbG8=", "'!!binary' is not read here: write a plain value"),
        ("a: !!set {b}", "'!!set' is not read here"),
        ("a: &a [*a]", "an alias stands within what it names"),
        ("a:\n\t- b", "there is a tab where only spaces may be (line 2)"),
        ('a: "\\ud800"', "a half of a character"),
        ("a: [", "is not YAML"),
        ("a: 1\n---\nb: 2", "but found another document"),
        (b"a: caf\xe9", "is no text in UTF-8 (byte 6 is 0xe9): save it as UTF-8"),
        (b"a: \x00", "is not YAML"),
        ("[" * 5000, "it is nested too deep"),
        ("a: " + "9" * 5000, "is not YAML"),
    ],
)  # fmt: skip
def test_what_is_not_read(text: str | bytes, said: str) -> None:
    assert said in refused(text)


def test_aliases_do_not_explode() -> None:
    text = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)
    )
    assert "its aliases stand for more than 100000 values" in refused(text)
    merged = "a0: &a0 {x: 1}\n" + "".join(
        f"a{i}: &a{i} {{<<: *a{i - 1}, k{i}: 1}}\n" for i in range(1, 40)
    )
    assert len(parsed(merged.encode(), "the file")["a39"]) == 40


def test_a_key_goes_before_a_merged_one() -> None:
    """Whichever mapping is made first: the one that is merged may itself merge, and stand deeper."""
    text = "a: &a {x: 1, y: 1}\nouter: {inner: &b {<<: *a, x: 2}}\nc: {<<: *b, y: 3}"
    assert parsed(text.encode(), "the file")["c"] == {"x": 2, "y": 3}
    assert parsed(text.encode(), "the file")["outer"] == {"inner": {"x": 2, "y": 1}}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_matter(encoding: str) -> None:
    assert parsed("a: é".encode(encoding), "the file") == {"a": "é"}


SCENARIO = """
dataset: {kind: image_folder, train: train, validation: val}
decoys:
  sign: {kind: stop_sign, target: cat}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("target: cat", "target: 1", "'decoys.sign.target': 1 is a whole number, and text is wanted: put it in quotes"),
        ("target: cat", "target: 1.5", "'decoys.sign.target': 1.5 is a number, and text is wanted: put it in quotes"),
        ("target: cat", "target: no", "'decoys.sign.target': false is a yes/no value, as yes, no, on and off are, and text is"),
        ("target: cat", "target:", "'decoys.sign.target': it is nothing, and text is wanted"),
        ("target: cat", "target: [cat]", "'decoys.sign.target': ['cat'] is a list, and text is wanted"),
        ("kind: stop_sign", "kind: 3", "'decoys.sign.kind': 3 is a whole number, and text is wanted: put it in quotes"),
        ("{kind: stop_sign, target: cat}", "3", "'decoys.sign': 3 is a whole number, and a mapping is wanted"),
        ("{kind: stop_sign, target: cat}", "", "'decoys.sign': it is nothing, and a mapping is wanted"),
        ("kind: image_folder", "kind: yes", "'dataset.kind': true is a yes/no value"),
        ("\n", "\nlimits: {insertion: '0.1'}\n", "'limits.insertion': '0.1' is text, and a number is wanted: write it in digits"),
        ("\n", "\nlimits: {mine: '0.1'}\n", "'limits.mine': '0.1' is text, and a number is wanted"),
        ("\n", "\nlimits: {insertion: 2}\n", "'limits.insertion': 2: Input should be less than 1"),
        ("\n", "\nrashomon: {epsilon: true}\n", "'rashomon.epsilon': true is a yes/no value, as yes, no, on and off"),
        ("\n", "\nmasks: {images: 60.0}\n", "'masks.images': 60.0 is a number, and a whole number is wanted"),
        ("\n", "\nmasks: {images: '60'}\n", "'masks.images': '60' is text, and a whole number is wanted: write it in digits"),
        ("\n", "\nmasks: {images: 1_000}\n", "'masks.images': '1_000' is text, and a whole number is wanted: write it in digits"),
        ("\n", "\nblocking: decoy_insertion\n", "'blocking': 'decoy_insertion' is text, and a list is wanted"),
        ("\n", "\nblocking: [1]\n", "'blocking.0': 1 is a whole number, and text is wanted: put it in quotes"),
        ("\n", "\ntraining: {models: [{seeds: 1.5}]}\n", "'training.models.0.seeds"),
        ("\n", "\ntraining: {models: [{seeds: true}]}\n", "'training.models.0.seeds': true is a yes/no value"),
        ("\n", "\ntraining: {models: [{coverage: ['0.1'], decoy: sign}]}\n", "'training.models.0.coverage.0': '0.1' is text"),
        ("\n", "\ntraining: {augmentation: {vertical_flip: 1}}\n", "'training.augmentation.vertical_flip': 1 is a whole num"),
        ("\n", "\ntraining: {models: [{coverge: 1}]}\n", "unknown key 'training.models.0.coverge'; did you mean 'coverage'?"),
        ("\n", "\ncalibration: {fresh: {}, rond: 1}\n", "unknown key 'calibration.rond'"),
        ("\n", "\nlimts: {}\n", "unknown key 'limts'; did you mean 'limits'?"),
        ("\n", "\ndigest: x\n", "unknown key 'digest'"),
        ("\n", "\ndecoys: {}\n", "the key 'decoys' stands twice"),
        ("kind: stop_sign", "kind: stop_sign, kind: overlay", "the key 'kind' stands twice"),
    ],
)  # fmt: skip
def test_a_scenario_with_a_value_of_another_type(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SCENARIO.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load_scenario(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"the scenario '{path}' ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b", "just text", "3"])
def test_a_scenario_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(
        UsageError, match=r"must be a mapping with the keys 'dataset' and 'decoys', and it is \w"
    ):
        load_scenario(tmp_path / "mine.yaml")


def test_what_is_right_stays_as_it_was_written(tmp_path: Path) -> None:
    more = "limits: {insertion: 0.2, mine: 1}\ntraining: {learning_rate: 1e-4, models: [{seeds: 3}, {seeds: [4, 5]}]}\n"
    (tmp_path / "mine.yaml").write_text(SCENARIO + more)
    read = load_scenario(tmp_path / "mine.yaml")
    assert (read.limits.insertion, read.limits.mine, read.training.learning_rate) == (
        0.2,
        1.0,
        1e-4,
    )
    assert [group.seeds for group in read.training.models] == [(3,), (4, 5)]
    assert read.folder == tmp_path.resolve()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "input: {size: '64'}",
            "'input.size': '64' is text, and a whole number is wanted: write it in digits, without quotes",
        ),
        ("input: {size: true}", "'input.size': true is a yes/no value"),
        ("input: {mean: [0, 0, '0']}", "'input.mean.2': '0' is text, and a number is wanted"),
        (
            "models: {F0: {file: 3}}",
            "'models.F0.file': 3 is a whole number, and text is wanted: put it in quotes",
        ),
        (
            "models: {F0: {file: a.pt, reference: 1}}",
            "'models.F0.reference': 1 is a whole number, and yes or no is wanted",
        ),
        (
            "models: {F0: {file: a.pt, reference: 'yes'}}",
            "'models.F0.reference': 'yes' is text, and yes or no is wanted",
        ),
        ("classes: cat", "'classes': 'cat' is text, and a list is wanted"),
        ("arch: 1", "'arch': 1 is a whole number, and text is wanted: put it in quotes"),
    ],
)
def test_a_manifest_with_a_value_of_another_type(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rashomon.yaml"
    path.write_text(text + ("" if "models" in text else "\nmodels: {}"))
    with pytest.raises(UsageError) as caught:
        read_manifest(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name", "options", "said"),
    [
        ("decoy", "stop_sign", {"size": "0.3"}, "option 'size' cannot be '0.3': '0.3' is text, and a number is wanted"),
        ("decoy", "stop_sign", {"opacity": True}, "option 'opacity' cannot be True: true is a yes/no value"),
        ("decoy", "overlay", {"image": 3}, "option 'image' cannot be 3: 3 is a whole number, and text is wanted"),
        ("dataset", "coco", {"train": "9"}, "option 'train' cannot be '9': '9' is text, and a whole number is wanted"),
        ("dataset", "coco", {"classes": ["cat", 1]}, "option 'classes.1' cannot be 1: 1 is a whole number, and text is wanted"),
        ("dataset", "imagenet10", {"wnids": {"cat": 1}}, "option 'wnids.cat' cannot be 1: 1 is a whole number"),
        ("explainer", "rise", {"samples": 10.0}, "option 'samples' cannot be 10.0: 10.0 is a number, and a whole"),
    ],
)  # fmt: skip
def test_an_option_of_another_type(
    kind: str, name: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        registry.build(kind, name, options)
    assert said in str(caught.value)


def test_options_given_by_code_go_on_working(tmp_path: Path) -> None:
    built = registry.build(
        "dataset", "image_folder", {"validation": tmp_path, "background": None, "train": "a"}
    )
    assert (built.validation, built.background, built.train) == (tmp_path, None, Path("a"))
    assert (
        registry.build("dataset", "coco", {"classes": ("a", "b"), "least_area": 1}).least_area
        == 1.0
    )


def _places(content: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where values stand, at any depth."""
    inner = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    return [place for key, value in inner for place in [(*at, key), *_places(value, (*at, key))]]


@pytest.mark.parametrize("name", ["calibration", "coco5", "demo", "imagenet10"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_value_anywhere_is_read_or_one_sentence(name: str, data: st.DataObject) -> None:
    """No traceback, and no value that is another one afterwards: 1 for true, "3" for 3."""
    content = yaml.safe_load((ROOT / f"fixtures/{name}.yaml").read_bytes())
    place = data.draw(st.sampled_from(_places(content)))
    value = data.draw(PLAIN)
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mine.yaml"
        path.write_text(dumped(content), encoding="utf-8")
        try:
            read = load_scenario(path)
            read.build_dataset()
            for decoy in read.decoys:
                read.build_decoy(decoy)
        except UsageError:
            return
    found: Any = read
    for key in place:
        found = found[key] if isinstance(found, dict | list | tuple) else getattr(found, key)
    assert str(found) == str(value) or list(converted(value, found)) == []
