"""`summary.md`, as a comment of a pull request shows it."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from finding_of import finding_of
from hypothesis import example, given
from hypothesis import strategies as st

from shortcut_audit import registry
from shortcut_audit.records import Report, Verdict
from shortcut_audit.reporting.conclusion import nobody
from shortcut_audit.reporting.deciding import headline
from shortcut_audit.reporting.markdown import LONGEST, escaped
from shortcut_audit.reporting.reporters.summary_md import MIB

ZERO_WIDTH = "\u200b"


def written(report: Report, folder: Path, most: int = MIB) -> str:
    path = registry.build("reporter", "summary_md", {"most": most}).write(report, folder)
    assert path.stat().st_size <= most
    return path.read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The table's cells, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [re.split(r" \| ", line.strip("| ")) for line in lines[2:]]


def read(text: str) -> str:
    """Escaped text as a browser shows it, by the rules of CommonMark and HTML."""
    return html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)).replace(ZERO_WIDTH, "")


def test_it_says_who_is_held_first_and_why(report, tmp_path):
    text = written(report, tmp_path)
    assert text.splitlines()[2] == f"**{headline(report)}**"
    assert rows(text) == [
        ["✗", "bad", "reject", "stop_sign", "94 points \\[91, 96\\]", "10", "372"],
        ["✗", "broken", "reject", "stop_sign", "not measured", "10", "0"],
        ["?", "unsure", "undecided", "stop_sign", "not measured", "10", "0"],
        ["!", "excused", "waived", "stop_sign", "94 points \\[91, 96\\]", "10", "372"],
        ["✓", "good", "promote", "stop_sign", "1 points \\[-1, 3\\]", "10", "372"],
    ]
    opened = re.findall(r"<details><summary>(.*?)</summary>", text)
    assert opened == [
        "✗ bad: reject",
        "✗ broken: reject",
        "? unsure: undecided",
        "! excused: waived",
    ]
    assert text.count("</details>") == 4
    bad = text[text.index("✗ bad: reject") :]
    assert read(bad).split("\n\n")[1:3] == [
        f"Why: {report.models['bad'].sentence}",
        "What would change it: train it on pictures in which stop_sign does not go with one class, "
        "and audit it again. The effect must then be shown to be at most 10 points",
    ]


def test_a_model_without_a_deciding_finding_is_in_the_table(report, tmp_path):
    text = written(nobody(report, "the run was killed: run it again"), tmp_path)
    assert rows(text)[0] == ["?", "good", "undecided", "–", "–", "–", "–"]
    assert "What would change it: run it again" in text


def test_the_notes_say_what_else_is_to_be_known(report, tmp_path):
    blocking = replace(report.pairs[0], blocking=True)
    lost = finding_of(
        "mine", ("good", "bad"), "tag", Verdict.UNDECIDED, False, "k is too large", error=True
    )
    shares = {"ambiguity": 0.5, "rashomon_capacity": 0.25}
    members = {"members": ["a", "b"], "decoyed": shares, "control": shares, "plain": shares}
    told = replace(
        report,
        pairs=(*report.pairs, blocking, lost),
        provenance={**report.provenance, "notes": ["2 pictures could not be read"]},
        multiplicity={"stop_sign": members},
    )
    items = [line for line in read(written(told, tmp_path)).splitlines() if line.startswith("- ")]
    assert items == [
        f"- A pair of models blocks: {blocking.claim}",
        "- Note: not asked: k is too large",
        "- Note: 2 equally accurate models disagree on 50 % of other images with stop_sign, on 50 % "
        "under the control, on 50 % without (capacity 0.25, 0.25, 0.25 bits)",
        "- Note: 2 pictures could not be read",
        f"- Scenario: fixtures/demo.yaml, SHA-256 {'0' * 64}",
        f"- Audits: SHA-256 {report.suite['digest']}; every finding is in `verdict.json`",
    ]


def test_the_same_run_has_the_same_bytes(report, tmp_path):
    later = replace(report, provenance={**report.provenance, "time": "2030-01-01T00:00:00+00:00"})
    assert written(report, tmp_path) == written(later, tmp_path)


def test_nothing_was_audited(report, tmp_path):
    text = written(replace(report, models={}, pairs=()), tmp_path)
    assert "**Nothing was audited, so that nobody may be promoted**" in text
    assert "|" not in text


HOSTILE = [
    "a|b", "`rm`", "<img src=x onerror=alert(1)>", "</details>", "[click](http://evil.example)",
    "![x](y)", "@everyone", "fixes #1", "!12 &4 ~bug %7 $9", "GH-12", "www.evil.example", "**b**", "__b__",
    "a_b", "\\", "\\|", "https://evil.example", ":tada:", "a\n\n# b", "<!--", "&lt;", "\ud800", "\u202e", "$x$", "~~s~~",
]  # fmt: skip
# where each of these would begin something in Markdown, HTML, or in what a server links to
ALIVE = (
    r"(?<!\\)[|`*<>\[\]~$]",
    r"(?<![\\A-Za-z0-9])_|(?<!\\)_(?![A-Za-z0-9])",
    r"[@#!%](?=\w)|(?i:gh-\d)|(?i:www\.)|://|:\w+:",
    r"&(?!amp;|lt;|gt;|#8203;)",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_thing_is_called_is_shown_and_not_obeyed(report, tmp_path, text):
    bad = report.models["bad"]
    own = (replace(bad.findings[0], decoy=text, claim=f"{text} turns"),)
    models = {
        text: replace(bad, findings=own, sentence=f"{text} turns"),
        "good": report.models["good"],
    }
    found = written(replace(report, models=models), tmp_path)
    cells = rows(found)[0]
    shown = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    assert (len(cells), read(cells[1]), read(cells[3])) == (7, shown, shown)
    assert f"\nWhy: {shown} turns\n".replace("  ", " ") in read(found)
    assert found.count("<details>") == found.count("</details>") == 1
    assert f"<summary>✗ {shown}: reject</summary>".replace("  ", " ") in html.unescape(
        found
    ).replace(ZERO_WIDTH, "")


@given(st.text(max_size=40) | st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join))
@example("#1@a")
@example("\\`")
def test_escaped_text_is_read_as_it_was_and_begins_nothing(text):
    shown = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    found = escaped(text)
    assert read(found) == shown
    assert html.unescape(escaped(text, markdown=False)).replace(ZERO_WIDTH, "") == shown
    alone = re.sub(r"\\\\", "", found)  # a backslash that is shown escapes nothing behind it
    for pattern in ALIVE:
        assert not re.search(pattern, alone.replace("&#8203;", ZERO_WIDTH)), pattern
    assert not re.search(
        r"[<>\n]|[@#](?=\w)", escaped(text, markdown=False).replace("&#8203;", ZERO_WIDTH)
    )


def test_a_claim_that_has_no_end_is_cut():
    assert escaped("a" * 10 * LONGEST) == "a" * LONGEST + " …"


def crowd(report: Report, count: int, words: int) -> Report:
    bad, good = report.models["bad"], report.models["good"]
    claim = "it turns <b> " * words
    held = replace(bad, findings=(replace(bad.findings[0], claim=claim),), sentence=claim)
    models = {f"m{place}": good if place % 2 else held for place in range(count)}
    return replace(report, models=models)


@pytest.mark.parametrize(("words", "all_of_it"), [(1, True), (100, False)])
def test_five_thousand_models_go_into_a_mebibyte(report, tmp_path, words, all_of_it):
    text = written(crowd(report, 5000, words), tmp_path)
    verdicts = [cells[2] for cells in rows(text)]
    assert verdicts == ["reject"] * 2500 + ["promote"] * 2500
    cut = re.search(r"Models' reasons that are left out for want of room: (\d+); every", text)
    silent = int(cut[1]) if cut else 0
    assert text.count("<details>") == text.count("</details>") == 2500 - silent
    assert (silent == 0) is all_of_it
    assert all_of_it or len(text.encode()) > 0.98 * MIB, "what room there is is used"
    assert text.rstrip().endswith("every finding is in `verdict.json`")


def test_a_table_that_is_cut_says_how_many_models_are_left_out(report, tmp_path):
    text = written(crowd(report, 1000, 1), tmp_path, most=20_000)
    left = re.search(r"\n\nModels that are left out for want of room: (\d+); every", text)
    assert len(rows(text)) + int(left[1]) == 1000
    assert {cells[2] for cells in rows(text)} == {"reject"}
    assert "Models' reasons that are left out for want of room: 500; every" in text


def test_notes_without_end_leave_room_for_the_models(report, tmp_path):
    told = replace(report, provenance={"notes": [f"note {place} " * 50 for place in range(9000)]})
    text = written(told, tmp_path)
    assert len(rows(text)) == 5
    kept = len(re.findall("^- Note: note", text, re.MULTILINE))
    left = re.search(r"Notes that are left out for want of room: (\d+); every", text)
    assert kept + int(left[1]) == 9000
    assert "- Audits: SHA-256" in text
