"""`benchmarks/scale.py` measures what it says: a slope that is known, and a pass that computes."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def scale(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    return importlib.import_module("scale")


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_the_exponent_of_a_power_is_that_power(scale, power):
    assert scale.exponent((100, 1000, 10_000), [3 * n**power for n in (100, 1000, 10_000)]) == (
        pytest.approx(power)
    )


def test_what_was_not_measured_has_no_exponent(scale):
    rows = [dict.fromkeys(scale.QUANTITIES, 2.0) | {"cpu_s": None} for _ in range(2)]
    fitted = scale.fitted(scale.Axis("nodes", (1, 2), scale.FEW), rows)
    assert "cpu" not in fitted
    assert fitted["peak"] == pytest.approx(0)
    assert fitted["n"] == 2


@pytest.mark.parametrize("photographs", [False, True])
def test_a_first_pass_computes_and_a_second_does_not(scale, tmp_path, monkeypatch, photographs):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # the cell sets it
    cell = scale.Cell(images=20, training=25, photographs=photographs)
    first, second = (scale.measured(cell, tmp_path) for _ in range(2))
    assert first["computed"] > 5
    assert second["computed"] == 0
    assert first["undone"] == second["undone"] == 0
    assert first["kept_mb"] == second["kept_mb"] > 0
