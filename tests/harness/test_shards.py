"""Which shard a test is in, what Slurm says of it, and the file that a shard leaves."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from finding_of import finding_of
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.errors import UsageError
from shortcut_audit.harness.course.inputs import Call, Inputs
from shortcut_audit.harness.course.part import (
    Chosen,
    Ended,
    Part,
    chosen,
    digest_of_tests,
    read_part,
    write_part,
)
from shortcut_audit.harness.course.shard_ledger import ShardLedger
from shortcut_audit.harness.course.shards import Shard, partition, read_shard
from shortcut_audit.harness.observed import Observed
from shortcut_audit.records import Verdict
from shortcut_audit.reporting.record import as_row

TESTS = st.dictionaries(st.text(max_size=8), st.sampled_from("abcdefgh"), max_size=30)
INPUTS = Inputs(Call("models", "scenario.yaml", "", "", False, {"split": True}, "pytest", ()), {})


@given(st.lists(st.sampled_from("abcdefghij")), st.integers(1, 20), st.randoms())
def test_each_model_is_in_one_shard_in_any_order(models, of, rng):
    found = partition(models, of)
    assert found.keys() == set(models)
    assert set(found.values()) <= set(range(1, of + 1))
    shuffled = list(models)
    rng.shuffle(shuffled)
    assert partition(shuffled, of) == found


@given(st.lists(st.sampled_from("abcdefghij"), min_size=1), st.integers(1, 20))
def test_no_two_shards_differ_by_more_tests_than_one_model_has(models, of):
    found, loads = partition(models, of), [0] * of
    for model in models:
        loads[found[model] - 1] += 1
    assert max(loads) - min(loads) <= max(map(models.count, models))


@given(TESTS, st.integers(1, 9), st.data())
def test_each_selected_test_is_in_exactly_one_shard(models, of, data):
    selected = data.draw(
        st.lists(st.sampled_from(sorted(models)), unique=True) if models else st.just([])
    )
    parts = [chosen(Shard(number, of), models, selected, ()) for number in range(1, of + 1)]
    own = [nodeid for part in parts for nodeid in part.own]
    assert sorted(own) == sorted(selected)
    assert {(part.tests, part.digest) for part in parts} == {
        (len(selected), digest_of_tests(selected))
    }
    places = {nodeid: at for part in parts for nodeid, at in part.own.items()}
    assert sorted(places, key=places.__getitem__) == selected


def test_with_another_k_each_model_is_where_it_was():
    models = {f"{audit}[{model}]": model for audit in "xyz" for model in "abcd"}
    for number in (1, 2, 3):
        whole = chosen(Shard(number, 3), models, list(models), ())
        some = [nodeid for nodeid in models if nodeid.startswith("y")]
        random.Random(number).shuffle(some)
        part = chosen(Shard(number, 3), models, some, ())
        assert set(part.own) == {nodeid for nodeid in whole.own if nodeid.startswith("y")}


@pytest.mark.parametrize(
    ("text", "shard"), [("1/1", Shard(1, 1)), (" 2 / 8 ", Shard(2, 8)), ("10/10", Shard(10, 10))]
)
def test_a_shard_as_it_is_written(text, shard):
    assert read_shard(text, {}) == shard


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2", "--audit-shard cannot be '2': write 2/8 for the second of eight parts, or slurm"),
        ("2/8/3", "--audit-shard cannot be '2/8/3': write 2/8"),
        ("-1/8", "--audit-shard cannot be '-1/8'"),
        ("٢/8", "--audit-shard cannot be '٢/8'"),
        ("0/8", "there is no shard 0 of 8, they are numbered from 1 to 8"),
        ("9/8", "there is no shard 9 of 8"),
        ("1/0", "a run has 1 to 100000 shards, and not 0"),
        ("1/999999", "a run has 1 to 100000 shards, and not 999999"),
        ("slurm", "this is no task of a Slurm array (SLURM_ARRAY_TASK_ID is not set)"),
    ],
)
def test_what_is_no_shard_is_one_sentence(text, said):
    with pytest.raises(UsageError) as found:
        read_shard(text, {})
    assert said in str(found.value)


def array(task: int, first: int, count: int, **more: int) -> dict[str, str]:
    said = {"ID": task, "MIN": first, "COUNT": count, "MAX": first + count - 1} | more
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in said.items()}


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        (array(1, 1, 8), Shard(1, 8)),
        (array(7, 0, 8), Shard(8, 8)),
        (array(12, 10, 4), Shard(3, 4)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, Shard(1, 4)),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "4"}, Shard(4, 4)),
        # an array's task has both: the batch script's own SLURM_NTASKS is no number of shards
        (array(2, 1, 3) | {"SLURM_PROCID": "0", "SLURM_NTASKS": "16"}, Shard(2, 3)),
    ],
)
def test_as_slurm_numbers_its_tasks(environment, shard):
    assert read_shard("slurm", environment) == shard
    assert read_shard("Slurm", environment) == shard


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (array(4, 1, 3, MAX=5), "3 tasks from 1 to 5 have gaps: number them without any"),
        (array(9, 1, 3), "have gaps"),
        (array(1, 1, 3, COUNT=0), "have gaps"),
        ({"SLURM_ARRAY_TASK_ID": "2"}, "SLURM_ARRAY_TASK_MIN is '', which is no number"),
        ({"SLURM_PROCID": "x", "SLURM_NTASKS": "4"}, "SLURM_PROCID is 'x'"),
        ({"SLURM_PROCID": "4", "SLURM_NTASKS": "4"}, "there is no shard 5 of 4"),
        ({"SLURM_PROCID": "4"}, "none of srun (SLURM_PROCID, SLURM_NTASKS)"),
        (
            array(1, 1, 3) | {"SLURM_STEP_NUM_TASKS": "2"},
            "starts several tasks of srun, which would all be one shard: start one",
        ),
    ],
)
def test_what_slurm_says_is_not_guessed_at(environment, said):
    with pytest.raises(UsageError) as found:
        read_shard("slurm", environment)
    assert said in str(found.value)


# ---- the file ----

FOUND = finding_of("decoy_insertion", ("F100",), "stop_sign", Verdict.VIOLATED, True, value=0.1)
ENDS = Ended("failed", 0.25, "F100 turns é", "at length", (as_row(FOUND),))
SEEN = {"notes": [], "devices": ["cpu"], "suite": {"files": {}}}
WHOLE = Part(Shard(1, 2), "", INPUTS, Chosen({"a[é]": 1}, ("a[é]",), 2, "d"), {"a[é]": ENDS}, SEEN)


def test_a_part_is_read_as_it_was_written(tmp_path):
    write_part(tmp_path / "shard.json", WHOLE)
    assert read_part(tmp_path / "shard.json") == WHOLE


CHANGES = {
    "cut off": lambda text: text[: len(text) // 2],
    "a finding": lambda text: text.replace("decoy_insertion", "decoy_only"),
    "another outcome": lambda text: text.replace('"failed"', '"passed"'),
    "no sum": lambda text: json.dumps({"shard": {"number": 1, "of": 2}}),
    "a list": lambda text: "[]",
    "nothing": lambda text: "",
    "no text": lambda text: "\udcff",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_part_that_is_not_what_was_written_is_refused(tmp_path, change):
    path = tmp_path / "shard.json"
    write_part(path, WHOLE)
    text = CHANGES[change](path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(UsageError) as found:
        read_part(path)
    assert str(found.value) == (
        f"'{path}' cannot be read (it is not what a shard wrote): "
        "run that shard again, with --audit-shard"
    )


def test_a_part_of_another_version_is_refused_though_its_sum_is_right(tmp_path):
    write_part(tmp_path / "shard.json", replace(WHOLE, ended={}))
    content = json.loads((tmp_path / "shard.json").read_text())
    del content["inputs"]["call"]["scenario"], content["sha256"]
    from shortcut_audit.harness.course.part import _checksum

    (tmp_path / "shard.json").write_text(json.dumps(content | {"sha256": _checksum(content)}))
    with pytest.raises(UsageError, match="is not what a shard wrote"):
        read_part(tmp_path / "shard.json")


# ---- whether it is whole ----


@pytest.fixture
def ledger(tmp_path):
    """Of a shard that is to run an audit of a model, and a test that is none."""
    made = ShardLedger(Shard(1, 2), tmp_path, Observed())
    made.chosen = Chosen({"audit": 0, "other": 1}, ("audit",), 4, "d")
    return made


def run_through(ledger, nodeid, call="passed", teardown="passed"):
    for phase, outcome in (("setup", "passed"), ("call", call), ("teardown", teardown)):
        ledger.follow(nodeid, phase, Ended(outcome, 1.0, f"{phase} said"))


def test_a_shard_is_whole_where_each_of_its_tests_ended_and_each_audit_found_something(ledger):
    assert "2 of its tests did not run to their end, such as audit" in ledger.unfinished()
    run_through(ledger, "other")
    run_through(ledger, "audit")
    assert "1 of its tests" in ledger.unfinished()  # as with --setup-only
    ledger._findings["audit"] = []
    assert ledger.unfinished() == ""


def test_a_test_that_is_run_again_counts_once_and_as_it_ended_last(ledger):
    run_through(ledger, "other", call="failed")
    assert ledger._begun["other"] == Ended("failed", 3.0, "call said", "")
    ledger.follow("other", "setup", Ended("passed", 1.0, ""))
    assert "2 of its tests" in ledger.unfinished()
    run_through(ledger, "other")
    assert ledger._begun["other"].outcome == "passed"


@pytest.mark.parametrize(
    ("call", "teardown", "outcome"),
    [
        ("skipped", "passed", "skipped"),
        ("skipped", "error", "error"),
        ("failed", "error", "failed"),
        ("passed", "error", "error"),
    ],
)
def test_the_worst_phase_is_what_a_test_came_to(ledger, call, teardown, outcome):
    run_through(ledger, "other", call, teardown)
    assert ledger._begun["other"].outcome == outcome


def test_a_test_whose_process_crashed_has_ended(ledger):
    ledger.follow("other", "???", Ended("failed", 0.0, "the worker crashed"))
    assert "1 of its tests" in ledger.unfinished()


def test_a_shard_of_which_no_process_said_its_tests_is_not_whole(tmp_path):
    ledger = ShardLedger(Shard(1, 2), tmp_path, Observed())
    assert ledger.unfinished() == "no process said which tests are its own"


@pytest.mark.parametrize(
    "lacks", [{"ended": {}}, {"observed": {"notes": []}}, {"observed": {**SEEN, "suite": {}}}]
)
def test_a_part_that_lacks_what_a_shard_writes_is_refused(tmp_path, lacks):
    write_part(tmp_path / "shard.json", replace(WHOLE, **lacks))
    with pytest.raises(UsageError, match="it is not what a shard wrote"):
        read_part(tmp_path / "shard.json")
