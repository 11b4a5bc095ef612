"""The table that decides: what it says, and that it fits the terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortcut_audit.exhibits import Exhibit
from shortcut_audit.records import Decision, Report
from shortcut_audit.reporting.deciding import SYMBOLS, headline
from shortcut_audit.reporting.matrix import disagreements, matrix, reasons
from shortcut_audit.reporting.table import LEAST, Look, cut, summary, table


def words(line):
    return line.split()


def test_a_line_for_each_model_with_what_decided(report):
    head, *rows, legend = table(report)
    assert words(head) == ["model", "verdict", "worst", "decoy", "points", "limit", "n", "audit"]
    assert (
        " ".join(words(rows[0])) == "bad ✗ reject stop_sign: cat 94 [91, 96] 10 372 decoy_insertion"
    )
    assert words(rows[1])[3:] == [
        "stop_sign:",
        "cat",
        "not",
        "measured",
        "10",
        "0",
        "decoy_insertion",
    ]
    assert words(rows[2])[:3] == ["unsure", "?", "undecided"]
    assert words(rows[3])[:3] == ["excused", "!", "waived"]
    assert words(rows[4])[:7] == ["good", "✓", "promote", "stop_sign:", "cat", "1", "[-1,"]
    assert legend.endswith("; of a promoted model the nearest to it")
    assert not any(line != line.rstrip() for line in (head, *rows))


def test_the_class_is_said_where_the_exhibits_say_it(report):
    shown = replace(report, exhibits=(Exhibit("bad", "0" * 64, "stop_sign", "cat", 300, 290),))
    assert words(table(shown)[1])[3:6] == ["stop_sign:", "cat", "94"]
    finding = report.models["bad"].findings[0]
    elsewhere = replace(finding, audit="decoy_insertion@elsewhere")
    bad = replace(report.models["bad"], findings=(elsewhere,))
    assert ": cat" not in table(replace(shown, models={"bad": bad}))[1]


def test_an_innocent_effect_is_marked_and_the_mark_explained(report):
    good = report.models["good"]
    found = good.findings[0]
    excused = replace(found, judgement=replace(found.judgement, excess=0.0))
    shown = replace(report, models={"good": replace(good, findings=(excused,))})
    _, row, legend = table(shown)
    assert "1~ [-1, 3]" in row
    assert legend.endswith("; ~ clean models show as much")


def test_a_model_that_no_finding_decided_has_its_verdict_and_no_figure(report):
    odd = replace(
        report.models["good"], decision=Decision.UNDECIDED, sentence="good was not audited"
    )
    _, row, legend = table(replace(report, models={"good": odd}))
    assert row == "good   ? undecided"
    assert "promoted" not in legend
    assert table(replace(report, models={})) == []


def named(report: Report, names: list[str], decoy: str) -> Report:
    bad = report.models["bad"]
    models = {}
    for name in names:
        finding = replace(bad.findings[0], decoy=decoy)
        models[name] = replace(bad, findings=(finding,))
    return replace(report, models=models)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.text("abc-_0é", min_size=1, max_size=60), min_size=1, max_size=4, unique=True
    ),
    decoy=st.text("stop_", min_size=1, max_size=40),
    width=st.integers(40, 200),
)
def test_no_line_is_wider_than_the_terminal_and_none_is_stretched(report, names, decoy, width):
    report = named(report, names, decoy)
    *lines, _ = table(report, Look(width=width))
    assert max(map(len, lines)) <= width
    assert all("✗ reject" in line and "94 [91, 96]" in line for line in lines[1:])
    widest = table(report)
    if max(map(len, widest[:-1])) <= width:
        assert [*lines, widest[-1]] == widest


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (40, "model verdict points"),
        (50, "model verdict worst decoy points"),
        (54, "model verdict worst decoy points limit"),
        (60, "model verdict worst decoy points limit n"),
        (80, "model verdict worst decoy points limit n audit"),
    ],
)
def test_what_matters_least_is_left_out_first(report, width, head):
    assert words(table(report, Look(width=width))[0]) == words(head)


@given(st.text(min_size=1), st.integers(3, 40))
def test_a_cut_text_keeps_its_beginning_and_its_end(text, width):
    short = cut(text, width)
    assert len(short) == min(len(text), width)
    if len(text) > width:
        begins, _, ends = short.partition("…") if "…" not in text else (text[:1], "", text[-1:])
        assert text.startswith(begins)
        assert text.endswith(ends)
    assert min(LEAST.values()) > 3


def painted(text: str, colour: str) -> str:
    return f"<{colour}>{text}</>"


def test_colours_are_around_the_verdict_alone(report):
    plain, coloured = table(report), table(report, Look(paint=painted))
    assert "<red>✗ reject</>" in coloured[1]
    assert "<green>✓ promote</>" in coloured[5]
    for colour in ("<red>", "<green>", "<yellow>", "</>"):
        coloured = [line.replace(colour, "") for line in coloured]
    assert coloured == plain
    assert len(set(SYMBOLS.values())) == len(Decision), "without colours they differ too"


def test_with_q_it_says_why_with_v_it_says_everything(report):
    report = replace(report, provenance={**report.provenance, "notes": ["a picture is torn"]})
    said = list(summary(report))
    assert said[0] == headline(report)
    assert said[2:9] == table(report)
    assert said[-1] == "a picture is torn"
    assert list(summary(report, Look(verbosity=-1))) == list(reasons(report))
    whole = list(summary(report, Look(verbosity=1)))
    rows = matrix(report)
    at = whole.index(rows[0])
    assert whole[at : at + len(rows)] == rows
    assert [line for line in whole if line not in rows and line] == [line for line in said if line]
    assert not list(disagreements(report))
