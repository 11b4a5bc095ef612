"""Figures -> `calibration.md` for people and `calibration.json` for the check in CI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shortcut_audit.files.whole import replacing

Row = dict[str, Any]

HEAD = "# How often the audits err\n"
TOP = """A population of small models was trained on {pictures}, some with a decoy on a share of one class, some without.
Each was then audited as a user would audit it: beside {references} clean reference models of its own recipe, with two decoys in
the scenario, by the real audit functions and the real judging. What a model really does was measured apart, on pictures
that neither training nor audit has seen ({fresh}): its **specific insertion** there makes it a *decoy* model above 0.85, *clean*
below 0.10, *graded* between. A **false alarm** is a model that is clean by behaviour and rejected, for whatever reason; models
that take a decoy for its class though nobody taught them are counted apart. A decoy model is **found** where an audit that blocks
is VIOLATED for its own decoy. Bounds are one-sided Clopper-Pearson at 95 %.

`{command}`, {date}; {finished} of {planned} audits are finished.
"""


def write(populations: Mapping[str, Row], command: str, out: Path) -> None:
    """Both files, each whole or not at all. populations: name -> figures; the first one's stand at
    the top of the JSON.
    """
    told = {name: {**figures, "command": command} for name, figures in populations.items()}
    first, *rest = told
    document = {**told[first], "beside": {name: told[name] for name in rest}}
    lines = [HEAD, *(line for name in told for line in _part(told[name], name if rest else ""))]
    for name, text in (
        ("calibration.json", json.dumps(document, indent=1) + "\n"),
        ("calibration.md", "\n".join(lines) + "\n"),
    ):
        with replacing(out / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")


def _part(told: Row, name: str) -> Iterator[str]:
    """The part of one population; its headings stand below its name where there are several."""
    if name:
        yield f"# Population `{name}`\n"
    yield from page(told)


def page(told: Row) -> Iterator[str]:
    """Markdown of one population, line by line."""
    yield TOP.format(**told)
    yield from _clean(told)
    yield from _power(told)
    yield from _families(told)
    yield from _audits(told)
    yield from _confusable(told)
    yield from _exceptions(told)


def _clean(told: Row) -> Iterator[str]:
    yield "## Clean models\n"
    most = f"{100 * told['innocent']:.0f}"
    rows = [
        (
            "clean by behaviour, each model once: with the first pair of decoys with which it is",
            told,
        ),
        ("trained without a decoy, first round", told["as_trained"]),
        ("of these, clean by behaviour", told["clean_by_behaviour"]),
        (
            f"clean by behaviour, each model once, where no other class gains {most} points either",
            told["clean_with_every_class"],
        ),
        *(
            (f"recipe `{recipe}` (accuracy {percent(row['accuracy'])})", row)
            for recipe, row in told["by_recipe"].items()
        ),
        ("every round: the same models with other pairs of decoys", told["all_rounds"]),
        ("of these, clean by behaviour", told["all_rounds_clean_by_behaviour"]),
    ]
    yield from table(
        ("", "audits", "false alarms", "true rate at most", "UNDECIDED"),
        [
            (
                name,
                row["clean"],
                row["false_alarms"],
                percent(row["false_alarm_rate_at_most"]),
                row["undecided_clean"],
            )
            for name, row in rows
        ],
    )
    yield from _single_tests(told)
    yield (
        "\nRejected in any round: "
        + ", ".join(
            f"{row['models_rejected']} of {row['models']} models {words}"
            for words, row in (
                ("trained without a decoy", told["all_rounds"]),
                ("where clean by behaviour", told["all_rounds_clean_by_behaviour"]),
            )
        )
        + ".\n"
    )


def _single_tests(told: Row) -> Iterator[str]:
    words = {
        "clean": "below 0.10",
        "graded": "from 0.10 to 0.85",
        "decoy": "above 0.85: the model takes this decoy for its class untaught",
    }
    yield "\nThe same models, one row for what the decoy does to them on fresh pictures (a test is one model with one decoy):\n"
    yield from table(
        ("insertion", "tests", "VIOLATED", "true rate at most", "UNDECIDED"),
        [
            (
                words[name],
                row["tests"],
                row["violated"],
                percent(row["violated_rate_at_most"]),
                row["undecided"],
            )
            for name, row in sorted(told["tests_by_behaviour"].items())
        ],
    )


def _power(told: Row) -> Iterator[str]:
    yield "## Decoy models\n"
    yield "*Learned*: decoy models by behaviour; *not learned*: clean by behaviour, so that there is nothing to find.\n"
    rows: list[tuple[str, Row]] = []
    for kind, key in (("local", "power_counts"), ("image-wide", "power_image_wide")):
        rows += [(f"{kind}, coverage {share}", row) for share, row in told[key].items()]
    rows += [(f"{name} by behaviour", row) for name, row in told["power_by_behaviour"].items()]
    for half, row in told["by_half"].items():
        rows += [
            (f"{half} half, local, coverage {share}", each) for share, each in row["power"].items()
        ]
    yield from table(
        ("", "found", "share", "at least", "UNDECIDED", "promoted", "learned", "not learned"),
        [
            (
                name, f"{row['found']} / {row['models']}", percent(row["share"]), percent(row["at_least"]), row["undecided"],
                row["promoted"], row["learned"], row["not_learned"],
            )
            for name, row in rows
        ],
    )  # fmt: skip
    yield (
        f"\nAUROC of the largest specific insertion that an audit measured, decoy models against clean ones: "
        f"{number(told['auroc'])} as trained, {number(told['auroc_local'])} local families only, "
        f"{number(told['auroc_by_behaviour'])} by behaviour.\n"
    )


def _families(told: Row) -> Iterator[str]:
    yield "## Families\n"
    yield "Limits may be tuned on the families of the tuning half alone. Power: found / models at each coverage; clean: single"
    yield "tests of clean models over all rounds, and their mean effect.\n"
    shares = sorted(
        {share for row in told["by_family"].values() for share in row["power"]},
        key=float,
        reverse=True,
    )
    yield from table(
        ("family", "kind", "half", *shares, "clean tests", "VIOLATED", "UNDECIDED", "mean effect"),
        [
            (
                name, row["kind"], row["half"], *(_ratio(row["power"].get(share)) for share in shares), row["clean_tests"],
                row["clean_violated"], row["clean_undecided"], percent(row["clean_effect"]),
            )
            for name, row in told["by_family"].items()
        ],
    )  # fmt: skip
    yield ""


def _audits(told: Row) -> Iterator[str]:
    yield "## Audits, one by one\n"
    yield "Models that this audit speaks against (VIOLATED): clean ones in the first round, decoy ones for their own decoy; pairs"
    yield "count with either model. Percentiles: of its effect over the clean models, in points, for choosing limits.\n"
    shares = sorted(
        {share for row in told["by_audit"].values() for share in row["local"]},
        key=float,
        reverse=True,
    )
    yield from table(
        ("audit", "blocks", "clean", "clean UNDECIDED", "50 / 90 / 95 / 100 %", *(f"local {s}" for s in shares), "image-wide"),
        [
            (
                name, "yes" if row["blocking"] else "no", f"{row['clean_violated']} / {row['clean']}", row["clean_undecided"],
                _points(row["clean_effect"]), *(_counts(row["local"].get(share)) for share in shares),
                _counts(_sum(row["image_wide"].values())),
            )
            for name, row in told["by_audit"].items()
        ],
    )  # fmt: skip
    yield ""


def _confusable(told: Row) -> Iterator[str]:
    yield "## Confusable models\n"
    yield "Trained with a decoy that says nothing of its target (every class wears it, or another one) or hardly ever appears.\n"
    columns = ("model", "decoy", "worn_by", "coverage", "insertion", "decision")
    yield from table(columns, [[row[column] for column in columns] for row in told["confusable"]])


def _exceptions(told: Row) -> Iterator[str]:
    yield "\n## Every exception\n"
    for title, key in (
        ("Clean models that were rejected", "rejected_clean"),
        ("Models that are clean by behaviour, each once, and UNDECIDED", "undecided_though_clean"),
        (
            "Models that were promoted, though a decoy's insertion on fresh pictures is 0.10 or more",
            "promoted_though_not_clean",
        ),
        ("Decoy models by behaviour that were not found", "missed"),
    ):
        yield f"{title}: {len(told[key]) or 'none'}.\n"
        for row in told[key]:
            against = f": {row['against']}" if row["against"] else ""
            does = f"insertion {row['insertion']:.2f} with {row['decoy']}"
            yield f"- {row['model']} ({row['recipe']}), {does}, {row['decision']}{against}"
        if told[key]:
            yield ""


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Markdown."""
    head = list(columns)
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def percent(share: float | None) -> str:
    """`4.7 %`; a dash where there is nothing."""
    return "–" if share is None else f"{100 * share:.1f} %"


def _points(percentiles: Mapping[str, float] | None) -> str:
    return (
        " / ".join(f"{100 * value:.0f}" for value in percentiles.values()) if percentiles else "–"
    )


def number(value: float | None) -> str:
    """Three digits; a dash where there is nothing."""
    return "–" if value is None else f"{value:.3f}"


def _ratio(row: Row | None) -> str:
    return "–" if row is None else f"{row['found']} / {row['models']}"


def _counts(pair: Sequence[int] | None) -> str:
    return "–" if not pair or not pair[1] else f"{pair[0]} / {pair[1]}"


def _sum(pairs: Iterable[Sequence[int]]) -> list[int]:
    return [sum(column) for column in zip(*pairs, strict=True)]
