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
"""

from shortcut_audit.plugin.collecting import (
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_generate_tests,
    pytest_report_collectionfinish,
    pytest_xdist_make_scheduler,
)
from shortcut_audit.plugin.fixtures import FIXTURES, audit, audit_case
from shortcut_audit.plugin.letters import pytest_report_teststatus
from shortcut_audit.plugin.outcomes import (
    pytest_pyfunc_call,
    pytest_runtest_logreport,
    pytest_runtest_makereport,
)
from shortcut_audit.plugin.running import (
    pytest_configure,
    pytest_configure_node,
    pytest_report_header,
    pytest_sessionfinish,
    pytest_sessionstart,
)
from shortcut_audit.plugin.startup import pytest_addoption, pytest_load_initial_conftests

__all__ = [
    "audit",
    "audit_case",
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_generate_tests",
    "pytest_load_initial_conftests",
    "pytest_pyfunc_call",
    "pytest_report_collectionfinish",
    "pytest_report_header",
    "pytest_report_teststatus",
    "pytest_runtest_logreport",
    "pytest_runtest_makereport",
    "pytest_sessionfinish",
    "pytest_sessionstart",
    "pytest_xdist_make_scheduler",
]

globals().update(FIXTURES)  # what an audit can ask for: pytest finds fixtures by their names
