"""What the terminal shows: what is asked, how far it is, and who may be promoted."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from threading import Event
from types import SimpleNamespace

import pytest

from shortcut_audit.plugin import screen as screens
from shortcut_audit.progress import Ahead, Unit

TWO_DECOYS = "  copyright_tag: {kind: copyright_tag, target: blue}"
NOTES_VIOLATED = (
    "from shortcut_audit import at_most\n"
    "def test_x(subject, audit):\n    audit.check([1.0] * 50, 0, at_most(0.1))\n"
)
FAILURES = f"{' FAILURES ':=^80}"
ASKS = re.compile("asks: 3 models x 1 decoy")
ONE = r"after \d+ s: (about \d+ s left; )?[a-z ]+( \d+ of \d+: [\w-]+ with \w+| of [\w-]+)?, \d+ %"
QUICK = ("-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:cacheprovider")


def shown(result) -> list[str]:
    """What is below our own line."""
    lines = result.stdout.str().splitlines()
    (at,) = [number for number, line in enumerate(lines) if re.search("= shortcut audit =", line)]
    return lines[at + 1 :]


def test_it_says_what_will_be_asked_before_the_first_letter(repository):
    made = repository(clean=2, more=TWO_DECOYS)
    result = made.audit()
    asks = "asks: 3 models x 2 decoys, 2 audits, 9 tests: decoy_insertion, rashomon_membership"
    result.stdout.fnmatch_lines([asks, "*.*", "=* FAILURES =*"])
    chosen = made.audit("-k", "membership")
    chosen.stdout.fnmatch_lines(["asks: 3 models, 1 audit, 3 tests: rashomon_membership"])
    one = made.audit("-k", "membership and F0-s0")
    one.stdout.fnmatch_lines(["asks: 1 model, 1 audit, 1 test: rashomon_membership"])


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=" ".join)
def test_a_log_gets_a_line_from_time_to_time_and_the_letters_stay_whole(
    repository, monkeypatch, options
):
    monkeypatch.setattr("shortcut_audit.plugin.screen.MINUTE", 0.0)
    monkeypatch.setattr("shortcut_audit.plugin.screen.OFTEN", 0.0)
    made = repository(clean=2)
    lines = made.audit(*options).stdout.str().splitlines()
    told = [line for line in lines if line.startswith("after ")]
    assert told
    assert [line for line in told if re.fullmatch(ONE, line)] == told
    tests = [line for line in lines[: lines.index(FAILURES)] if line not in told]
    rest = "".join(tests[tests.index(next(filter(ASKS.match, tests))) + 1 :])
    letters = re.sub(r"audits/test_\w+\.py|\[ *\d+%\]|\s", "", rest)
    assert sorted(letters) == sorted(".....F")
    assert not (made.path / "reports/.progress").exists()


class Log:
    """A run whose log is not a terminal: what our screen writes, and a clock."""

    def __init__(self, monkeypatch) -> None:
        self.lines, self.now = [], 0.0
        monkeypatch.setattr(screens.time, "monotonic", lambda: self.now)
        file = SimpleNamespace(encoding="utf-8")
        terminal = SimpleNamespace(_file=file, width_of_current_line=0)
        reporter = SimpleNamespace(
            isatty=False, verbosity=0, _tw=terminal, write_line=self.lines.append
        )
        plugins = SimpleNamespace(getplugin=lambda _: None)
        config = SimpleNamespace(option=SimpleNamespace(), pluginmanager=plugins)
        self.ahead = screens.Screen(SimpleNamespace(), config, reporter).ahead

    def after(self, seconds: float) -> list[str]:
        """What the log holds when so many have passed, though nobody has said anything new."""
        self.now = seconds
        self.ahead.changed()
        return self.lines


def test_a_log_says_how_long_as_soon_as_a_run_over_a_minute_knows(monkeypatch):
    log, units = Log(monkeypatch), [Unit("masks", f"F{i}", "stop_sign") for i in range(4)]
    log.ahead.planned(units)
    assert log.after(20) == []
    log.ahead.at(units[0], 1, 1)
    log.ahead.ended(units[0], 15, computed=True)
    told = "about 45 s left; masks 1 of 4: F0 with stop_sign, 100 %"
    assert log.after(24) == [f"after 24 s: {told}"]
    assert len(log.after(83)) == 1
    assert log.after(85)[1:] == [f"after 1 min: {told}"], "a minute later, and nobody said a word"


def test_a_log_of_a_short_run_says_nothing(monkeypatch):
    log, unit = Log(monkeypatch), Unit("masks", "F0", "stop_sign")
    log.ahead.planned([unit, Unit("masks", "F1", "stop_sign")])
    log.now = 10
    log.ahead.ended(unit, 9, computed=True)
    assert log.after(50) == []


def test_xdists_controller_looks_at_the_clock_though_no_worker_notes_anything():
    looked = Event()
    following = screens.Following(Ahead(changed=looked.set))
    assert looked.wait(30)
    following.stop()


def test_a_second_run_says_that_nothing_is_left(repository, monkeypatch):
    made = repository(clean=2)
    made.audit()
    monkeypatch.setattr("shortcut_audit.plugin.screen.MINUTE", 0.0)
    monkeypatch.setattr("shortcut_audit.plugin.screen.OFTEN", 0.0)
    assert " left; " not in made.audit().stdout.str(), "what is kept is not waited for"


class Shown:
    """As much of a terminal as pytest and we need: lines, a cursor, and what moves it."""

    def __init__(self, width: int) -> None:
        self.width, self.lines, self.row, self.column = width, [""], 0, 0
        self.ever: set[str] = set()  # every line as it was at some time

    def take(self, text: str) -> None:
        for part in re.findall(r"\x1b\]9;.*?(?:\x07|\x1b\\)|\x1b\[[0-9;?]*[A-Za-z]|.", text, re.S):
            if part.startswith("\x1b"):
                self._move(part)
            elif part == "\r":
                self.column = 0
            elif part == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            else:
                self._put(part)

    def _put(self, letter: str) -> None:
        if self.column == self.width:
            self.take("\r\n")
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + letter + line[self.column + 1 :]
        self.column += 1
        self.ever.add(self.lines[self.row])

    def _move(self, sequence: str) -> None:
        count = int(sequence[2:-1] or 1) if sequence[2:-1].isdigit() or sequence[-1] in "AC" else 0
        if sequence[-1] == "A":
            self.row -= count
        elif sequence[-1] == "C":
            self.column += count
        elif sequence[-1] == "K":
            self.lines[self.row] = self.lines[self.row][: self.column]


def on_a_terminal(made, width: int, *options: str, encoding: str = "utf-8") -> Shown:
    """Runs the audits in a process whose output is a pseudo terminal."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(width), "TERM": "xterm"}
    environment["PYTHONIOENCODING"] = encoding
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "pytest", *QUICK, "audits", "--models=models"]
    with subprocess.Popen(
        [*command, "--audit-trust-code", *options],
        cwd=made.path,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    ) as job:
        os.close(theirs)
        screen, read = Shown(width), b""
        while True:
            try:
                read += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
        os.close(ours)
    assert job.returncode == 1
    screen.take(read.decode())
    return screen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "options"), [(40, ("-v", "--color=no")), (80, ("-q", "-n", "2"))]
)
def test_on_a_terminal_one_line_is_written_anew_and_nothing_of_it_stays(repository, width, options):
    made = repository(clean=2)
    made.use("mask_localisation")
    screen = on_a_terminal(made, width, *options)
    assert [line for line in screen.ever if re.match(r"(.* left; )?masks \d of 3: F", line)]
    whole = "\n".join(screen.lines)
    assert not re.search(r"masks \d of|predictions \d+ of|after \d", whole), whole
    assert "reject: F100-s0 turns 100 %" in whole.replace("\n", "")
    table = [line for line in screen.lines if "✗ reject" in line]
    assert len(table) == ("-q" not in options)
    assert all(len(line) <= width for line in table)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=" ".join)
