"""Tests -> cases: each audit runs once for each model (or pair) and decoy.

With xdist the tests of one model go to one worker.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from shortcut_audit.errors import ShortcutAuditError
from shortcut_audit.harness.course.work import Planned, in_words
from shortcut_audit.harness.kinds import CASE
from shortcut_audit.harness.plan import audit_name
from shortcut_audit.harness.run import Run
from shortcut_audit.plugin.recorder import Recorder
from shortcut_audit.plugin.running import fixtures_only, why_no_run
from shortcut_audit.plugin.startup import ASKED, RUN, only_looks
from shortcut_audit.promotion import blocks, misspelt
from shortcut_audit.records import Case

NO_CASE = "no-case"


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Makes each case a parameter of the audit; one without a case becomes a test that says why."""
    run = metafunc.config.stash.get(RUN, None)
    if run:
        cases = _cases(run, metafunc)
    else:
        cases = [pytest.param(why_no_run(metafunc.config), id=NO_CASE)]
    metafunc.parametrize(CASE, cases, indirect=True, scope="session")


def _cases(run: Run, metafunc: pytest.Metafunc) -> list[Any]:
    wanted = metafunc.fixturenames
    cases = [pytest.param(case, id=case.id) for case in run.plan(wanted)]
    if cases:
        return cases
    # This skip is no pass: a blocking audit without a case leaves its models undecided, and a run
    # in which nothing was audited fails.
    why = run.without_a_case(metafunc.function.__name__, wanted)
    return [pytest.param(why, id=NO_CASE, marks=pytest.mark.skip(reason=why))]


def case_of(item: pytest.Item) -> Case | str | None:
    """The case of an audit's test, or the sentence that says why it has none.

    None for a test that is no audit.
    """
    callspec = getattr(item, "callspec", None)
    if callspec is None or CASE not in getattr(item, "fixturenames", ()):
        return None
    found: Case | str | None = callspec.params.get(CASE)
    return found


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    """Marks the audits and notes their files, before `-k` and `-m` leave tests out.

    At the end those that decide stand before all others: a gate has its answer before the pictures.
    Of a run that is one shard, the tests of the others are left out last.
    """
    _mark(session, config, items)
    collected = [item.nodeid for item in items] if _is_ours(config, items) else []
    result = yield
    items.sort(key=lambda item: item.get_closest_marker("decides") is None)
    if collected:
        _leave_others_out(config, items, collected)
    return result


def _mark(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    audits = [item for item in items if case_of(item) is not None]
    for item in audits:
        item.add_marker("audit")
    run = config.stash.get(RUN, None)
    if run is None:
        return
    run.collected({item.path for item in audits}, _conftests(config))
    for item in audits:
        if blocks(run.scenario, _audit_of(item)):
            item.add_marker("decides")
    named = not config.stash[ASKED].by_ini if ASKED in config.stash else True
    if named and not audits and not session.testsfailed and not hasattr(config, "workerinput"):
        raise pytest.UsageError(
            "no audit was collected for --models: name their folder, "
            "as in `pytest audits/ --models DIR`"
        )


def _is_ours(config: pytest.Config, items: list[pytest.Item]) -> bool:
    """Whether these tests are a run of ours; one that only the ini file asks for has an audit."""
    asked = config.stash.get(ASKED, None)
    by_ini = asked is not None and asked.by_ini
    return RUN in config.stash and (not by_ini or _any_audit(items))


def _leave_others_out(
    config: pytest.Config, items: list[pytest.Item], collected: list[str]
) -> None:
    """Leaves the tests of a run's other shards out."""
    cases = [item.nodeid for item in items if isinstance(case_of(item), Case)]
    own = set(config.stash[RUN].choose(collected, [item.nodeid for item in items], cases))
    others = [item for item in items if item.nodeid not in own]
    if others:
        items[:] = [item for item in items if item.nodeid in own]
        config.hook.pytest_deselected(items=others)


def _audit_of(item: pytest.Item) -> str:
    """The audit that a test is of."""
    callspec = getattr(item, "callspec", None)
    return audit_name(getattr(item, "originalname", item.name), callspec.params if callspec else {})


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begins the run that only the ini file asks for, if an audit is left to be run.

    Ends pytest with the reason where an audit is to be run and there is no run.
    """
    config = session.config
    if RUN in config.stash and _any_audit(session.items) and not only_looks(config.option):
        config.stash[RUN].expect(_planned(session.items))
    nothing = not _any_audit(session.items) and not _is_shard(config)
    if hasattr(config, "workerinput") or nothing or fixtures_only(config):
        return  # xdist's controller says what is wrong in a worker
    if RUN not in config.stash:
        raise pytest.UsageError(why_no_run(config))
    recorder = config.pluginmanager.get_plugin("shortcut-audit-recorder")
    if isinstance(recorder, Recorder) and not only_looks(config.option):
        recorder.wake(check=True)
        _gather(config.stash[RUN])


def _gather(run: Run) -> None:
    try:
        run.gather()
    except ShortcutAuditError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Says what is asked, and what is audited where pytest's header was too early to say it."""
    asked = config.stash.get(ASKED, None)
    if RUN not in config.stash or not _any_audit(items) or config.option.verbose < 0:
        return []
    run = config.stash[RUN]
    header = run.header().splitlines() if asked is not None and asked.by_ini else []
    audits = [item for item in items if case_of(item) is not None]
    nodeids = [item.nodeid for item in audits]
    said = [*header, in_words(nodeids, run.model_of, run.scenario.named)]
    if hint := misspelt(run.scenario, map(_audit_of, audits)):
        said.append(f"'blocking' names an audit that is not here, so that nobody can pass{hint}")
    return said


def _is_shard(config: pytest.Config) -> bool:
    """Whether these are the tests of a shard of a run of ours, which may be none."""
    return RUN in config.stash and config.stash[RUN].ledger.chosen is not None


def _planned(items: list[pytest.Item]) -> Iterator[Planned]:
    """The tests that have a case, with what they ask for."""
    for item in items:
        case = case_of(item)
        if isinstance(case, Case) and isinstance(item, pytest.Function):
            audit = audit_name(item.originalname, item.callspec.params)
            yield Planned(item.obj, audit, frozenset(item.fixturenames), case)


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
    """Gives all tests of a model to one worker, so that a model is loaded once."""
    asked = config.stash.get(ASKED, None)
    if RUN not in config.stash or (asked and asked.by_ini and config.getoption("dist") != "load"):
        return None
    from shortcut_audit.plugin.by_model import ByModel

    return ByModel(config, log, config.stash[RUN].model_of)
