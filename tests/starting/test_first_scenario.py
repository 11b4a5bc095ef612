"""The first scenario is read as it is, and once its other decoys are put to use as well."""

from __future__ import annotations

import re

import pytest
from folders import COLOURS, draw_classes
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit import registry
from shortcut_audit.scenario import load_scenario
from shortcut_audit.starting.first_scenario import scenario_text, suited
from shortcut_audit.starting.found import files_below, folders_of_pictures
from shortcut_audit.starting.manifest import FILL_IN


@pytest.fixture
def written(tmp_path):
    """Writes the scenario on class folders in these splits; gives its path."""

    def write(*splits: str, models: int = 2):
        for split in splits:
            draw_classes(tmp_path / "my photos" / split, 1)
        found = folders_of_pictures(tmp_path, files_below(tmp_path))
        path = tmp_path / "scenario.yaml"
        path.write_text(scenario_text(tmp_path, found, models))
        return path

    return write


def test_three_decoys_are_put_to_use_and_each_class_is_asked_about(written):
    scenario = load_scenario(written("train", "val"))
    assert len(scenario.decoys) == 3
    assert [scenario.target(name) for name in scenario.decoys] == [None] * 3
    assert tuple(scenario.build_dataset().classes) == tuple(sorted(COLOURS))
    assert scenario.build_dataset().load("train", 32).labels.tolist() == [0, 1, 2]


def test_every_limit_and_option_has_its_comment(written):
    text = written("train", "val").read_text()
    within = text.partition("limits:\n")[2].partition("# Audits")[0]
    assert within.count("  # at most this share ") == len(within.splitlines()) == 4


def test_one_model_is_not_compared_with_others(written):
    assert load_scenario(written("val", models=1)).blocking == ("decoy_insertion",)


def test_two_models_are(written):
    blocking = load_scenario(written("val")).blocking
    assert blocking == ("decoy_insertion", "rashomon_membership")


def test_without_training_pictures_no_folder_is_named(written):
    path = written("val")
    assert "train" not in load_scenario(path).dataset
    assert "without it influence is not audited" in path.read_text()


def test_pictures_to_audit_on_are_to_be_filled_in_and_the_error_leads_on(written):
    path = written("train")
    assert load_scenario(path).dataset["validation"] == FILL_IN
    with pytest.raises(Exception, match=r"the validation folder '.*FILL_IN' does not exist"):
        load_scenario(path).build_dataset().load("validation", 32)


@pytest.mark.parametrize(
    ("classes", "first"),
    [
        (["melanoma", "nevus"], "ruler"),
        (["NORMAL", "PNEUMONIA"], "hospital_token"),
        (["cat", "dog"], "copyright_tag"),
    ],
)
def test_the_first_decoy_suits_the_classes(classes, first):
    assert suited(classes)[0] == first


@given(
    st.lists(st.sampled_from(["stop sign", "ruler", "Band Aid", "cat", "tag", "vignette", "mole"]))
)
def test_no_decoy_is_what_a_class_is(classes):
    chosen = suited(classes)
    words = set(re.findall("[a-z]+", " ".join(classes).lower()))
    assert len(set(chosen)) == 3
    assert set(chosen) <= set(registry.names("decoy")) - {"overlay", "coco_cutout"}
    for decoy in chosen:
        assert not words & set(decoy.split("_"))