def test_a_terminal_that_lacks_a_models_letters_costs_it_nothing(repository, options):
    made = repository(clean=2)
    made.use("mask_localisation")
    manifest = made.path / "models/rashomon.yaml"
    text = manifest.read_text().replace("F0-s0:", "modèle:").replace("F0-s1:", "modéle:")
    manifest.write_text(text, encoding="utf-8")
    screen = on_a_terminal(made, 100, *options, encoding="ascii")
    whole = "\n".join(screen.lines)
    assert "asks: 3 models x 1 decoy, 3 audits, 9 tests: " in whole
    assert r"mod\xe8le" in whole
    assert r"\x1b" not in whole, "colours are no letters"
    assert set(made.verdicts().values()) == {"promote", "reject"}
    assert not made.verdict()["provenance"]["notes"]
    assert [line for line in screen.ever if re.match(r"(.* left; )?masks \d of 3", line)]


def test_a_terminal_without_pytests_capture(repository):
    screen = on_a_terminal(repository(clean=1), 100, "-p", "no:capture")
    assert "INTERNALERROR" not in "\n".join(screen.lines)
    assert [line for line in screen.lines if "x reject" in line or "✗ reject" in line]


@pytest.mark.parametrize(("color", "painted"), [("yes", True), ("no", False)])
def test_colours_are_asked_for(repository, color, painted):
    made = repository(clean=1)
    said = made.audit(f"--color={color}").stdout.str()
    assert ("\x1b[31m✗ reject\x1b[0m" in said) is painted
    assert ("\x1b" in said) is painted


