"""What every shelf of tests shares."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# A busy machine and an unlucky draw fail no test: what hypothesis says of them is about time and
# chance, not about a law.
settings.register_profile(
    "laws", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
settings.load_profile("laws")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that are drawn for a test are not kept in the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
