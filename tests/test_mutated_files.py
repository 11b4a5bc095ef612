"""Files that are cut, flipped, spliced and edited by chance: a slice of what benchmarks/fuzz.py runs."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

from shortcut_audit.errors import UsageError

FILE = Path(__file__).parents[1] / "benchmarks/fuzz.py"
KINDS = ("pt", "safetensors", "manifest", "scenario", "pictures", "table")


def loaded(file: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # where its dataclasses look their types up
    spec.loader.exec_module(module)
    return module


fuzz = loaded(FILE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_is_a_result_or_one_of_our_errors(kind):
    found = fuzz.tally(kind, range(30))
    assert not found.wrong, "\n".join(found.wrong)
    assert found.outcomes.total() == 30


@pytest.mark.parametrize("kind", KINDS)
def test_the_good_file_is_fine(kind, monkeypatch):
    """Else whatever is made of it would be refused for another reason."""
    monkeypatch.setattr(fuzz, "mutated", lambda good, _rng, _text: good)
    assert fuzz.outcome(kind, 0) == ("fine", "")


def test_what_must_not_be_is_seen(monkeypatch):
    def wrong(_folder, _rng):
        raise KeyError("nobody caught it")

    def refused(_folder, _rng):
        raise UsageError("no")

    def waits(_folder, _rng):
        raise fuzz.HangError

    for kind, what in (("wrong", wrong), ("refused", refused), ("waits", waits)):
        monkeypatch.setitem(fuzz.KINDS, kind, (what, 1))
    assert fuzz.outcome("wrong", 0) == ("wrong", "KeyError: 'nobody caught it'")
    assert fuzz.outcome("refused", 0) == ("UsageError", "no")
    assert fuzz.tally("waits", range(2)).wrong == [
        f"--kind waits --only {number}: it took too long" for number in range(2)
    ]


def test_weights_that_are_not_the_file_s_are_seen(tmp_path):
    file = tmp_path / "F0.safetensors"
    file.write_bytes(fuzz._checkpoint(".safetensors"))
    state = fuzz._network().state_dict()
    fuzz._same_weights(file, state)
    with pytest.raises(AssertionError, match=r"fc\.bias is not the file's"):
        fuzz._same_weights(file, {**state, "fc.bias": state["fc.bias"] + 1})


def test_the_same_number_is_the_same_input():
    good = fuzz._manifest(".pt")
    made = [fuzz.mutated(good, random.Random("manifest 7"), True) for _ in range(2)]
    assert made[0] == made[1] != good
