"""Which code an answer depends on: what is corrected is another code, what is installed is named by
its version.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from shortcut_audit.evidence.masks.explainers.saliency import Saliency
from shortcut_audit.files.sources import code_of, code_of_module, our_code

NET = "import {name}\nfrom {name}.layers import depth\n\ndef build(classes):\n    import {name}_late\n    return depth\n"


@pytest.fixture
def package(tmp_path, monkeypatch, request):
    """A factory's module that imports a package of its own at the top, and another module inside a
    function.
    """
    name = f"net{abs(hash(request.node.name))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("from . import layers\n")
    (tmp_path / name / "layers.py").write_text("import torch\ndepth = 2\n")
    (tmp_path / f"{name}_late.py").write_text("late = 1\n")
    (tmp_path / f"{name}_factory.py").write_text(NET.format(name=name))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path, name
    for module in [each for each in sys.modules if each.startswith(name)]:
        del sys.modules[module]


@pytest.mark.parametrize("file", ["{}_factory.py", "{}/__init__.py", "{}/layers.py", "{}_late.py"])
def test_a_corrected_line_anywhere_in_a_factorys_code_is_another_code(package, file):
    folder, name = package
    before = code_of_module(f"{name}_factory")
    path = folder / file.format(name)
    path.write_text(path.read_text() + "# corrected\n")
    assert code_of_module(f"{name}_factory") != before


def test_what_a_factory_does_not_import_is_no_part_of_it(package):
    folder, name = package
    before = code_of_module(f"{name}_factory")
    (folder / "unrelated.py").write_text("x = 1\n")
    assert code_of_module(f"{name}_factory") == before


def test_an_installed_library_is_named_by_its_version(package, monkeypatch):
    _, name = package
    before = code_of_module(f"{name}_factory")
    monkeypatch.setattr("shortcut_audit.files.sources._version", lambda top: f"{top} 99")
    assert code_of_module(f"{name}_factory") != before


def test_a_module_that_does_not_parse_is_still_told_apart(package):
    folder, name = package
    (folder / f"{name}_factory.py").write_text("def build(:\n")
    broken = code_of_module(f"{name}_factory")
    (folder / f"{name}_factory.py").write_text("def build(::\n")
    assert code_of_module(f"{name}_factory") != broken


def test_our_own_code_is_named_once_and_a_users_by_its_file():
    assert code_of(Saliency) == ""
    assert len(our_code()) == 64
    assert our_code(("discovery",)) != our_code()

    @dataclass(frozen=True)
    class Own:
        def explain(self):
            return None

    assert len(code_of(Own)) == 64


def test_a_namespace_inside_a_package_that_nobody_imported_is_no_crash(tmp_path, monkeypatch):
    deep = tmp_path / "outer_of_nobody/inner_without_init"
    deep.mkdir(parents=True)
    (tmp_path / "outer_of_nobody/__init__.py").touch()
    (deep / "leaf.py").write_text("x = 1\n")
    (tmp_path / "uses_leaf.py").write_text("import outer_of_nobody.inner_without_init.leaf\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert len(code_of_module("uses_leaf")) == 64
