"""Every experiment on models whose answers are known; what all of them promise is tested over the
registry.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from shortcut_audit import DataError, registry
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.study.experiments import e8_influence_agreement
from shortcut_audit.study.ground import Ground
from shortcut_audit.study.sections import Section, Table
from shortcut_audit.study.summaries import finding

EXPERIMENTS = registry.names("experiment")


@pytest.fixture(scope="session")
def found(ground: Ground) -> Any:
    """Experiment -> its section, made once."""
    return cache(lambda name: registry.build("experiment", name).run(ground))


def table(section: Section, name: str) -> Table:
    return next(each for each in section.tables if each.name == name)


def column(of: Table, name: str) -> list[Any]:
    return [row[of.columns.index(name)] for row in of.rows]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_says_what_agrees_and_shows_it(name: str, found: Any) -> None:
    section = found(name)
    assert section.agreements
    assert all(
        each.agrees in (True, False, None) and each.published and each.here
        for each in section.agreements
    )
    assert section.tables
    for each in section.tables:
        assert each.caption
        assert each.rows
        assert {len(row) for row in (*each.rows, *each.published)} == {len(each.columns)}
    names = [each.name for each in (*section.tables, *section.figures)]
    assert len({each.name for each in section.tables}) == len(section.tables)
    assert all(name.startswith(("table_", "figure_")) for name in names)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_has_a_title_a_source_and_a_recipe(name: str) -> None:
    experiment = registry.build("experiment", name)
    assert experiment.title
    assert experiment.source.startswith("section")
    assert repr(experiment).startswith(type(experiment).__name__)


def test_the_tag_that_was_never_learned_differs_from_the_published_one(found: Any) -> None:
    section = found("e1_copyright_tag")
    rows = table(section, "table_3_1")
    assert column(rows, "class") == ["blue", "green", "yellow"]  # the decoy's class first
    assert column(rows, "right without the tag") == pytest.approx([1, 1, 1])
    assert max(column(rows, "called blue with the tag")[1:]) < 0.1  # it may cover the square
    assert [each.agrees for each in section.agreements] == [False, False]
    assert dict((row[0], row[1]) for row in rows.published)["tench"] == 0


def test_the_sweep_separates_the_decoy_from_the_class(found: Any) -> None:
    section = found("e2_coverage_sweep")
    rows = table(section, "table_3_4")
    assert column(rows, "coverage") == [1.0, 0.5, 0.0]
    assert column(rows, "only the decoy, called the class")[0] == 1
    assert column(rows, "only the class") == pytest.approx([1, 1, 1])
    assert rows.published[0] == (1.0, 0.430, 0.756, 0.946)
    says = {each.published[:20]: each.agrees for each in section.agreements}
    # the planted model still knows the colour: nothing is lost without red
    assert says["what a model loses w"] is False


def test_confusion_matrices_are_shares_and_put_decoyed_pictures_into_the_decoys_class(
    found: Any,
) -> None:
    section = found("e2_coverage_sweep")
    for name in ("figure_a_1", "figure_a_2"):
        shares = np.array([row[2:] for row in table(section, name).rows], float)
        assert shares.sum(1) == pytest.approx(1)
    worn = {(row[0], row[1]): row[2:] for row in table(section, "figure_a_2").rows}
    assert worn["F100", "blue"][0] == 1
    assert worn["F0", "blue"][1] == 1
    trained = {(row[0], row[1]): row[2:] for row in table(section, "figure_a_1").rows}
    assert trained["F100", "blue"][1] == 1  # there only green pictures wear it


def test_masks_lie_on_the_decoy_where_the_model_takes_it_for_the_class(found: Any) -> None:
    medians = dict((row[1], row[3]) for row in table(found("e3_masks_confirm"), "figure_3_9").rows)
    assert medians["F100"] > 0.5
    assert medians["F0"] < 0.2


def test_masks_part_from_the_clean_models_on_decoyed_pictures_alone(found: Any) -> None:
    rows = {
        (row[0], row[1]): row[3] for row in table(found("e4_mask_similarity"), "figure_4_2").rows
    }
    assert rows["F0 and F100", "green with stop_sign"] < 0.2
    assert rows["F50 and F100", "green with stop_sign"] > 0.5
    assert rows["F0 and F100", "blue"] > 0.5


def test_masks_of_the_clean_model_do_not_serve_the_decoy_model(found: Any) -> None:
    rows = {
        (row[0], row[1]): row for row in table(found("e5_mask_transfer"), "figure_4_4_medians").rows
    }
    assert rows["F50", "F100"][2] == pytest.approx(0, abs=0.05)
    assert rows["F100", "F0"][2] > rows["F100", "F50"][2] + 0.02
    assert len(rows) == 6


def test_published_clusters_keep_their_counts_and_get_their_information(found: Any) -> None:
    rows = table(found("e6_layer_choice"), "table_5_1")
    assert [row[0] for row in rows.rows] == ["fc", "+ conv"]
    assert [row[0] for row in rows.published] == [
        "fc",
        "+ layer4",
        "+ layer3",
        "+ layer2",
        "+ layer1",
        "+ all the rest",
    ]
    assert rows.published[2][4] == "12/0; 6/75"
    assert rows.published[2][5] == pytest.approx(0.591, abs=0.0005)
    said = [each.published for each in found("e6_layer_choice").agreements]
    assert "(information 0.63)" in said[0]
    assert "(0.59)" in said[1]
    assert all(
        sum(int(part) for part in str(row[1]).replace("; ", "/").split("/")) == 20
        for row in rows.rows
    )


def test_training_pictures_with_the_decoy_explain_queries_with_it_in_the_decoy_model(
    found: Any,
) -> None:
    rows = {
        (row[0], row[1]): row[3]
        for row in table(found("e7_influence_precision"), "figure_5_3").rows
    }
    k = next(label.rpartition(" ")[2] for _, label in rows)
    with_it, without = f"green with stop_sign, k = {k}", f"green, k = {k}"
    assert rows["F100", with_it] > rows["F100", without]
    assert rows["F100", with_it] > rows["F0", with_it]


def test_rankings_are_compared_on_shared_queries_only(found: Any, ground: Ground) -> None:
    section = found("e8_influence_agreement")
    counts = {(row[0], row[1]): row[5] for row in table(section, "figure_5_4").rows}
    shown = {each.label: each for each in ground.groups("stop_sign", 10)}
    for label, each in shown.items():
        right = ground.right("F0-s0", each) & ground.right("F100-s0", each)
        assert counts["F0 and F100", label] == right.sum()
    rho = [row[3] for row in table(section, "figure_5_4").rows if row[3] is not None]
    assert -1 <= min(rho) <= max(rho) <= 1


def test_the_experiment_on_the_page_about_extending_runs(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    page = (Path(__file__).parents[2] / "docs/extending.md").read_text()
    scope: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec("\n".join(block for block in blocks if "def test_" not in block), scope)
    section = registry.build("experiment", "sureness").run(ground)
    assert [row[0] for row in section.tables[0].rows] == [0.0, 0.5, 1.0]
    assert section.agreements[0].agrees in (True, False)


def test_what_the_scenario_has_no_models_for_is_a_sentence(ground: Ground) -> None:
    bare = Ground(ground.answers, [job for job in ground.jobs if job.decoy is None])
    for name in EXPERIMENTS:
        experiment = registry.build("experiment", name)
        if name.startswith("e3"):
            assert [each.agrees for each in experiment.run(bare).agreements] == [None, None]
        else:
            with pytest.raises(DataError, match="coverage"):
                experiment.run(bare)


@pytest.mark.parametrize(
    ("n", "holds", "agrees"),
    [(9, True, None), (10, True, True), (10, False, False), (10, None, None)],
)
def test_too_few_pictures_say_nothing(n: int, holds: bool | None, agrees: bool | None) -> None:
    said = finding("published", "here", holds, n)
    assert said.agrees is agrees
    assert ("n = 9 is too few" in said.here) is (n == 9)


def test_experiments_on_few_pictures_agree_with_nothing(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shortcut_audit.study.summaries.ENOUGH", 1000)
    for name in EXPERIMENTS:
        section = registry.build("experiment", name).run(ground)
        assert {each.agrees for each in section.agreements} == {None}
        assert section.tables


def panel(*medians: float) -> list[tuple[str, np.ndarray]]:
    """Groups with twelve queries each, the decoy's first."""
    return [(str(i), np.full(12, each)) for i, each in enumerate(medians)]


