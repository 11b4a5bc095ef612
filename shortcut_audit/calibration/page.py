"""Figures -> `calibration.md` for people and `calibration.json` for the check in CI."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from shortcut_audit.calibration.markdown import (
    counts,
    in_per_cent,
    number,
    points,
    ratio,
    table,
    total,
)
from shortcut_audit.calibration.outcomes import Row
from shortcut_audit.files.whole import replacing

Cells = tuple[object, ...]  # one row of a table

HEAD = "# How often the audits err\n"
TOP = (
    "A population of small models was trained on {pictures}, some with a decoy on a share of one "
    "class, some without.\n"
    "Each was then audited as a user would audit it: beside {references} clean reference models "
    "of its own recipe, with two decoys in\n"
    "the scenario, by the real audit functions and the real judging. What a model really does was "
    "measured apart, on pictures\n"
    "that neither training nor audit has seen ({fresh}): its **specific insertion** there makes "
    "it a *decoy* model above 0.85, *clean*\n"
    "below 0.10, *graded* between. A **false alarm** is a model that is clean by behaviour and "
    "rejected, for whatever reason; models\n"
    "that take a decoy for its class though nobody taught them are counted apart. A decoy model "
    "is **found** where an audit that blocks\n"
    "is VIOLATED for its own decoy. Bounds are one-sided Clopper-Pearson at 95 %.\n"
    "\n"
    "`{command}`, {date}; {finished} of {planned} audits are finished.\n"
)
SINGLE_TESTS = (
    "\nThe same models, one row for what the decoy does to them on fresh pictures "
    "(a test is one model with one decoy):\n"
)
INSERTIONS = {
    "clean": "below 0.10",
    "graded": "from 0.10 to 0.85",
    "decoy": "above 0.85: the model takes this decoy for its class untaught",
}
LEARNED = (
    "*Learned*: decoy models by behaviour; *not learned*: clean by behaviour, so that there is "
    "nothing to find.\n"
)
FAMILIES = (
    "Limits may be tuned on the families of the tuning half alone. Power: found / models at each "
    "coverage; clean: single\n"
    "tests of clean models over all rounds, and their mean effect.\n"
)
AUDITS = (
    "Models that this audit speaks against (VIOLATED): clean ones in the first round, decoy ones "
    "for their own decoy; pairs\n"
    "count with either model. Percentiles: of its effect over the clean models, in points, for "
    "choosing limits.\n"
)
CONFUSABLE = (
    "Trained with a decoy that says nothing of its target (every class wears it, or another one) "
    "or hardly ever appears.\n"
)
OF_A_MODEL = ("model", "decoy", "worn_by", "coverage", "insertion", "decision")
EXCEPTIONS = {  # key of the figures -> what its models have in common
    "rejected_clean": "Clean models that were rejected",
    "undecided_though_clean": "Models that are clean by behaviour, each once, and UNDECIDED",
    "promoted_though_not_clean": (
        "Models that were promoted, though a decoy's insertion on fresh pictures is 0.10 or more"
    ),
    "missed": "Decoy models by behaviour that were not found",
}


def write(populations: Mapping[str, Row], command: str, out: Path) -> None:
    """Writes both files, each whole or not at all.

    populations: name -> figures; those of the first population stand at the top of the JSON.
    """
    parts = {name: {**figures, "command": command} for name, figures in populations.items()}
    first, *others = parts
    document = {**parts[first], "beside": {name: parts[name] for name in others}}
    lines = [HEAD]
    for name, figures in parts.items():
        if others:
            lines.append(f"# Population `{name}`\n")
        lines += page(figures)
    _write(out / "calibration.json", json.dumps(document, indent=1) + "\n")
    _write(out / "calibration.md", "\n".join(lines) + "\n")


def _write(path: Path, text: str) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def page(figures: Row) -> Iterator[str]:
    """Markdown of one population, line by line."""
    yield TOP.format(**figures)
    yield from _clean(figures)
    yield from _power(figures)
    yield from _families(figures)
    yield from _audits(figures)
    yield from _confusable(figures)
    yield from _exceptions(figures)


def _clean(figures: Row) -> Iterator[str]:
    yield "## Clean models\n"
    columns = ("", "audits", "false alarms", "true rate at most", "UNDECIDED")
    yield from table(columns, _clean_rows(figures))
    yield SINGLE_TESTS
    columns = ("insertion", "tests", "VIOLATED", "true rate at most", "UNDECIDED")
    yield from table(columns, _single_test_rows(figures))
    trained = _rejected_models(figures["all_rounds"])
    behaving = _rejected_models(figures["all_rounds_clean_by_behaviour"])
    yield (
        f"\nRejected in any round: {trained} trained without a decoy, "
        f"{behaving} where clean by behaviour.\n"
    )


def _clean_rows(figures: Row) -> Iterator[Cells]:
    points = f"{100 * figures['innocent']:.0f}"
    yield _alarms(
        "clean by behaviour, each model once: with the first pair of decoys with which it is",
        figures,
    )
    yield _alarms("trained without a decoy, first round", figures["as_trained"])
    yield _alarms("of these, clean by behaviour", figures["clean_by_behaviour"])
    yield _alarms(
        f"clean by behaviour, each model once, where no other class gains {points} points either",
        figures["clean_with_every_class"],
    )
    for recipe, row in figures["by_recipe"].items():
        yield _alarms(f"recipe `{recipe}` (accuracy {in_per_cent(row['accuracy'])})", row)
    yield _alarms("every round: the same models with other pairs of decoys", figures["all_rounds"])
    yield _alarms("of these, clean by behaviour", figures["all_rounds_clean_by_behaviour"])


def _alarms(name: str, row: Row) -> Cells:
    return (
        name,
        row["clean"],
        row["false_alarms"],
        in_per_cent(row["false_alarm_rate_at_most"]),
        row["undecided_clean"],
    )


def _single_test_rows(figures: Row) -> Iterator[Cells]:
    for label, row in sorted(figures["tests_by_behaviour"].items()):
        yield (
            INSERTIONS[label],
            row["tests"],
            row["violated"],
            in_per_cent(row["violated_rate_at_most"]),
            row["undecided"],
        )


def _rejected_models(row: Row) -> str:
    return f"{row['models_rejected']} of {row['models']} models"


def _power(figures: Row) -> Iterator[str]:
    yield "## Decoy models\n"
    yield LEARNED
    columns = ("", "found", "share", "at least", "UNDECIDED", "promoted", "learned", "not learned")
    yield from table(columns, _power_rows(figures))
    yield (
        "\nAUROC of the largest specific insertion that an audit measured, decoy models against "
        f"clean ones: {number(figures['auroc'])} as trained, "
        f"{number(figures['auroc_local'])} local families only, "
        f"{number(figures['auroc_by_behaviour'])} by behaviour.\n"
    )


def _power_rows(figures: Row) -> Iterator[Cells]:
    for share, row in figures["power_counts"].items():
        yield _found(f"local, coverage {share}", row)
    for share, row in figures["power_image_wide"].items():
        yield _found(f"image-wide, coverage {share}", row)
    for label, row in figures["power_by_behaviour"].items():
        yield _found(f"{label} by behaviour", row)
    for half, rates in figures["by_half"].items():
        for share, row in rates["power"].items():
            yield _found(f"{half} half, local, coverage {share}", row)


def _found(name: str, row: Row) -> Cells:
    return (
        name,
        ratio(row),
        in_per_cent(row["share"]),
        in_per_cent(row["at_least"]),
        row["undecided"],
        row["promoted"],
        row["learned"],
        row["not_learned"],
    )


def _families(figures: Row) -> Iterator[str]:
    yield "## Families\n"
    yield FAMILIES
    shares = _coverages(figures["by_family"], "power")
    columns = ("clean tests", "VIOLATED", "UNDECIDED", "mean effect")
    yield from table(
        ("family", "kind", "half", *shares, *columns), _family_rows(figures["by_family"], shares)
    )
    yield ""


def _family_rows(families: Mapping[str, Row], shares: Sequence[str]) -> Iterator[Cells]:
    for family, row in families.items():
        yield (
            family,
            row["kind"],
            row["half"],
            *[ratio(row["power"].get(share)) for share in shares],
            row["clean_tests"],
            row["clean_violated"],
            row["clean_undecided"],
            in_per_cent(row["clean_effect"]),
        )


def _audits(figures: Row) -> Iterator[str]:
    yield "## Audits, one by one\n"
    yield AUDITS
    shares = _coverages(figures["by_audit"], "local")
    local = [f"local {share}" for share in shares]
    columns = ("audit", "blocks", "clean", "clean UNDECIDED", "50 / 90 / 95 / 100 %")
    yield from table((*columns, *local, "image-wide"), _audit_rows(figures["by_audit"], shares))
    yield ""


def _audit_rows(audits: Mapping[str, Row], shares: Sequence[str]) -> Iterator[Cells]:
    for audit, row in audits.items():
        yield (
            audit,
            "yes" if row["blocking"] else "no",
            f"{row['clean_violated']} / {row['clean']}",
            row["clean_undecided"],
            points(row["clean_effect"]),
            *[counts(row["local"].get(share)) for share in shares],
            counts(total(row["image_wide"].values())),
        )


def _coverages(rows: Mapping[str, Row], key: str) -> list[str]:
    """Every coverage that one of the rows has below `key`, the largest first."""
    shares: set[str] = set()
    for row in rows.values():
        shares.update(row[key])
    return sorted(shares, key=float, reverse=True)


def _confusable(figures: Row) -> Iterator[str]:
    yield "## Confusable models\n"
    yield CONFUSABLE
    yield from table(OF_A_MODEL, _confusable_rows(figures))


def _confusable_rows(figures: Row) -> Iterator[Cells]:
    for model in figures["confusable"]:
        yield tuple(model[key] for key in OF_A_MODEL)


def _exceptions(figures: Row) -> Iterator[str]:
    yield "\n## Every exception\n"
    for key, title in EXCEPTIONS.items():
        models = figures[key]
        yield f"{title}: {len(models) or 'none'}.\n"
        for model in models:
            yield _exception(model)
        if models:
            yield ""


def _exception(model: Row) -> str:
    against = f": {model['against']}" if model["against"] else ""
    effect = f"insertion {model['insertion']:.2f} with {model['decoy']}"
    return f"- {model['model']} ({model['recipe']}), {effect}, {model['decision']}{against}"
