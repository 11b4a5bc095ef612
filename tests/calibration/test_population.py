"""Which models, which audits: laws of the plan."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.calibration.population import recipe_of, settings, trained_by, trials
from shortcut_audit.errors import UsageError
from shortcut_audit.scenario import Scenario, load_scenario

DECOYS = ("stop_sign", "blur", "ruler", "vignette", "band_aid")
SHIPPED = Path(__file__).parents[2] / "fixtures/calibration.yaml"


def population(seeds=10, decoys=3, references=2, recipes=2, **more):
    names = DECOYS[:decoys]
    groups = [
        {"seeds": list(range(seeds))},
        *({"decoy": name, "coverage": [0.5, 1.0], "seeds": [0, 1]} for name in names),
    ]
    changes = {f"recipe{i}": {"learning_rate": 0.001 * (i + 1)} for i in range(recipes)}
    return Scenario(
        dataset={"kind": "demo"},
        decoys={name: {"target": "cat"} for name in names},
        calibration={"recipes": changes, "references": references, "fresh": {"seed": 1}, **more},
        training={"models": groups},
    )


@given(st.integers(1, 3), st.integers(2, 4), st.integers(0, 9), st.integers(1, 5))
def test_references_are_clean_models_of_the_same_recipe_and_never_the_candidate(
    recipes, references, spare, decoys
):
    scenario = population(recipes * (references + 1) + spare, decoys, references, recipes, rounds=3)
    jobs = {each.job.name: each.job for each in trials(scenario)}
    for trial in trials(scenario):
        assert trial.job.name not in trial.references
        assert len(set(trial.references)) == references
        assert all(jobs[name].decoy is None for name in trial.references)
        assert {recipe_of(scenario, jobs[name]) for name in trial.references} == {trial.recipe}


@given(st.integers(2, 5))
def test_over_as_many_rounds_as_decoys_a_clean_model_meets_each_decoy_twice(decoys):
    met = Counter(
        (trial.job.name, decoy)
        for trial in trials(population(decoys=decoys, rounds=decoys))
        for decoy in trial.decoys
        if trial.job.decoy is None
    )
    assert set(met.values()) == {2}
    assert len(met) == 10 * decoys


def test_a_decoy_model_is_audited_once_and_with_its_own_decoy_first():
    planned = [trial for trial in trials(population(rounds=3)) if trial.job.decoy]
    assert len(planned) == len({trial.job.name for trial in planned}) == 12
    assert all(trial.decoys[0] == trial.job.decoy for trial in planned)


def test_the_first_round_of_all_models_comes_first_and_supporting_audits_belong_to_it():
    planned = trials(population(rounds=3, supporting={"decoy_removal": 1, "mask_localisation": 4}))
    assert [trial.round for trial in planned] == sorted(trial.round for trial in planned)
    first = [trial for trial in planned if trial.round == 0]
    assert all("decoy_removal" in trial.supporting for trial in first)
    assert sum("mask_localisation" in trial.supporting for trial in first) == -(-len(first) // 4)
    assert not any(trial.supporting for trial in planned[len(first) :])


def test_a_recipe_changes_only_what_it_names():
    scenario = population()
    first, second = (trained_by(scenario, recipe).training for recipe in settings(scenario).recipes)
    assert (first.learning_rate, second.learning_rate) == (0.001, 0.002)
    assert first.model_copy(update={"learning_rate": 0.002}) == second


def test_a_recipe_that_is_none_is_refused():
    scenario = population(recipes=1)
    odd = scenario.model_copy(
        update={
            "calibration": settings(scenario).model_copy(update={"recipes": {"odd": {"epoch": 3}}})
        }
    )
    with pytest.raises(
        UsageError, match=r"recipe 'odd' has an unknown key 'epoch'; did you mean 'epochs'"
    ):
        trained_by(odd, "odd")


def test_tuning_on_a_decoy_that_is_not_there_is_refused():
    with pytest.raises(
        ValueError, match="calibration tunes on the decoy 'rulr'; did you mean 'ruler'"
    ):
        population(tuning=["rulr"])


def test_too_few_clean_models_are_refused():
    with pytest.raises(
        UsageError, match="'recipe1' has 2 clean models, and a candidate needs 3: add seeds"
    ):
        trials(population(seeds=5))


def test_a_scenario_without_the_part_is_refused():
    with pytest.raises(UsageError, match="no part 'calibration'"):
        trials(Scenario(dataset={"kind": "demo"}, decoys={"blur": {"target": "cat"}}))


def test_the_shipped_population_is_as_large_as_it_says():
    scenario = load_scenario(SHIPPED)
    first = [trial for trial in trials(scenario) if trial.round == 0]
    clean = [trial for trial in first if trial.job.decoy is None]
    decoys = [
        trial
        for trial in first
        if trial.job.decoy and trial.job.worn_by == "target" and trial.job.coverage >= 0.1
    ]
    assert len(clean) >= 60
    assert len(decoys) >= 60
    assert len({trial.recipe for trial in clean}) == len(settings(scenario).recipes) == 4
    assert {trial.job.decoy for trial in decoys} == set(scenario.decoys)
    assert set(settings(scenario).tuning) < set(scenario.decoys)
