"""From collected tests to cases: every audit over models (or pairs) and decoys, and by model to
xdist's workers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shortcut_audit.harness.plan import CASE
from shortcut_audit.plugin.recorder import Recorder
from shortcut_audit.plugin.running import RUN, fixtures_only, why_no_run
from shortcut_audit.plugin.startup import ASKED, only_looks
from shortcut_audit.records import Case

NO_CASE = "no-case"


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each case is a parameter; an audit without one is a single test that says why."""
    if CASE not in metafunc.fixturenames:
        return
    run = metafunc.config.stash.get(RUN, None)
    wanted = metafunc.fixturenames
    cases: list[Any] = [pytest.param(case, id=case.id) for case in run.plan(wanted)] if run else []
    if not run:
        cases = [pytest.param(why_no_run(metafunc.config), id=NO_CASE)]
    elif not cases:
        # Skipped on purpose, and no pass: a blocking audit without a case leaves its models
        # undecided, and nothing audited fails.
        why = run.without_a_case(metafunc.function.__name__, wanted)
        cases = [pytest.param(why, id=NO_CASE, marks=pytest.mark.skip(reason=why))]
    metafunc.parametrize(CASE, cases, indirect=True, scope="session")


def case_of(item: pytest.Item) -> Case | str | None:
    """The case of an audit's test, or the sentence that says why it has none; None for a test that
    is no audit.
    """
    callspec = getattr(item, "callspec", None)
    if callspec is None or CASE not in getattr(item, "fixturenames", ()):
        return None
    found: Case | str | None = callspec.params.get(CASE)
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Marks the audits, and takes the suite down as it is before `-k` and `-m` leave something out."""
    audits = [item for item in items if case_of(item) is not None]
    for item in audits:
        item.add_marker("audit")
    run = config.stash.get(RUN, None)
    if run is None:
        return
    run.collected({item.path for item in audits}, _conftests(config))
    named = not config.stash[ASKED].by_ini if ASKED in config.stash else True
    if named and not audits and not session.testsfailed and not hasattr(config, "workerinput"):
        raise pytest.UsageError(
            "no audit was collected for --models: name their folder, as in `pytest audits/ --models DIR`"
        )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Only an audit that is really to be run makes a run of ours where the ini file alone asks for
    one.
    """
    config = session.config
    if hasattr(config, "workerinput") or not _any_audit(session.items) or fixtures_only(config):
        return  # what is wrong in a worker is said by the controller
    if RUN not in config.stash:
        raise pytest.UsageError(why_no_run(config))
    recorder = config.pluginmanager.get_plugin("shortcut-audit-recorder")
    if isinstance(recorder, Recorder) and not only_looks(config.option):
        recorder.wake(check=True)


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """What is audited, where the head of the run could not say it yet."""
    asked = config.stash.get(ASKED, None)
    told = RUN in config.stash and asked is not None and asked.by_ini and _any_audit(items)
    return config.stash[RUN].header().splitlines() if told else []


def _any_audit(items: list[pytest.Item]) -> bool:
    return any(case_of(item) is not None for item in items)


def _conftests(config: pytest.Config) -> set[Path]:
    files = {
        Path(getattr(plugin, "__file__", None) or "")
        for plugin in config.pluginmanager.get_plugins()
    }
    return {file for file in files if file.name == "conftest.py"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One scope per model, so that each worker loads a model once."""
    asked = config.stash.get(ASKED, None)
    if RUN not in config.stash or (asked and asked.by_ini and config.getoption("dist") != "load"):
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByModel(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return config.stash[RUN].model_of(nodeid)

        def remove_node(self, node: Any) -> str | None:
            """A test that kills its worker is not tried again: xdist's own scheduler would kill one
            worker after the other.
            """
            units = self.assigned_work.get(node, {}).values()
            killer = next(
                (nodeid for unit in units for nodeid, done in unit.items() if not done), None
            )
            for unit in units:
                if killer in unit:
                    unit[killer] = True
            rest: str | None = super().remove_node(node)
            return killer or rest

    return ByModel(config, log)