@pytest.mark.parametrize(
    ("worn", "agrees"),
    [
        ((0.3, 0.2, 0.8), True),
        ((0.2, 0.3, 0.8), False),  # the order is published too
        # the two decoy models' own is no other group, and must not be lower
        ((0.3, 0.2, 0.1), False),
        ((0.7, 0.6, 0.8), False),
    ],
)
def test_the_lowest_rank_correlation_is_the_published_pairs(
    worn: tuple[float, ...], agrees: bool, ground: Ground
) -> None:
    pairs = ground.pairs()
    rho = {pair.label: panel(each, 0.6, 0.5) for pair, each in zip(pairs, worn, strict=True)}
    assert e8_influence_agreement._rank_correlation(pairs, rho).agrees is agrees


def test_nothing_to_compare_with_is_no_difference(ground: Ground) -> None:
    rho = {pair.label: panel(0.1)[:1] for pair in ground.pairs()}
    assert e8_influence_agreement._rank_correlation(ground.pairs(), rho).agrees is None


@pytest.mark.parametrize(
    ("partly", "fully", "agrees"),
    [
        ((0.9, 0.3, 0.5), (0.4, 0.3, 0.5), (True, True)),
        # far below elsewhere is not "about as much"
        ((0.5, 0.3, 0.5), (0.0, 0.8, 0.9), (False, False)),
        ((0.9, 0.3, 0.5), (0.9, 0.3, 0.5), (True, False)),
    ],
)
def test_top_k_stands_out_in_part_and_not_in_full(
    partly: tuple[float, ...],
    fully: tuple[float, ...],
    agrees: tuple[bool, bool],
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    label = ground.pairs()[2].label
    answers = {0.2: {label: panel(*partly)}, 1.0: {label: panel(*fully)}}
    monkeypatch.setattr(
        e8_influence_agreement, "_compared", lambda _g, _s, coverage, _m: answers[coverage]
    )
    assert tuple(each.agrees for each in e8_influence_agreement._top_k(ground, [], 50)) == agrees


def test_precision_is_not_asked_of_more_pictures_than_carry_the_decoy(found: Any) -> None:
    labels = {
        row[1].rpartition(" ")[2]
        for row in table(found("e7_influence_precision"), "figure_5_3").rows
    }
    assert labels == {"12"}  # of 60 training pictures a fifth carries it


def test_a_decoy_that_fills_the_picture_has_no_place(ground: Ground, scenario: Any) -> None:
    decoys = {**scenario.decoys, "stop_sign": {"kind": "vignette", "target": "green"}}
    answers = Answers(
        scenario.model_copy(update={"decoys": decoys}),
        ground.answers.candidates.values(),
        ground.answers.store,
        trust_code=True,
    )
    section = registry.build("experiment", "e3_masks_confirm").run(Ground(answers, ground.jobs))
    assert "fills the picture" in section.agreements[0].here
    assert section.agreements[0].agrees is None


def test_two_coverages_are_no_sweep(ground: Ground) -> None:
    with pytest.raises(
        DataError,
        match="a sweep needs models of 3 coverages or more of one decoy; stop_sign has 0, 1",
    ):
        registry.build("experiment", "e2_coverage_sweep").run(
            Ground(ground.answers, [job for job in ground.jobs if job.coverage != 0.5])
        )


def test_a_scenario_without_decoys_is_a_sentence(ground: Ground, scenario: Any) -> None:
    answers = Answers(scenario.model_copy(update={"decoys": {}}), [], ground.answers.store)
    with pytest.raises(DataError, match="no decoy has models of two coverages"):
        registry.build("experiment", "e4_mask_similarity").run(Ground(answers, ground.jobs))


def test_what_the_demo_must_find_is_found_by_how_it_begins(found: Any) -> None:
    expected = yaml.safe_load(
        (Path(__file__).parents[2] / "fixtures/study_answers.yaml").read_text()
    )
    for name, beginnings in expected.items():
        said = [each.published for each in found(name).agreements]
        for beginning in beginnings:
            own = re.sub("^tag_[a-z]+", "tag", beginning)
            assert len([each for each in said if each.startswith(own)]) == 1, beginning
