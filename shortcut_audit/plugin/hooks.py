"""The hooks that follow a run of ours, together: `shortcut_audit.plugin` registers this module."""

from shortcut_audit.plugin.collecting import (
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_report_collectionfinish,
    pytest_xdist_make_scheduler,
)
from shortcut_audit.plugin.letters import pytest_report_teststatus
from shortcut_audit.plugin.outcomes import pytest_pyfunc_call, pytest_runtest_makereport
from shortcut_audit.plugin.running import (
    pytest_configure,
    pytest_configure_node,
    pytest_report_header,
    pytest_sessionfinish,
    pytest_sessionstart,
)

__all__ = [
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_pyfunc_call",
    "pytest_report_collectionfinish",
    "pytest_report_header",
    "pytest_report_teststatus",
    "pytest_runtest_makereport",
    "pytest_sessionfinish",
    "pytest_sessionstart",
    "pytest_xdist_make_scheduler",
]
