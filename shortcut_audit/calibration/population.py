"""Scenario -> the models to train, each by its recipe, and the audits to make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shortcut_audit.errors import UsageError
from shortcut_audit.files.checking import checked
from shortcut_audit.scenario import Scenario
from shortcut_audit.settings import Calibration, Training
from shortcut_audit.subjects.decoying.filtering import Filtered
from shortcut_audit.training.plan import Job, plan


@dataclass(frozen=True)
class Trial:
    """One audit of one model as a user would run it: with clean references of its own recipe."""

    job: Job
    recipe: str
    references: tuple[str, ...]  # names of models; never the candidate's own
    # two where the scenario has two; the first is the candidate's own, where it has one
    decoys: tuple[str, ...]
    round: int = 0  # a clean model may have several, each with other decoys
    supporting: tuple[str, ...] = ()  # audits beside those that block


def settings(scenario: Scenario) -> Calibration:
    """The scenario's part about calibration.

    Raises:
        UsageError: it has none.
    """
    if scenario.calibration is None:
        raise UsageError(
            "the scenario has no part 'calibration': add one, as in fixtures/calibration.yaml"
        )
    return scenario.calibration


def recipe_of(scenario: Scenario, job: Job) -> str:
    """The recipe of a model: that with the number of its seed, modulo how many recipes there are.

    So every group of models is spread over all recipes.
    """
    recipes = tuple(settings(scenario).recipes)
    return recipes[job.seed % len(recipes)]


def trained_by(scenario: Scenario, recipe: str) -> Scenario:
    """The same scenario with the recipe's changes in its training.

    Raises:
        UsageError: the recipe changes what is no setting of training, or to a value out of range.
    """
    changed = {**scenario.training.model_dump(), **settings(scenario).recipes[recipe]}
    training = checked(Training, changed, f"the training of recipe '{recipe}'")
    return scenario.model_copy(update={"training": training})


def trials(scenario: Scenario) -> tuple[Trial, ...]:
    """Every audit of the calibration, the first round of all models first.

    Laws: a model is never its own reference; references are clean and of the candidate's recipe;
    over as many rounds as there are decoys, a clean model meets each decoy in two of them.

    Raises:
        UsageError: too few clean models of a recipe to be references of one another.
    """
    jobs = plan(scenario)
    clean = _clean_models(scenario, jobs)
    planned = [_trial(scenario, job, index, 0, clean) for index, job in enumerate(jobs)]
    for later in range(1, settings(scenario).rounds):
        for index, job in enumerate(jobs):
            if job.decoy is None:
                planned.append(_trial(scenario, job, index, later, clean))
    return tuple(planned)


def _clean_models(scenario: Scenario, jobs: Sequence[Job]) -> dict[str, list[str]]:
    """Recipe -> the names of its clean models, in the order of the jobs."""
    clean: dict[str, list[str]] = {recipe: [] for recipe in settings(scenario).recipes}
    for job in jobs:
        if job.decoy is None:
            clean[recipe_of(scenario, job)].append(job.name)
    least = settings(scenario).references + 1
    for recipe, names in clean.items():
        if len(names) < least:
            raise UsageError(
                f"the recipe '{recipe}' has {len(names)} clean models, "
                f"and a candidate needs {least}: add seeds"
            )
    return clean


def _trial(
    scenario: Scenario, job: Job, index: int, later: int, clean: dict[str, list[str]]
) -> Trial:
    """The audit of the model at this index of the plan, in the round `later`."""
    recipe = recipe_of(scenario, job)
    references = _references(scenario, job, index, clean[recipe])
    decoys = _pair_of_decoys(scenario, job, index + later)
    supporting = _supporting(scenario, index) if later == 0 else ()
    return Trial(job, recipe, references, decoys, later, supporting)


def _pair_of_decoys(scenario: Scenario, job: Job, start: int) -> tuple[str, ...]:
    """The model's own decoy, or that at `start` for a clean model, and the one opposite to it.

    All decoys stand in a ring; one that is alone is its own opposite and counts once.
    """
    decoys = list(scenario.decoys)
    first = decoys.index(job.decoy) if job.decoy else start % len(decoys)
    opposite = (first + len(decoys) // 2) % len(decoys)
    return tuple(dict.fromkeys((decoys[first], decoys[opposite])))


def _supporting(scenario: Scenario, index: int) -> tuple[str, ...]:
    """The supporting audits that are run on the model at this index of the plan."""
    known = settings(scenario).supporting.items()
    return tuple(audit for audit, every in known if index % every == 0)


def _references(scenario: Scenario, job: Job, index: int, names: Sequence[str]) -> tuple[str, ...]:
    """The clean models that follow the candidate, when its recipe's models stand in a ring.

    A decoy model, which does not stand there, starts at its index in the plan.
    """
    start = (names.index(job.name) + 1 if job.name in names else index) % len(names)
    ring = [*names[start:], *names[:start]]
    if job.name in ring:
        ring.remove(job.name)
    return tuple(ring[: settings(scenario).references])


def is_image_wide(scenario: Scenario, decoy: str) -> bool:
    """Whether the decoy changes the whole picture, and not a place on it."""
    return isinstance(scenario.build_decoy(decoy), Filtered)
