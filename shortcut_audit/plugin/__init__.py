"""pytest's hooks and fixtures, which only delegate. The one stage that imports pytest.

`pytest audits/ --models checkpoints/` parametrises every audit over models (or pairs) and decoys,
runs it, and turns what it measured into findings, which travel on the test's report: so `-n`, `-k`,
`-x` and `--lf` all work::

    options < startup       our options are taken out of the arguments, the old verdict away
      < letters             what pytest shows of an audit
      < recorder, screen    findings are written down as they come, the report at the end; what the
                            terminal shows
      < running             whether this is a run of ours
      < by_model            which worker of xdist runs which tests
      < collecting          tests -> cases
      < fixtures, outcomes  what an audit is given, and what becomes of it
      < hooks               all of that together

Where nothing is asked of us, no more than `startup` and the names of `fixtures` is imported: a run
of pytest that is none of ours takes no longer for our being installed.
"""

from __future__ import annotations

from importlib import import_module

import pytest

from shortcut_audit.harness.kinds import CASE
from shortcut_audit.plugin.fixtures import FIXTURES, audit, audit_case
from shortcut_audit.plugin.startup import (
    ASKED,
    asked_by,
    old_verdict,
    pytest_addoption,
    pytest_load_initial_conftests,
)

__all__ = ["audit", "audit_case", "pytest_addoption", "pytest_load_initial_conftests"]

HOOKS = "shortcut-audit-hooks"
globals().update(FIXTURES)  # what an audit can ask for: pytest finds fixtures by their names


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Makes our markers known, and has the other hooks follow a run of ours."""
    config.addinivalue_line(
        "markers",
        "audit: a check of a model; added to every test that asks for the `audit` fixture",
    )
    config.addinivalue_line(
        "markers",
        "decides: an audit that can stop a promotion, by `blocking` in the scenario; these run "
        "first, and `-m decides` runs them alone",
    )
    if asked_by(config) is None:
        old_verdict(config).put_back()
    else:
        _wake(config)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives an audit its cases, or the test that says why it has none."""
    if CASE in metafunc.fixturenames:
        _wake(metafunc.config)
        import_module("shortcut_audit.plugin.collecting").parametrize(metafunc)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """What `-n auto` means for a run of ours; xdist asks before anything is configured."""
    asked = config.stash.get(ASKED, None)
    if asked is None or asked.by_ini:
        return None
    found: int | None = import_module("shortcut_audit.plugin.running").workers_for(asked)
    return found


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Ends the run where an audit was collected and there is no run of ours.

    It is needed on xdist's controller, which collects nothing itself.
    """
    why = getattr(report, "audit_mistake", "")
    if why:
        raise pytest.UsageError(why)


def _wake(config: pytest.Config) -> None:
    if not config.pluginmanager.has_plugin(HOOKS):
        hooks = import_module("shortcut_audit.plugin.hooks")
        if config.pluginmanager.register(hooks, HOOKS) is None:
            raise pytest.UsageError(
                f"without {HOOKS} nothing can be audited: leave out -p no:{HOOKS}"
            )
