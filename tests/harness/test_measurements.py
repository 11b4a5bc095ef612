"""What an effect is compared with: which models are asked, which of them count, and what stands in
where they are too few.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from shortcut_audit import at_most
from shortcut_audit.errors import ModelError
from shortcut_audit.harness.measurements import Check, Measurements
from shortcut_audit.judging.competence import SURE
from shortcut_audit.records import Candidate, Case

NULL = np.linspace(-0.1, 0.1, 9)


def single(audit, subject):
    audit.check(np.full(4, subject), None, at_most(0.1), null=lambda: NULL)


def lone(audit, subject):
    audit.check(np.full(4, subject), None, at_most(0.1), references=False)


def paired(audit, pair):
    first, second = (float(each.name[1:]) for each in pair)
    audit.check(np.full(4, first - second), None, at_most(0.1))


def measurements(effects, references=(), sizes=None, unable=(), turn=0.0):
    """Models with these effects, None for one that cannot be asked; and in which order they are."""
    asked = []
    candidates = {
        name: Candidate(
            name, Path(name), size=(sizes or {}).get(name, 0), reference=at in references
        )
        for at, name in enumerate(effects)
    }

    def subject(model):
        asked.append(model)
        if effects[model] is None:
            raise ModelError(f"{model} is cut off")
        return effects[model]

    def competence(model):
        return SimpleNamespace(p=SURE if model in unable else SURE / 2)

    evidence = SimpleNamespace(candidates=candidates, subject=subject)
    return Measurements(evidence, SimpleNamespace(competence=competence), turn), asked


def compared(made, models=("m",), function=single):
    return made.compared(Check(function, {}, "mine", 0), Case(models))[1]


def test_the_references_are_what_a_model_is_compared_with_and_itself_is_none_of_them():
    effects = {"m": 0.9, "other": 0.8, "r0": 0.01, "r1": 0.03, "r2": 0.02}
    made, asked = measurements(effects, references=(2, 3, 4))
    found = compared(made)
    assert (found.references, found.rashomon, found.null) == ((0.01, 0.03, 0.02), (), None)
    assert compared(made, ("r1",)).references == (0.01, 0.02)
    assert sorted(asked) == ["m", "r0", "r1", "r2"], "each once, and nobody else"


def test_a_reference_that_is_unsound_or_at_chance_or_broken_does_not_count():
    effects = {"m": 0.9, "a": 0.01, "b": 0.03, "c": 0.02, "bad": 0.9, "weak": 0.04, "cut": None}
    made, _ = measurements(effects, references=range(1, 7), unable=("weak",))
    assert compared(made).references == (0.01, 0.03, 0.02)


def test_without_references_the_others_are_what_a_model_is_compared_with():
    made, _ = measurements({"m": 0.9, "a": 0.8, "b": 0.02})
    found = compared(made)
    assert (found.references, found.rashomon, found.null) == ((), (0.8, 0.02), None)


@pytest.mark.parametrize(
    ("others", "references", "permuted"),
    [(0, 0, True), (1, 0, True), (2, 0, False), (3, 0, False), (1, 1, True), (2, 2, False)],
)
def test_permuted_labels_stand_in_where_others_are_fewer_than_two(others, references, permuted):
    effects = {"m": 0.9, **{f"o{at}": 0.01 * at for at in range(others)}}
    made, _ = measurements(effects, references=range(1, references + 1))
    found = compared(made)
    assert (found.null is NULL) is permuted
    assert max(len(found.references), len(found.rashomon)) == others


def test_an_audit_that_wants_no_references_asks_nobody_else():
    made, asked = measurements({"m": 0.9, "a": 0.8, "b": 0.02}, references=(1, 2))
    found = compared(made, function=lone)
    assert (found.references, found.rashomon, found.null) == ((), (), None)
    assert asked == ["m"]


def test_a_pair_is_compared_with_other_pairs_of_one_size():
    effects = dict.fromkeys(["m5", "r1", "r2", "r4", "r9"])
    made, _ = measurements(effects, references=(1, 2, 3, 4), sizes={"r9": 32})
    assert compared(made, ("m5", "r1"), paired).references == (-1.0, -3.0, -2.0)
    assert compared(made, ("r2", "r1"), paired).references == (-3.0, -2.0)


@pytest.mark.parametrize(
    ("turn", "order"), [(0.0, ["a", "b", "c", "d"]), (0.5, ["c", "d", "a", "b"])]
)
def test_no_figure_depends_on_the_order_in_which_others_are_asked(turn, order):
    made, asked = measurements({"m": 0.9, "a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}, turn=turn)
    assert compared(made).rashomon == (0.1, 0.2, 0.3, 0.4)
    assert asked == ["m", *order]
