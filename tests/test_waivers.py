"""Who waived what, why and until when; and what no waiver turns green."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from finding_of import finding_of
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.errors import UsageError
from shortcut_audit.gate.comparisons import Asked
from shortcut_audit.gate.examination import gate
from shortcut_audit.harness.plan import refuse_stale_waivers
from shortcut_audit.promotion import contradiction, decide, open_findings, stops
from shortcut_audit.records import ABOVE_CHANCE, Candidate, Decision, Finding, Verdict
from shortcut_audit.reporting.assembly import assemble
from shortcut_audit.reporting.record import as_row
from shortcut_audit.scenario import Scenario, load_scenario
from shortcut_audit.waivers import Waiver, expired, unmatched, waived

SHA = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("F0", "F50", "F100")}
DAY = date(2027, 1, 31)
SCENARIO = """
dataset: {kind: demo}
decoys: {sign: {kind: stop_sign, target: cat}, tag: {kind: copyright_tag, target: fish}}
blocking: [decoy_insertion, influence_precision]
waivers:
  - audit: decoy_insertion
    model: F100
    decoy: sign
    reason: the sign is part of this class
    author: Jane Doe
    expires: 2027-01-31
"""


def waiver(audit: str = "decoy_insertion", model: str | None = "F100", **more) -> Waiver:
    who = {
        "reason": "the sign is part of this class",
        "author": "Jane Doe",
        "expires": "2027-01-31",
    }
    about = {} if model is None else {"model": model}
    return Waiver(audit=audit, **about, **{**who, **more})


def finding(
    audit: str = "decoy_insertion",
    subjects: tuple[str, ...] = ("F100",),
    decoy: str | None = "sign",
    verdict: Verdict = Verdict.VIOLATED,
    **more,
) -> Finding:
    digests = tuple(SHA[name] for name in subjects)
    claim = f"{audit} of {'+'.join(subjects)}"
    return finding_of(
        audit, subjects, decoy, verdict, more.pop("blocking", True), claim, sha256=digests, **more
    )


def is_waived(found: Finding, *waivers: Waiver) -> bool:
    (after,) = waived([found], waivers)
    return bool(after.waived)


def scenario(*waivers: Waiver, **more) -> Scenario:
    return Scenario(
        dataset={"kind": "demo"},
        decoys={"sign": {"target": "cat"}},
        blocking=("decoy_insertion",),
        waivers=waivers,
        **more,
    )


# ---- what a waiver covers ----


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (waiver(), True),
        (waiver(decoy="sign"), True),
        (waiver(decoy="tag"), False),
        (waiver(model="F50"), False),
        (waiver("decoy_only"), False),
        (waiver("decoy_insertion@elsewhere"), False),
        (waiver(model=SHA["F100"]), True),
        (waiver(model=SHA["F100"][:12].upper()), True),
        (waiver(model=SHA["F50"]), False),
        (waiver(model=None, models=("F0", "F100")), False),
    ],
    ids=lambda value: value if isinstance(value, bool) else value.named,
)
def test_a_waiver_covers_what_it_names_and_nothing_else(asked, expected):
    assert is_waived(finding(), asked) is expected


def test_a_waiver_of_an_audit_covers_its_parts_and_not_the_other_way_round():
    assert is_waived(finding("decoy_insertion@elsewhere"), waiver())
    assert is_waived(finding("decoy_insertion@elsewhere"), waiver("decoy_insertion@elsewhere"))
    assert not is_waived(finding("decoy_insertion@stronger"), waiver("decoy_insertion@elsewhere"))


def test_a_pair_is_waived_in_whatever_order_and_never_by_one_of_its_models():
    pair = finding("mask_agreement", ("F0", "F100"), blocking=False)
    for models in (("F0", "F100"), ("F100", "F0"), (SHA["F100"][:12], "F0")):
        assert is_waived(pair, waiver("mask_agreement", None, models=models))
    assert not is_waived(pair, waiver("mask_agreement", None, models=("F0", "F50")))
    assert not is_waived(pair, waiver("mask_agreement"))


def test_a_digest_is_no_name_so_that_a_name_cannot_pass_for_one():
    digest = SHA["F100"][:12]
    renamed = replace(finding(), subjects=(digest,), sha256=(SHA["F50"],))
    assert not is_waived(renamed, waiver(model=digest))
    assert is_waived(replace(finding(), subjects=("renamed",)), waiver(model=digest))


def test_the_sentence_says_who_until_when_and_why_and_whether_a_name_was_waived():
    (found,) = waived([finding()], [waiver()])
    assert found.waived == (
        "by Jane Doe until 2027-01-31, for any checkpoint called F100: "
        "the sign is part of this class"
    )
    assert found.waived_until == "2027-01-31"
    (found,) = waived([finding()], [waiver(model=SHA["F100"])])
    assert found.waived == "by Jane Doe until 2027-01-31: the sign is part of this class"
    later = waiver(expires="2028-01-31", author="John Roe")
    (found,) = waived([finding()], [waiver(), later, waiver()])
    assert found.waived.startswith("by John Roe until 2028-01-31")


@given(
    st.sampled_from(list(Verdict)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "by somebody"]),
)
def test_only_what_was_measured_and_counts_and_does_not_hold_is_waived(
    verdict, blocking, applies, error, said
):
    found = replace(finding(verdict=verdict, blocking=blocking), applies=applies, error=error)
    (after,) = waived([found], [waiver()])
    assert bool(after.waived) is (verdict is not Verdict.HOLDS and applies and not error)
    assert replace(after, waived="", waived_until="") == found, "nothing else changes"
    broken = replace(found, error=True, waived=said)
    assert stops(broken) is (blocking and verdict is not Verdict.HOLDS), "whatever is written there"


# ---- what a scenario may say ----


def written(tmp_path: Path, old: str = "", new: str = "") -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO.replace(old, new) if old else SCENARIO)
    return path


def test_a_waiver_is_read_from_the_scenario(tmp_path):
    (read,) = load_scenario(written(tmp_path)).waivers
    assert read == waiver(decoy="sign")
    assert read.expires == DAY


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    author: Jane Doe\n", "", "lacks the key 'waivers.0.author'"),
        ("    expires: 2027-01-31\n", "", "lacks the key 'waivers.0.expires'"),
        (
            "expires: 2027-01-31",
            "expires: next year",
            "'next year' is no day: write it as 2027-01-31",
        ),
        ("expires: 2027-01-31", "expires: 2027-02-30", "'waivers.0.expires': '2027-02-30'"),
        ("expires: 2027-01-31", "expires: 1800000000", "1800000000 is no day"),
        ("the sign is part of this class", "agreed", "at least 10 characters"),
        ("model: F100", "models: [F100]", "'waivers.0.models.1'"),
        ("model: F100", "models: [F100, F100]", "a pair is two models"),
        ("model: F100", "model: F100\n    models: [F0, F100]", "a waiver names one model"),
        ("    model: F100\n", "", "a waiver names one model ('model: F0') or a pair"),
        ("decoy: sign", "decoy: sing", "is of a decoy that there is not; did you mean 'sign'?"),
        (
            "audit: decoy_insertion",
            "audit: decoy_insert",
            "does not block; did you mean 'decoy_insertion'?",
        ),
        (
            "audit: decoy_insertion",
            "audit: decoy_only",
            "waives nothing: decoy_only does not block",
        ),
    ],
)
def test_what_is_wrong_with_a_waiver_is_one_sentence(tmp_path, old, new, words):
    with pytest.raises(UsageError) as error:
        load_scenario(written(tmp_path, old, new))
    assert words in str(error.value)
    assert str(tmp_path / "scenario.yaml") in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "audit", ["influence_precision@50", "decoy_insertion@stronger", ABOVE_CHANCE]
)
def test_whatever_can_block_can_be_waived(tmp_path, audit):
    path = written(tmp_path, "audit: decoy_insertion", f"audit: '{audit}'")
    assert load_scenario(path).waivers[0].audit == audit


# ---- before a run ----


@pytest.fixture
def candidates(tmp_path) -> list[Candidate]:
    found = []
    for name in SHA:
        file = tmp_path / f"{name}.pt"
        file.write_bytes(name.encode())
        found.append(Candidate(name, file, size=32, reference=name == "F0"))
    return found


@pytest.mark.parametrize("model", ["F100", SHA["F100"][:12]])
@pytest.mark.parametrize(("days", "holds"), [(-1, True), (0, True), (1, False)])
def test_a_waiver_holds_until_the_end_of_its_last_day(candidates, model, days, holds):
    now = DAY + timedelta(days)
    if holds:
        refuse_stale_waivers(scenario(waiver(model=model)), candidates, True, now)
        return
    for whole in (True, False):  # a selection of models does not hide it
        with pytest.raises(UsageError, match=r"expired on 2027-01-31 .Jane Doe: the sign is part"):
            refuse_stale_waivers(scenario(waiver(model=model)), candidates, whole, now)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            waiver(model="F10"),
            "is about no model of this run: none is called 'F10'; did you mean 'F100'?",
        ),
        (
            waiver(model="a" * 12),
            "no checkpoint's SHA-256 begins with aaaaaaaaaaaa; if it was trained again",
        ),
        (waiver("mask_agreement", None, models=("F0", "F10")), "none is called 'F10'"),
        (waiver("mask_agreement", None, models=("F50", "F100")), "are not compared here"),
        (waiver("mask_agreement", None, models=(SHA["F50"], "F100")), "are not compared here"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.named[:40],
)
def test_a_waiver_of_no_model_of_the_run_is_refused_unless_models_were_selected(
    candidates, asked, words
):
    with pytest.raises(UsageError) as error:
        refuse_stale_waivers(scenario(asked), candidates, True, DAY)
    assert words in str(error.value)
    refuse_stale_waivers(scenario(asked), candidates[:1], False, DAY)


def test_models_and_pairs_that_are_there_are_not_refused(candidates):
    pairs = [("F0", "F100"), ("F100", "F0"), (SHA["F50"], "F0")]
    asked = [waiver("mask_agreement", None, models=models) for models in pairs]
    refuse_stale_waivers(
        scenario(waiver(), waiver(model=SHA["F50"]), *asked), candidates, True, DAY
    )


# ---- after it ----

HELD = finding(verdict=Verdict.HOLDS)


@pytest.mark.parametrize(
    ("asked", "findings", "words"),
    [
        (waiver(), [HELD], "decoy_insertion of F100 (Jane Doe) is not needed, for that holds"),
        (waiver(), [finding(verdict=Verdict.UNDECIDED)], None),
        (waiver(), [HELD, finding("decoy_insertion@stronger")], None),
        (
            waiver("decoy_insertion@elsewere"),
            [HELD],
            "covers no finding; did you mean 'decoy_insertion'?",
        ),
        (waiver(model="F50"), [HELD], None),
        (waiver(), [replace(HELD, decoy=None)], "is not needed"),
        (waiver(), [], None),
        (waiver("rashomon_membership"), [HELD], "covers no finding"),
    ],
)
def test_a_waiver_that_waives_nothing_is_said(asked, findings, words):
    said = list(unmatched([asked], findings, ["sign"]))
    assert bool(said) is bool(words)
    assert not words or words in said[0]


def test_a_decoy_that_was_not_asked_about_may_need_its_waiver():
    assert not list(unmatched([waiver()], [HELD], ["sign", "tag"]))
    assert list(unmatched([waiver(decoy="sign")], [HELD], ["sign", "tag"]))
    assert list(unmatched([waiver()], [HELD, replace(HELD, decoy="tag")], ["sign", "tag"]))


@pytest.mark.parametrize(
    ("audit", "words"),
    [
        ("mask_agreement", "is not needed"),
        ("mask_agrement", "did you mean"),
        ("rank_correlation", None),
    ],
)
def test_of_a_pair_only_what_was_run_is_said(audit, words):
    pair = finding("mask_agreement", ("F0", "F100"), verdict=Verdict.HOLDS, blocking=False)
    asked = waiver(audit, None, models=("F0", "F100"))
    said = list(unmatched([asked], [pair], ["sign"]))
    assert bool(said) is bool(words)
    assert not words or words in said[0]
    for name in ("F0", "F100"):
        own = finding(subjects=(name,), verdict=Verdict.HOLDS)
        decided = decide(name, [own], scenario(asked))[0]
        assert decided is Decision.PROMOTE, "a pair decides of no model, nor does its waiver"


def test_a_waiver_that_is_not_needed_leaves_its_own_model_undecided_and_no_other():
    asked = scenario(waiver())
    assert decide("F100", [HELD], asked)[0] is Decision.UNDECIDED
    other = finding(subjects=("F50",), verdict=Verdict.HOLDS)
    assert decide("F50", [other], asked)[0] is Decision.PROMOTE
    (found,) = waived([finding()], asked.waivers)
    assert decide("F100", [found], asked)[0] is Decision.WAIVED
    assert decide("F100", [finding()], asked)[0] is Decision.REJECT, "nobody waived this finding"


def test_a_pair_that_blocks_and_is_waived_does_not_fail_the_run(candidates):
    pair = finding("mask_agreement", ("F0", "F100"))
    own = [finding(subjects=(name,), verdict=Verdict.HOLDS) for name in SHA]
    asked = scenario(waiver("mask_agreement", None, models=("F0", "F100")))
    assert assemble([*own, pair], candidates, asked, "s.yaml", {}).exit_code == 1
    found = assemble([*own, *waived([pair], asked.waivers)], candidates, asked, "s.yaml", {})
    assert found.exit_code == 0
    assert not open_findings(found.pairs)


# ---- at the gate ----


def verdict_file(folder: Path, decision: str, *findings: Finding) -> Path:
    file = folder / "F100.pt"
    file.write_bytes(b"F100")
    row = {
        "verdict": decision,
        "sentence": "F100 turns cats",
        "sha256": SHA["F100"],
        "file": str(file),
        "findings": [as_row(each) for each in findings],
    }
    path = folder / "verdict.json"
    document = {"schema": 1, "finished": True, "exit_code": 0, "models": {"F100": row}}
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(("days", "passes"), [(-1, True), (0, True), (1, False)])
def test_the_gate_refuses_a_verdict_whose_waiver_has_expired_since(tmp_path, days, passes):
    path = verdict_file(tmp_path, "waived", *waived([finding()], [waiver()]))
    answer = gate(path, Asked("F100"), DAY + timedelta(days))
    assert answer.passes is passes
    if not passes:
        assert answer.lines == (
            "refused: the waiver of decoy_insertion of F100 with sign has expired (it was waived by "
            "Jane Doe until 2027-01-31, for any checkpoint called F100: the sign is part of this "
            "class)",
        )


@pytest.mark.parametrize("until", ["", "for ever", "2027-1-1", None, 20270131])
def test_the_gate_refuses_a_waiver_that_does_not_say_until_when(tmp_path, until):
    (found,) = waived([finding()], [waiver()])
    path = verdict_file(tmp_path, "waived", replace(found, waived_until=until))
    answer = gate(path, Asked("F100"), DAY)
    assert not answer.passes
    assert "does not say until when it holds" in answer.lines[0]


def test_a_waiver_on_which_nothing_hangs_may_expire():
    (noted,) = waived([finding(blocking=False)], [waiver()])
    assert not contradiction("promote", [HELD, noted])
    assert list(expired([noted], DAY + timedelta(1))), (
        "only the gate knows that nothing hangs on it"
    )


@pytest.mark.parametrize(
    ("decision", "findings", "why"),
    [
        (
            "promote",
            waived([finding()], [waiver()]),
            "it says promote, and decoy_insertion was waived",
        ),
        ("waived", [HELD], "it says waived, and nothing was waived"),
        ("promote", [finding()], "it says promote, and decoy_insertion says VIOLATED"),
        (
            "waived",
            [replace(finding(), waived="by me", error=True)],
            "and decoy_insertion says VIOLATED",
        ),
        (
            "promote",
            [finding(verdict=Verdict.HOLDS, blocking=False)],
            "no audit that blocks was run",
        ),
        ("reject", [HELD], "it says reject, and no audit that blocks says VIOLATED"),
        ("reject", waived([finding()], [waiver()]), "no audit that blocks says VIOLATED"),
        ("undecided", [HELD], ""),
        ("reject", [finding()], ""),
        ("promote", [HELD], ""),
    ],
)
def test_a_verdict_that_its_findings_contradict_is_refused(tmp_path, decision, findings, why):
    answer = gate(verdict_file(tmp_path, decision, *findings), Asked("F100"), DAY)
    assert answer.lines[0].startswith("refused: the verdict file contradicts itself") is bool(why)
    assert why in answer.lines[0]
    assert answer.passes is (decision == "promote" and not why)


ONE_DECOY = """
dataset: {kind: demo}
decoys: {sign: {kind: stop_sign, target: cat}}
blocking: [decoy_insertion]
"""
FORGED = {
    "the finding is taken out": ("promote", []),
    "it no longer blocks": ("promote", [HELD, finding(blocking=False)]),
    "it is waived by nobody": (
        "waived",
        [replace(finding(), waived="by X", waived_until="2099-01-01")],
    ),
    "it is of another decoy": ("promote", [replace(HELD, decoy="tag")]),
}


@pytest.mark.parametrize("forged", FORGED)
def test_with_the_scenario_the_gate_decides_again_from_what_was_measured(tmp_path, forged):
    asked = tmp_path / "scenario.yaml"
    asked.write_text(ONE_DECOY)
    decision, findings = FORGED[forged]
    verdict = verdict_file(tmp_path, decision, *findings)
    document = json.loads(verdict.read_text())
    document["scenario"] = {"path": "s", "digest": hashlib.sha256(ONE_DECOY.encode()).hexdigest()}
    verdict.write_text(json.dumps(document))
    answer = gate(verdict, Asked("F100", scenario=asked), DAY)
    assert not answer.passes
    assert any("refused: by " in line or "contradicts itself" in line for line in answer.lines)


def test_with_the_scenario_a_verdict_that_is_true_passes(tmp_path):
    asked = tmp_path / "scenario.yaml"
    asked.write_text(SCENARIO)
    more = [replace(HELD, decoy="tag"), replace(HELD, audit="influence_precision@50")]
    own = [*waived([finding()], [waiver()]), *more, replace(more[1], decoy="tag")]
    verdict = verdict_file(tmp_path, "waived", *own)
    document = json.loads(verdict.read_text())
    document["scenario"] = {"path": "s", "digest": hashlib.sha256(SCENARIO.encode()).hexdigest()}
    verdict.write_text(json.dumps(document))
    answer = gate(verdict, Asked("F100", scenario=asked), DAY)
    assert answer.passes, answer.lines


@pytest.mark.parametrize("key", ["author", "reason"])
def test_blanks_are_nobody_and_no_reason(key):
    with pytest.raises(ValueError, match="at least"):
        waiver(**{key: " " * 20})
