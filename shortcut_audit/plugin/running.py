"""Whether a run of pytest is one of ours, and the `Run` that it then has."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from shortcut_audit import errors
from shortcut_audit.files.withdrawn import Withdrawn
from shortcut_audit.harness.course.shards import read_shard
from shortcut_audit.harness.plan import LOCAL, Settings
from shortcut_audit.harness.run import Run
from shortcut_audit.plugin.options import Asked
from shortcut_audit.plugin.recorder import Recorder
from shortcut_audit.plugin.screen import Screen, notes_of
from shortcut_audit.plugin.startup import (
    ASKED,
    DISPLACED,
    NOTE,
    RUN,
    asked_by,
    old_verdict,
    only_looks,
)
from shortcut_audit.processors import cores
from shortcut_audit.progress import Notes
from shortcut_audit.reporting.conclusion import report_files
from shortcut_audit.subjects.manifest.candidates import read_candidates

PROBLEM = pytest.StashKey[str]()  # why there is no run, though one is asked for
HANDED = "shortcut_audit"  # the key of `workerinput` under which the controller's digests are


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Makes the `Run` and its recorder, where the command line or the ini file asks for one."""
    asked = asked_by(config)
    if asked is None:
        return
    if only_looks(config.option) or hasattr(config, "workerinput"):
        _note_progress(config, _make_run(config, asked))
        return
    if not asked.by_ini:
        _take_away_the_old(config, asked)
    _refuse_two_engines(config, asked)
    run = _make_run(config, asked)
    if run is None:
        if asked.by_ini:
            return  # the problem is reported where an audit is collected
        raise pytest.UsageError(config.stash[PROBLEM])
    config.pluginmanager.register(
        Recorder(run, config, asked.by_ini, old_verdict(config)), "shortcut-audit-recorder"
    )
    if not asked.by_ini:
        _name_junit(config, run)


def _refuse_two_engines(config: pytest.Config, asked: Asked) -> None:
    if asked.engine != LOCAL and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(
            f"--audit-engine {asked.engine} shares the work out itself, and so does -n: leave one "
            "of them out"
        )


def _name_junit(config: pytest.Config, run: Run) -> None:
    """Names JUnit's file, where nobody did and pytest can write one.

    One shard's, which is no gate, lies in the shard's own folder, whatever it is called.
    """
    if not hasattr(config.option, "xmlpath"):
        return
    named = config.option.xmlpath
    if run.settings.shard is None:
        config.option.xmlpath = named or str(run.reports / "junit.xml")
    elif named:
        config.option.xmlpath = str(run.ledger.folder / Path(named).name)


def _note_progress(config: pytest.Config, run: Run | None) -> None:
    """Has a worker of xdist note how far it is, for the controller to show."""
    worker = getattr(config, "workerinput", None)
    if run is not None and worker is not None:
        run.listener = Notes(notes_of(run.ledger.folder, worker["workerid"]))


def _take_away_the_old(config: pytest.Config, asked: Asked) -> None:
    """Removes what an earlier run left that could be taken for the verdict of this one.

    A reporter that a conftest registers is known by now.
    """
    old = old_verdict(config)
    more = Withdrawn(report_files(asked.folder))
    old.drop()
    more.drop()
    if old.problem or more.problem:
        raise pytest.UsageError(old.problem or more.problem)


def _make_run(config: pytest.Config, asked: Asked) -> Run | None:
    try:
        run = Run(asked.models, asked.scenario, asked.folder, _settings(config, asked))
    except errors.ShortcutAuditError as error:
        config.stash[PROBLEM] = str(error)
        return None
    config.stash[RUN] = run
    return run


def fixtures_only(config: pytest.Config) -> bool:
    """Whether this run lists fixtures."""
    return bool(config.option.showfixtures or config.option.show_fixtures_per_test)


def why_no_run(config: pytest.Config) -> str:
    """Why an audit cannot be run, as a sentence; empty where there is a run."""
    if RUN in config.stash:
        return ""
    if PROBLEM in config.stash:
        return config.stash[PROBLEM]
    if "models" not in config.stash.get(DISPLACED, ()):
        return "audits need models: name their folder, as in `pytest audits/ --models checkpoints/`"
    return (
        "audits need models, and --models is another plugin's here: "
        "name them with `--audit-models checkpoints/`"
    )


def _settings(config: pytest.Config, asked: Asked) -> Settings:
    worker = getattr(config, "workerinput", None)
    displaced = config.stash.get(DISPLACED, frozenset())
    return Settings(
        data=Path(asked.data) if asked.data else None,
        device=asked.device,
        trust_code=asked.trust_code,
        reporting=asked.reporting,
        command=shlex.join(["pytest", *map(str, config.invocation_params.args)]),
        worker=int(worker["workerid"].removeprefix("gw")) if worker else 0,
        workers=int(worker["workercount"]) if worker else 1,
        handed=worker.get(HANDED) if worker else None,
        shard=read_shard(asked.shard) if asked.shard else None,
        store=asked.store,
        engine=asked.engine,
        scenario_word="--audit-scenario" if "scenario" in displaced else "--scenario",
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Says under pytest's own header what is audited."""
    asked = config.stash.get(ASKED, None)
    if RUN not in config.stash or (asked and asked.by_ini):
        return []  # whether an audit is collected is not known yet
    note = config.stash.get(NOTE, "")
    return [*config.stash[RUN].header().splitlines(), *([note] if note else [])]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Shows what happens on the terminal, which is not there yet when pytest is configured."""
    config = session.config
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if RUN in config.stash and reporter is not None and not hasattr(config, "workerinput"):
        screen = Screen(config.stash[RUN], config, reporter)
        config.stash[RUN].listener = screen.ahead
        config.pluginmanager.register(screen, "shortcut-audit-screen")


def workers_for(asked: Asked) -> int | None:
    """`-n auto`: a process for each core, and none without a model of its own; None: as ever."""
    try:
        return max(1, min(cores(), len(read_candidates(Path(asked.models)))))
    except errors.ShortcutAuditError:
        return None  # which is said where the run is made


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells each worker of xdist what the controller read, as digests."""
    if RUN in node.config.stash:
        node.workerinput[HANDED] = node.config.stash[RUN].identity()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands over to xdist's controller what a worker of it noted."""
    if RUN in session.config.stash and hasattr(session.config, "workeroutput"):
        session.config.workeroutput |= session.config.stash[RUN].handed_over()
