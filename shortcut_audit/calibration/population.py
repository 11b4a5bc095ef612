"""Scenario -> the models to train, each by its recipe, and the audits to make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shortcut_audit.errors import UsageError
from shortcut_audit.files.checking import checked
from shortcut_audit.scenario import Calibration, Scenario, Training
from shortcut_audit.subjects.decoying.filtering import Filtered
from shortcut_audit.training.plan import Job, plan


@dataclass(frozen=True)
class Trial:
    """One audit of one model as a user would run it: beside clean references of its own recipe,
    with these decoys.
    """

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
    """A model of seed s is trained by recipe s, modulo their number: so every group is spread over
    all recipes.
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

    Laws: a model is never its own reference; references are clean and of the candidate's
        recipe; over as many rounds as there
    are decoys, a clean model meets each decoy in two of them.

    Raises:
        UsageError: too few clean models of a recipe to be references of one another.
    """
    jobs = plan(scenario)
    clean = {
        recipe: [job.name for job in jobs if _is(scenario, job, recipe)]
        for recipe in settings(scenario).recipes
    }
    for recipe, names in clean.items():
        least = settings(scenario).references + 1
        if len(names) < least:
            raise UsageError(
                f"the recipe '{recipe}' has {len(names)} clean models, and a candidate needs {least}: add seeds"
            )
    first = [_trial(scenario, job, i, 0, clean) for i, job in enumerate(jobs)]
    more = [
        _trial(scenario, job, i, later, clean)
        for later in range(1, settings(scenario).rounds)
        for i, job in enumerate(jobs)
        if job.decoy is None
    ]
    return (*first, *more)


def _is(scenario: Scenario, job: Job, recipe: str) -> bool:
    return job.decoy is None and recipe_of(scenario, job) == recipe


def _trial(
    scenario: Scenario, job: Job, index: int, later: int, clean: dict[str, list[str]]
) -> Trial:
    recipe, decoys = recipe_of(scenario, job), list(scenario.decoys)
    at = decoys.index(job.decoy) if job.decoy else (index + later) % len(decoys)
    pair = dict.fromkeys((decoys[at], decoys[(at + len(decoys) // 2) % len(decoys)]))
    supporting = [
        audit
        for audit, every in settings(scenario).supporting.items()
        if later == 0 and index % every == 0
    ]
    return Trial(
        job,
        recipe,
        _beside(scenario, job, index, clean[recipe]),
        tuple(pair),
        later,
        tuple(supporting),
    )


def _beside(scenario: Scenario, job: Job, index: int, names: Sequence[str]) -> tuple[str, ...]:
    """The clean models that follow the candidate in its recipe's ring; a decoy model starts
    anywhere.
    """
    start = names.index(job.name) + 1 if job.name in names else index
    ring = [names[(start + step) % len(names)] for step in range(len(names))]
    return tuple(name for name in ring if name != job.name)[: settings(scenario).references]


def is_image_wide(scenario: Scenario, decoy: str) -> bool:
    """Whether the decoy changes the whole picture, and not a place on it."""
    return isinstance(scenario.build_decoy(decoy), Filtered)
