"""An audit that makes several checks of a case: they share one part of alpha, as several decoys do."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from judging_of import p_of

from shortcut_audit import at_most
from shortcut_audit.harness.judge import Harness
from shortcut_audit.harness.measurements import Check
from shortcut_audit.harness.questions import NAMED, Question, family
from shortcut_audit.records import Candidate, Case, Verdict
from shortcut_audit.scenario import Scenario

N, LIMIT = 100, 0.1
REFERENCES = tuple(f"r{i}" for i in range(24))


def checks(audit: Any, subject: Any) -> None:
    """So many checks of a model as it has counts of pictures that turn."""
    for count in subject:
        audit.check(np.arange(N) < count, np.zeros(N, bool), at_most(LIMIT))


def of_a_decoy(audit: Any, decoy: Any) -> None:
    for count in decoy:
        audit.check(np.arange(N) < count, np.zeros(N, bool), at_most(LIMIT), references=False)
    if not decoy:
        audit.does_not_apply("there is nothing to see of it")


def harness(models: dict[str, tuple[int, ...]], decoys: dict[str, tuple[int, ...]]) -> Harness:
    """A run in which each model, or each decoy, has these counts; some of the models are references."""
    scenario = Scenario(
        dataset={"kind": "demo"},
        decoys={name: {"target": "cat"} for name in decoys},
        blocking=("mine", "other"),
    )
    known = {name: Candidate(name, Path(name), reference=name in REFERENCES) for name in models}
    evidence = SimpleNamespace(
        scenario=scenario,
        candidates=known,
        subject=lambda model: models[model],
        named_decoy=lambda _model, decoy, _target: decoys[decoy],
        target=lambda _decoy, _models: "cat",
        sha256=lambda model: model,
        material=SimpleNamespace(
            groups=frozenset(),
            second_control=lambda _: None,
            worded=lambda *_: "the decoy",
            tried=lambda *_: "",
        ),
    )
    made = Harness(evidence)  # type: ignore[arg-type]
    made.abilities = made.measurements.abilities = SimpleNamespace(  # type: ignore[assignment]
        competence=lambda _: SimpleNamespace(p=0.0)
    )
    return made


def adjusted(made: Harness, function: Any, case: Case) -> list[float]:
    """The adjusted p of each check."""
    asked = family(function, "mine", case, made.evidence)
    found = []
    for at in range(len(made.measurements.audit(function, {}, case).measurements)):
        check = Check(function, {}, "mine", at)
        found.append(made._answer(check, Question(case, NAMED), asked).judgement.p_adjusted)
    return found


def raw(counts: tuple[int, ...], tests: float, references: tuple[float, ...] = ()) -> list[float]:
    zeros = np.zeros(N, bool)
    return [
        p_of(np.arange(N) < count, zeros, at_most(LIMIT), tests, references=references)
        for count in counts
    ]


def by_hand(ps: list[float]) -> list[float]:
    """Holm's definition: the i-th smallest of m times m - i, never below a smaller one, at most 1."""
    found, largest = [0.0] * len(ps), 0.0
    for i, at in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        largest = max(largest, min(1.0, ps[at] * (len(ps) - i)))
        found[at] = largest
    return found


AUDITS = 2  # that block, and share alpha
CLEAN = dict.fromkeys(REFERENCES, (0, 0, 0, 0))


@pytest.mark.parametrize("counts", [(20,), (20, 15), (15, 20, 22), (12, 30, 19, 15)])
def test_the_checks_of_a_model_share_alpha_by_holm(counts: tuple[int, ...]) -> None:
    made = harness({"m": counts}, {})
    ps = raw(counts, AUDITS * len(counts))
    expected = [min(1.0, AUDITS * p) for p in by_hand(ps)]
    assert adjusted(made, checks, Case(("m",))) == pytest.approx(expected)
    assert min(ps) < 0.05


def test_one_check_alone_shares_alpha_with_the_other_blocking_audit() -> None:
    made = harness({"m": (20,), **CLEAN}, {})
    (p,) = raw((20,), AUDITS, (0.0,) * 24)
    assert adjusted(made, checks, Case(("m",))) == pytest.approx([AUDITS * p])


def test_more_checks_never_make_a_violation() -> None:
    """25 of 100 beyond clean models of 5, 8 and 2: p is 0.028, and 0.26 among nine."""
    case, said = Case(("m",)), []
    for more in ((), (4,) * 8):
        models = {"m": (25, *more), "r0": (5, *more), "r1": (8, *more), "r2": (2, *more)}
        made = harness(models, {})
        asked = family(checks, "mine", case, made.evidence)
        said.append(
            made._answer(Check(checks, {}, "mine", 0), Question(case, NAMED), asked).judgement
        )
    assert [each.verdict for each in said] == [Verdict.VIOLATED, Verdict.UNDECIDED]
    assert said[1].p_adjusted == pytest.approx(0.26, abs=0.02)


def test_references_are_compared_check_by_check() -> None:
    models = {"m": (30, 30), "r0": (0, 28), "r1": (1, 31), "r2": (0, 30)}
    first, second = adjusted(harness(models, {}), checks, Case(("m",)))
    assert first < 0.05 < second


def test_siblings_know_how_many_tests_share_alpha() -> None:
    """Ranks among 24 references leave room for one test, 1 / 25, and not for four."""
    made = harness({"m": (30, 25), **{name: (i % 5, 20) for i, name in enumerate(REFERENCES)}}, {})
    spread = tuple((i % 5) / N for i in range(24))
    tests = 2 * AUDITS
    ps = [raw((30,), tests, spread)[0], raw((25,), tests, (0.2,) * 24)[0]]
    expected = [min(1.0, AUDITS * p) for p in by_hand(ps)]
    assert adjusted(made, checks, Case(("m",))) == pytest.approx(expected)
    assert raw((30,), 1, spread)[0] == 1 / 25 != ps[0]


@pytest.mark.parametrize("audits", [1, 2])
def test_the_same_check_of_several_decoys_shares_the_audits_part(audits: int) -> None:
    """The first checks of two decoys are two tests, and so are the second; the audit does not apply
    to a third decoy.
    """
    counts = {"sign": (22, 19), "tag": (18, 16, 21), "none": ()}
    made = harness({"m": ()}, counts)
    if audits == 1:
        made.evidence.scenario = made.scenario = made.scenario.model_copy(
            update={"blocking": ("mine",)}
        )
    found = [adjusted(made, of_a_decoy, Case(("m",), decoy, "cat")) for decoy in ("sign", "tag")]
    for at in range(2):
        together = (counts["sign"][at], counts["tag"][at])
        expected = [min(1.0, audits * p) for p in by_hand(raw(together, audits * 2))]
        assert [each[at] for each in found] == pytest.approx(expected)
    assert found[1][2] == pytest.approx(min(1.0, audits * raw((21,), audits)[0]))


def test_it_is_a_shipped_audit_that_makes_several() -> None:
    shipped = (Path(__file__).parents[2] / "audits/test_unknown_shortcuts.py").read_text()
    assert re.search(r"for found in unnamed:\n(.*\n)+ +audit\.check\(", shipped)
