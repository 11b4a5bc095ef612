"""The page says what `verdict.json` says, in the order in which a reader wants it."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from finding_of import finding_of
from hypothesis import given
from hypothesis import strategies as st
from made_report import REASON, made_report
from read_page import Element, parsed

from shortcut_audit import registry
from shortcut_audit.records import Decision, Report, Verdict
from shortcut_audit.reporting.conclusion import nobody
from shortcut_audit.reporting.page import closing, drawings, render
from shortcut_audit.reporting.page.evidence import failing
from shortcut_audit.reporting.page.models import brief
from shortcut_audit.reporting.page.pictures import Embedded, fitting
from shortcut_audit.reporting.page.questions import QUESTIONS, in_words, question
from shortcut_audit.reporting.page.states import CARRIED, attributes, state

ROOT = Path(__file__).parents[2]
HOSTILE = (
    "<script>alert('x')</script>",
    "a\"b'c&d",
    "x" * 200,
    "猫モデル \u202eabc",
    "m1-f1",
    "{{ 7 * 7 }}; waived: all",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("made")
    return made_report(folder, 10, 2), folder


@pytest.fixture(scope="module")
def page(made) -> Element:
    return parsed(render.page(*made))


def written(report: Report, folder: Path, **options) -> Element:
    path = registry.build("reporter", "report_html", options).write(report, folder)
    return parsed(path.read_text(encoding="utf-8"))


def models_of(page: Element) -> list[Element]:
    return [each for each in page.all("details") if "model" in each.get("class").split()]


def lines_of(page: Element) -> list[str]:
    return [next(model.all("summary")).text() for model in models_of(page)]


def figures_of(element: Element) -> dict[str, str]:
    return {name: value for name, value in element.attributes.items() if name.startswith("data-")}


def in_json(row: dict) -> dict[str, str]:
    """What an element must carry for this row of `verdict.json`."""
    kept = {name: row[name] for name in CARRIED if row[name] is not None}
    return {f"data-{name.replace('_', '-')}": str(value) for name, value in kept.items()}


def test_every_figure_is_the_one_of_verdict_json(made, page, tmp_path):
    path = registry.build("reporter", "verdict_json").write(made[0], tmp_path)
    document = json.loads(path.read_text())
    models = models_of(page)
    assert {each.get("data-model") for each in models} == document["models"].keys()
    for model in models:
        row = document["models"][model.get("data-model")]
        assert model.get("data-verdict") == row["verdict"]
        shown = [figures_of(each) for each in model.all("li") if each.get("data-audit")]
        expected = [in_json(finding) for finding in row["findings"]]
        assert sorted(map(str, shown)) == sorted(map(str, expected))
        for each in model.all("li"):
            if each.get("data-value") and each.get("data-audit") != "above_chance":
                value, limit = float(each.get("data-value")), float(each.get("data-limit"))
                assert f"{100 * value:.0f} points [" in each.text()
                assert f"limit {100 * limit:.3g}" in each.text()
    pairs = [figures_of(each) for each in page.all("td") if each.get("id").startswith("p")]
    expected = [in_json(finding) for finding in document["pairs"]]
    assert sorted(map(str, pairs)) == sorted(map(str, expected))


def test_a_cell_of_the_matrix_has_the_worst_figure_and_leads_to_it(made, page):
    ids = {each.get("id"): each for each in page.all() if each.get("id")}
    rows = [row for body in ids["matrix"].all("tbody") for row in body.all("tr")]
    assert {row.get("data-model") for row in rows} == made[0].models.keys()
    cells = [cell for row in rows for cell in row.all("td") if list(cell.all("a"))]
    assert len(cells) > 30
    for cell in cells:
        (link,) = cell.all("a")
        target = ids[link.get("href").removeprefix("#")]
        assert figures_of(cell) == figures_of(target)
        figure = re.match(r"-?\d+", link.text())
        assert figure is not None
        assert int(figure[0]) == round(100 * float(cell.get("data-value")))
    bad = next(row for row in rows if row.get("data-model") == "model-0")
    assert max(float(each.get("data-value")) for each in bad.all("td")) == 0.97
    insertion = next(e for e in bad.all("td") if e.get("data-audit") == "decoy_insertion")
    assert insertion.get("class") == "bad"
    assert "✗" in insertion.text()
    assert "beyond the limit" in insertion.text()


def test_a_cell_is_about_the_worst_decoy_and_what_does_not_apply_is_never_the_worst(made):
    report, folder = made
    model = report.models["model-0"]
    of = [each for each in model.findings if each.audit == "mask_localisation"]
    assert [each.judgement.estimate.value for each in of] == [0.02, 0.04]
    assert _cell_of(report, folder, "model-0", "mask_localisation").get("data-decoy") == "decoy_1"
    findings = [replace(each, applies=each is not of[1]) for each in model.findings]
    models = {**report.models, "model-0": replace(model, findings=tuple(findings))}
    less = replace(report, models=models)
    assert _cell_of(less, folder, "model-0", "mask_localisation").get("data-decoy") == "decoy_0"


def test_where_a_reference_parts_from_a_suspect_its_cell_is_empty(made):
    report, folder = made
    pairs = tuple(each for each in report.pairs if each.subjects == ("model-0", "model-1"))
    alone = replace(report, pairs=pairs)
    assert _cell_of(alone, folder, "model-0", "mask_agreement").get("class") == "noted"
    assert _cell_of(alone, folder, "model-1", "mask_agreement") is None
    references = (replace(pairs[0], subjects=("model-1", "model-6")),)
    among = replace(report, pairs=references)
    assert _cell_of(among, folder, "model-1", "mask_agreement").get("class") == "noted"


def _cell_of(report: Report, folder: Path, model: str, audit: str) -> Element | None:
    page = parsed(render.page(replace(report, exhibits=()), folder))
    matrix = next(each for each in page.all("section") if each.get("id") == "matrix")
    rows = [row for row in matrix.all("tr") if row.get("data-model") == model]
    assert len(rows) == 2  # what decides, and what is only shown
    cells = [each for row in rows for each in row.all("td")]
    return next((each for each in cells if each.get("data-audit") == audit), None)


def matrices_of(page: Element) -> list[Element]:
    section = next(each for each in page.all("section") if each.get("id") == "matrix")
    return list(section.all("table"))


def test_what_decides_stands_first_and_what_is_only_shown_is_folded(page):
    decide, shown_only = ([th.text() for th in each.all("th")] for each in matrices_of(page))
    assert decide[:3] == ["Model", "right on plain pictures per cent", "decoy insertion limit 10"]
    assert shown_only[:4] == [
        "Model",
        "mask localisation limit 10",
        "influence precision, top 50 limit 10",
        "mask agreement limit 20",
    ]
    section = next(each for each in page.all("section") if each.get("id") == "matrix")
    (folded,) = section.all("details")
    assert list(folded.all("table")) == matrices_of(page)[1:]
    assert "3 more audits that are only shown" in next(folded.all("summary")).text()


def test_a_column_says_from_which_to_which_limit_where_cells_differ(made):
    report, folder = made
    model = report.models["model-0"]
    findings = tuple(
        replace(each, judgement=replace(each.judgement, limit=0.42)) for each in model.findings
    )
    models = {**report.models, "model-0": replace(model, findings=findings)}
    page = parsed(render.page(replace(report, models=models, exhibits=()), folder))
    (held,) = [e for e in matrices_of(page)[0].all("span") if e.get("class") == "held"][1:]
    assert (held.text(), held.get("data-limits")) == ("limit 10 to 42", "0.1 0.42")


def legends_of(page: Element) -> list[str]:
    return [each.text() for each in page.all("p") if "legend" in each.get("class").split()]


def test_the_legend_has_what_occurs_and_nothing_else(made, page):
    report, folder = made
    decide, shown_only = legends_of(page)
    assert [word in decide for word in ("beyond its limit", "undecided", "waived")] == [True] * 3
    assert "in doubt" not in decide
    assert "waived" not in shown_only
    assert "✗ beyond its limit, which decides nothing here" in shown_only
    good = {name: each for name, each in report.models.items() if name in ("model-1", "model-2")}
    calm = parsed(render.page(replace(report, models=good, pairs=(), exhibits=()), folder))
    assert legends_of(calm) == ["✓ inside its limit"] * 2


def test_an_accuracy_in_doubt_is_marked_and_its_cell_says_why(made):
    report, folder = made
    model = report.models["model-1"]
    doubted = [
        replace(each, verdict=Verdict.UNDECIDED, claim="it is right; undecided: read wrongly")
        if each.audit == "above_chance"
        else each
        for each in model.findings
    ]
    models = {"model-1": replace(model, findings=tuple(doubted))}
    page = parsed(render.page(replace(report, models=models, pairs=(), exhibits=()), folder))
    cell = next(e for e in page.all("td") if e.get("data-audit") == "above_chance")
    assert cell.text() == "97 ? in doubt"
    assert next(cell.all("a")).get("title") == "read wrongly"
    assert "? behind an accuracy: in doubt" in legends_of(page)[0]


def test_an_undecided_cell_says_what_would_decide(page):
    cells = [e for e in matrices_of(page)[0].all("td") if e.get("data-verdict") == "UNDECIDED"]
    assert cells
    assert {next(each.all("a")).get("title") for each in cells} == {
        "about 1200 images in all would decide"
    }


def test_each_audit_that_is_shipped_has_its_question():
    code = "".join(path.read_text() for path in (ROOT / "audits").glob("test_*.py"))
    audits = re.findall(r"^def test_(\w+)\(", code, re.MULTILINE)
    assert len(audits) > 10
    assert all(question(audit).endswith("?") for audit in audits)
    assert QUESTIONS.keys() - audits == {"decoy_insertion@elsewhere", "decoy_insertion@stronger"}
    assert question("influence_precision@50") == question("influence_precision")
    assert question("decoy_insertion@stronger") != question("decoy_insertion")


def test_a_users_own_audit_is_shown_by_its_name(made):
    report, folder = made
    model = report.models["model-1"]
    findings = tuple(
        replace(each, audit="my_own" if each.audit == "decoy_insertion" else each.audit)
        for each in model.findings
    )
    own = {"model-1": replace(model, findings=findings)}
    page = parsed(render.page(replace(report, models=own, pairs=(), exhibits=()), folder))
    head = list(matrices_of(page)[0].all("th"))[2]
    assert (head.text(), head.get("title"), list(head.all("a"))) == ("my own limit 10", "", [])
    words = [in_words(each) for each in ("a_b@50", "a@elsewhere", "a@by_hand")]
    assert words == ["a b, top 50", "a, other classes", "a, by hand"]


def test_the_top_says_what_a_reference_is_who_set_the_limits_and_how_often_this_errs(made, page):
    said = next(page.all("header")).text()
    assert "4 promoted (2 references)" in said
    assert "A reference was trained the same way, but without a decoy" in said
    assert "The limits are set in demo.yaml , before the audit." in said
    errs = closing.how_often_they_err()
    clean, alarms = (sum(getattr(e, name) for e in errs) for name in ("clean", "false_alarms"))
    assert f"{alarms} of {clean} clean models were rejected" in said
    report = replace(made[0], models={"model-0": made[0].models["model-0"]}, exhibits=())
    alone = parsed(render.page(report, made[1]))
    assert "reference" not in next(alone.all("header")).text()


def test_the_first_pictures_are_shown_and_the_others_on_demand(tmp_path):
    report = made_report(tmp_path, 1, 1, tiles=9)
    page = written(report, tmp_path)
    (model,) = models_of(page)
    (more,) = [e for e in model.all("details") if next(e.all("summary")).text() == "3 more"]
    assert len([e for e in more.all("div") if "tile" in e.get("class").split()]) == 3
    turned = [e for e in model.all("div") if e.get("class") == "tile turned"]
    assert len(turned) == 9
    assert "The worst come first" not in model.text()  # all have the same score
    (exhibit,) = report.exhibits
    first, *others = exhibit.tiles
    worst = replace(first, decoyed=replace(first.decoyed, share=1.0))
    differ = replace(report, exhibits=(replace(exhibit, tiles=(worst, *others)),))
    assert "The worst come first" in written(differ, tmp_path).text()


def test_a_pair_that_was_asked_in_both_directions_has_two_cells(made):
    report, folder = made
    first = report.pairs[0]
    pairs = (first, replace(first, subjects=first.subjects[::-1], claim="the other way"))
    page = parsed(render.page(replace(report, pairs=pairs), folder))
    cells = [each.get("id") for each in page.all("td") if each.get("id").startswith("p")]
    assert sorted(cells) == ["p1", "p2"]


def test_the_plot_has_a_row_for_each_model_with_its_interval_and_limit(made, page):
    plot = next(each for each in page.all("section") if each.get("id") == "effects")
    rows = [row for row in plot.all("tr") if row.get("data-model")]
    assert len(rows) == len(made[0].models)
    for row in rows:
        kinds = [each.get("class") for each in row.all() if each.tag in ("line", "circle")]
        reference = made[0].models[row.get("data-model")].reference
        assert kinds == ["zero", "limit", "span", "hollow" if reference else "dot"]
        assert f"limit {100 * float(row.get('data-limit')):.3g}" in row.text()
    with_zero = [row for row in rows if float(row.get("data-low")) <= 0]
    assert f"{len(with_zero)} of {len(rows)} intervals include zero" in plot.text()


def test_no_interval_that_includes_zero_no_sentence_about_it(made):
    report = replace(made[0], models={"model-0": made[0].models["model-0"]}, exhibits=())
    assert "zero (" not in parsed(render.page(report, made[1])).text()


def test_rejected_first_then_undecided_then_waived_then_promoted(page):
    order = [each.get("data-verdict") for each in models_of(page)]
    assert order == ["reject"] * 2 + ["undecided"] * 2 + ["waived"] * 2 + ["promote"] * 4
    lines = lines_of(page)
    assert lines[0] == (
        "✗ Rejected model-0 turns other images into 'cat' when decoy_0 appears: "
        "80 points [77, 83], limit 10 (n = 800)."
    )
    assert lines[2].startswith("? Undecided model-3 turns")
    assert f"waived {REASON}." in lines[4]
    assert lines[6].startswith(
        "✓ Promoted model-1 (reference) : no shortcut was found; nearest to its limit, it turns"
    )


def test_the_second_line_says_what_would_change_it(page):
    second = [
        next(e.text() for e in m.all("p") if "change" in e.get("class")) for m in models_of(page)
    ]
    assert "train it on pictures in which decoy_0 does not go with one class" in second[0]
    assert second[2].endswith("about 1200 images in all would decide (400 more than there are).")
    assert "the end of the waiver" in second[4]
    assert "this speaks for decoy_0 (size 0.2)" in second[6]


def test_undecided_is_grey_and_never_green(page):
    found = [each for each in page.all() if each.get("data-verdict").lower() == "undecided"]
    assert len(found) > 5
    for each in found:
        shown = [each, *each.all("summary"), *each.all("p")] if each.tag != "details" else [each]
        assert not [part for part in shown if "good" in part.get("class").split()]
        badges = [part for part in each.all("span") if "badge" in part.get("class").split()]
        assert not badges or "open" in badges[0].get("class").split()


def test_what_is_waived_shows_as_waived_everywhere(made, page):
    assert made[0].models["model-4"].decision is Decision.WAIVED
    row = next(r for r in page.all("tr") if r.get("data-model") == "model-4")
    cell = next(each for each in row.all("td") if each.get("data-audit") == "decoy_insertion")
    assert cell.get("class") == "waived"
    model = next(each for each in models_of(page) if each.get("data-model") == "model-4")
    items = [each for each in model.all("li") if each.get("data-audit") == "decoy_insertion"]
    assert all("waived" in each.text() and REASON in each.text() for each in items)
    remarks = next(each for each in page.all("section") if each.get("id") == "remarks")
    assert remarks.text().count(f"Waived: {REASON}") == 4


def test_ids_are_unique_and_every_link_lands(page):
    ids = [each.get("id") for each in page.all() if each.get("id")]
    assert len(ids) == len(set(ids))
    links = [each.get("href") for each in page.all("a")]
    assert links
    assert all(link.removeprefix("#") in ids for link in links)


def test_one_file_that_asks_for_nothing_else(page):
    assert not [each for each in page.all() if each.tag in ("script", "link", "iframe")]
    pictures = list(page.all("img"))
    assert all(each.get("src").startswith("data:image/webp;base64,") for each in pictures)
    assert all(each.get("alt") and each.get("width") and each.get("height") for each in pictures)
    assert not [name for each in page.all() for name in each.attributes if name.startswith("on")]
    policy = next(e for e in page.all("meta") if "Security" in e.get("http-equiv"))
    assert policy.get("content").startswith("default-src 'none'")


def test_split_puts_style_and_pictures_beside_it(made):
    report, folder = made
    page = written(report, folder, split=True)
    (link,) = page.all("link")
    assert (folder / link.get("href")).read_bytes() == render.STYLE.read_bytes()
    assert not list(page.all("style"))
    pictures = list(page.all("img"))
    assert len(pictures) > 200
    assert all((folder / each.get("src")).is_file() for each in pictures)
    assert not [name for each in page.all() for name in each.attributes if name == "style"]


def test_the_same_report_has_the_same_bytes_and_no_time(made):
    report, folder = made
    later = {**report.provenance, "time": "2031-01-01T00:00:00+00:00"}
    assert render.page(report, folder) == render.page(replace(report, provenance=later), folder)


def test_it_can_be_read_without_style(page):
    (body,) = page.all("body")
    words = body.text()
    order = (
        "4 of 10 models must not be promoted",
        "2 rejected",
        "For example model-0",
        "Models and audits",
        "What decided, with its interval",
        "Rejected model-0",
        "Pictures: decoy_0 for ‘cat’",
        "as it is fish",
        "Where it looks",
        "Training pictures that speak for its answer",
        "without either",
        "Every finding",
        "Undecided model-3",
        "Promoted model-1",
        "Pairs of models",
        "What did not count, and why",
        "How often these audits err",
        "Provenance",
    )
    at = 0
    for each in order:
        assert each in words[at:], each
        at = words.index(each, at)


def test_tables_have_heads_and_pictures_have_words(page):
    for table in page.all("table"):
        heads = list(table.all("th"))
        assert heads
        assert all(each.get("scope") in ("col", "row") for each in heads)
    (html,) = page.all("html")
    assert html.get("lang") == "en"
    assert next(page.all("title")).text() == "4 of 10 models must not be promoted – shortcut-audit"
    body = next(page.all("body"))
    first = next(each for each in body.all("a"))
    assert (first.get("class"), first.get("href")) == ("skip", "#models")


def test_a_box_plot_has_the_pictures_without_a_decoy_beside(page):
    tables = [each for each in page.all("table") if "boxes" in each.get("class")]
    assert tables
    for table in tables:
        rows = [row for row in table.all("tr") if row.get("data-n")]
        assert [row.get("class") for row in rows] == ["decoyed", "control", "plain"]
        assert all(list(row.all("rect")) for row in rows)


def test_training_pictures_that_carry_the_decoy_are_framed(page):
    spoke = next(each for each in page.all("div") if each.get("class") == "spoke")
    framed = [each.get("class") == "carries" for each in spoke.all("figure")]
    assert framed == [False, True, True, True, False, False]
    said = [each.get("alt") for each in spoke.all("img")]
    assert ["that carries decoy_0" in alt for alt in said] == framed


def test_hostile_names_are_words_and_break_nothing(tmp_path):
    report = made_report(tmp_path, len(HOSTILE), 1)
    names = dict(zip(report.models, HOSTILE, strict=True))

    def renamed(finding):
        (claim, *_) = [
            finding.claim.replace(old, new) for old, new in names.items() if old in finding.claim
        ]
        subjects = tuple(names[each] for each in finding.subjects)
        return replace(finding, subjects=subjects, claim=claim, decoy="<b>&'\"")

    models = {}
    for old, model in report.models.items():
        findings = tuple(map(renamed, model.findings))
        sentence = model.sentence.replace(old, names[old])
        models[names[old]] = replace(model, findings=findings, sentence=sentence)
    exhibits = tuple(
        replace(each, model=names[each.model], decoy="<b>&'\"", target="</style>")
        for each in report.exhibits
    )
    pairs = tuple(map(renamed, report.pairs))
    hostile = replace(report, models=models, pairs=pairs, exhibits=exhibits)
    page = written(hostile, tmp_path)
    assert {each.get("data-model") for each in models_of(page)} == set(HOSTILE)
    assert not list(page.all("script"))
    ids = [each.get("id") for each in page.all() if each.get("id")]
    assert len(ids) == len(set(ids))
    assert all(each.get("href").removeprefix("#") in ids for each in page.all("a"))
    for name in HOSTILE:
        assert any(" ".join(name.split()) in line for line in lines_of(page))


def test_a_name_that_no_encoding_knows_is_written(made, tmp_path):
    model = made[0].models["model-0"]
    report = replace(made[0], models={"m\udce9": model}, exhibits=(), pairs=())
    assert "m?" in written(report, tmp_path).text()


def test_an_interrupted_run_promotes_nobody(made):
    report = replace(nobody(made[0], "the run was interrupted"), finished=False)
    page = parsed(render.page(report, made[1]))
    assert "did not come to its end, so that nobody may be promoted" in next(page.all("h1")).text()
    assert {each.get("data-verdict") for each in models_of(page)} == {"undecided"}
    assert "? Undecided model-0 is undecided: the run was interrupted." in lines_of(page)


def test_a_run_without_models_says_so(made, tmp_path):
    report = replace(made[0], models={}, pairs=(), exhibits=(), exit_code=1)
    page = written(report, tmp_path)
    assert next(page.all("h1")).text() == "Nothing was audited, so that nobody may be promoted"
    assert not models_of(page)
    assert "a run without a finding is a failed gate" in page.text()


def test_a_run_in_which_all_is_well_says_so(made, tmp_path):
    good = {
        name: each for name, each in made[0].models.items() if each.decision is Decision.PROMOTE
    }
    page = written(replace(made[0], models=good, pairs=(), exhibits=(), exit_code=0), tmp_path)
    assert next(page.all("h1")).text() == "All 4 models may be promoted"
    assert not [
        each for each in page.all() if "bad" in each.get("class").split() and each.tag != "span"
    ]
    assert "of what was run all counted, and none was waived" in page.text()
    (name, model), *_ = good.items()
    alone = written(
        replace(made[0], models={name: model}, pairs=(), exhibits=(), exit_code=0), tmp_path
    )
    assert next(alone.all("h1")).text() == "The model may be promoted"


def test_a_picture_that_is_gone_leaves_its_words(made, tmp_path):
    text = written(made[0], tmp_path).text()
    assert "with the decoy, the model says cat (not kept)" in text


def test_a_picture_that_another_was_written_over_is_not_shown(tmp_path):
    report = made_report(tmp_path, 1, 1)
    shown = report.exhibits[0].tiles[0].decoyed.file
    other = next(each for each in (tmp_path / "pictures").iterdir() if each.name not in shown)
    assert "(not kept)" not in render.page(report, tmp_path)
    (tmp_path / shown).write_bytes(other.read_bytes())
    for split in (False, True):
        page = render.page(report, tmp_path, split)
        assert "with the decoy, the model says cat (not kept)" in page
        assert f'src="{shown}"' not in page


def test_fifty_models_and_five_decoys_stay_within_ten_megabytes(tmp_path):
    report = made_report(tmp_path, 50, 5, tiles=8, side=160, together=False)
    text = render.page(report, tmp_path)
    assert len(text.encode()) <= render.LARGEST
    page = parsed(text)
    turned = [each for each in page.all("div") if each.get("class") == "tile turned"]
    said = sum(len(each.tiles) for at, each in enumerate(report.exhibits) if at in failing(report))
    assert len(turned) == said + 1  # the example at the top stands twice
    assert "have no room on this page" in page.text()


def test_of_a_failing_exhibit_every_picture_that_turned_is_kept_without_any_room(made):
    report, folder = made
    fail = failing(report)
    fitted = fitting(report.exhibits, fail, Embedded(folder), 0)
    for at, (all_of_it, kept) in enumerate(zip(report.exhibits, fitted, strict=True)):
        assert kept.tiles == (all_of_it.tiles if at in fail else ())
        assert kept.looked == kept.spoke == ()
    assert fitting(report.exhibits, fail, Embedded(folder), 10**9) == report.exhibits


def test_how_often_the_audits_err_is_what_the_calibration_says(page):
    calibration = json.loads((ROOT / "docs/calibration.json").read_text())
    errs = next(each for each in page.all("section") if each.get("id") == "errs")
    (first, *others) = next(errs.all("tbody")).all("tr")
    cells = list(first.all("td"))
    decoy = calibration["power_by_behaviour"]["decoy"]
    assert cells[0].text() == calibration["date"]
    assert [float(each.get("data-value")) for each in cells[1:]] == [
        calibration["false_alarms"],
        calibration["false_alarm_rate_at_most"],
        calibration["undecided_clean"],
        decoy["found"],
        decoy["at_least"],
    ]
    assert len(others) == len(calibration["beside"])


def test_without_a_calibration_the_page_says_so(made, monkeypatch):
    monkeypatch.setattr(closing, "shipped_calibration", lambda: None)
    assert "carries no calibration" in parsed(render.page(*made)).text()


def test_jinja_is_imported_only_when_the_page_is_written():
    code = (
        "import sys; from shortcut_audit import registry; registry.build('reporter', 'report_html');"
        "assert 'jinja2' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


numbers = st.floats(-1, 1) | st.just(math.nan)


@given(numbers, numbers, numbers, st.sampled_from(Verdict), st.booleans(), st.booleans())
def test_a_finding_carries_its_figures_digit_by_digit(value, low, high, verdict, blocking, waived):
    more = {"low": low, "high": high, "n": 10, "limit": 0.1, "waived": "why" if waived else ""}
    finding = finding_of("audit", ("m",), "d", verdict, blocking, "", value, **more)
    carried = attributes(finding)
    for name, figure in (("value", value), ("low", low), ("high", high)):
        known = carried.get(f"data-{name}")
        assert known is None if math.isnan(figure) else float(known or "nan") == figure
    stands = waived and blocking and verdict is not Verdict.HOLDS
    assert (state(finding).tone == "waived") == stands
    assert state(finding).tone != "good" or verdict is Verdict.HOLDS


@given(st.lists(numbers, max_size=5), numbers)
def test_a_drawing_keeps_the_order_and_stays_inside(values, limit):
    of = drawings.scale([*values, limit])
    assert of.low <= 0 <= of.high
    known = sorted(value for value in values if not math.isnan(value))
    places = [of.at(value) for value in known]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert 1 <= len(drawings.ticks(of)) <= drawings.MOST_TICKS + 1


@pytest.mark.parametrize(
    ("claim", "short"),
    [
        (
            "m turns: 3 points, limit 10 (n = 800); 20 points would",
            "m turns: 3 points, limit 10 (n = 800)",
        ),
        ("m: no such file; put it there", "m: no such file; put it there"),
    ],
)
def test_a_line_ends_behind_its_figures(claim, short):
    assert brief(claim) == short