def test_no_color_is_heeded(repository, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in repository(clean=1).audit().stdout.str()


def test_a_terminal_without_our_symbols_gets_letters(repository, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    made = repository(clean=1)
    result = made.pytester.runpytest_subprocess("audits", "--models=models", "--audit-trust-code")
    result.stdout.fnmatch_lines(["F100-s0  x reject *", "F0-s0    + promote *"])


def test_verbosity(repository, monkeypatch):
    monkeypatch.setattr("shortcut_audit.plugin.screen.OFTEN", 0.0)
    made = repository(clean=2)
    usual = shown(made.audit())
    monkeypatch.setattr("shortcut_audit.plugin.screen.MINUTE", 0.0)
    assert usual[0] == "1 of 3 models must not be promoted: F100-s0 leans on stop_sign for 'green'"
    assert {"page: reports/report.html", "verdict: reports/verdict.json"} <= set(usual)
    assert not [line for line in usual if "evidence took" in line or "finds: " in line]
    whole = shown(made.audit("-v"))
    assert whole[:7] == usual[:7]
    assert [line for line in whole if line.startswith("finds: the smallest effect")]
    assert [line for line in whole if re.match("evidence took.*: predictions .* s", line)]
    quiet = made.audit("-q").stdout.str()
    assert "shortcut audit" not in quiet
    assert "\nafter " not in quiet
    assert "asks: " not in quiet
    assert "\nreject: F100-s0 turns" in quiet
    assert "\nverdict: reports/verdict.json" in quiet
    silent = made.audit("-qq").stdout.str()
    assert "reject:" not in silent
    assert "verdict" not in silent


def test_what_is_only_noted_is_quiet_and_the_letters_are_explained(repository):
    made = repository(clean=1, planted=0)
    (made.path / "audits/test_x.py").write_text(NOTES_VIOLATED)
    result = made.audit("--color=yes")
    assert result.ret == 0
    said = result.stdout.str()
    assert "audits/test_x.py ," in said
    result.stdout.fnmatch_lines(["letters: ',' = only noted, for the audit does not block"])
    result.stdout.fnmatch_lines(["*2 passed*1 noted*"])
    loud = made.audit("-v")
    loud.stdout.fnmatch_lines(["*test_x?F0-s0? NOTED (violated)*"])
    assert "letters: " not in loud.stdout.str()
    (made.path / "audits/test_x.py").unlink()
    assert "letters: " not in made.audit().stdout.str(), "passes need no explanation"


def test_the_forecast_is_what_is_asked_for(repository, monkeypatch):
    asked: list[Ahead] = []
    monkeypatch.setattr(
        "shortcut_audit.plugin.screen.Ahead",
        lambda **given: asked.append(Ahead(**given)) or asked[-1],
    )
    made = repository(clean=1)
    made.use("mask_localisation", "influence_precision", "mask_agreement", "mask_transfer")
    made.audit()
    (ahead,) = asked
    kinds = {"predictions", "masks", "explainer_check", "influence"}
    assert kinds <= set(ahead._planned)
    for kind in kinds:
        assert ahead._planned[kind] == ahead._ended[kind], kind
    assert ahead.left()[0] == 0


@pytest.mark.slow
def test_the_report_says_how_it_was_called_and_on_what(repository):
    made = repository(clean=1, planted=0)
    for options in ((), ("-n", "2")):
        made.audit("-k", "F0 or none", *options)
        said = made.verdict()["provenance"]
        assert said["command"].startswith("pytest audits --models=models --audit-trust-code -k 'F0")
        assert said["device"] == "cpu"


def test_the_pages_style_can_lie_beside_it(repository):
    made = repository(clean=1, planted=0)
    made.audit()
    assert not (made.path / "reports/report.css").exists()
    made.audit("--audit-split-assets")
    assert (made.path / "reports/report.css").is_file()
    (made.path / "reports/report.css").unlink()
    made.pytester.makeini("[pytest]\nscenario = scenario.yaml\naudit_split_assets = yes\n")
    made.audit()
    assert (made.path / "reports/report.css").is_file()
    assert json.loads((made.path / "reports/verdict.json").read_text())["exit_code"] == 0


def test_a_misspelt_audit_that_blocks_is_said_before_anything_runs(repository):
    made = repository(clean=1, planted=0, more="blocking: [decoy_insert]")
    made.audit("--collect-only").stdout.fnmatch_lines(
        [
            "'blocking' names an audit that is not here, so that nobody can pass; "
            "did you mean 'decoy_insertion'[?]"
        ]
    )
    scenario = made.path / "scenario.yaml"
    scenario.write_text(scenario.read_text().replace("decoy_insert]", "decoy_insertion]"))
    assert "is not here" not in made.audit("--collect-only").stdout.str()
