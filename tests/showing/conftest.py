"""One run in which everything was asked, for tests that only look at it."""

from __future__ import annotations

import pytest
from ended_run import Ended, ended


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run in which everything was asked of all three models."""
    run = ended(tmp_path_factory.mktemp("run"))
    run.ask("predictions", "masks", "influence")
    return run
