"""`ci/density.py` on small packages whose figures are known beforehand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "ci/density.py"
ORDERLY = '"""A module that keeps every limit."""\n'
ROOM = "# a comment\n" * 100  # so many lines that a few comprehensions keep their limit


def function(name: str, lines: int = 1, parameters: str = "", about: str = "What it does.") -> str:
    """A function with a body of so many lines, less its docstring."""
    docstring = f'    """{about}"""\n' if about else ""
    body = "    pass\n" * lines
    return f"def {name}({parameters}):\n{docstring}{body}"


def method(parameters: str) -> str:
    """A class with one method."""
    inner = function("method", parameters=parameters).replace("\n", "\n    ").rstrip(" ")
    return f'class Thing:\n    """What it is."""\n\n    {inner}'


ORDERLY += function("one") + function("two")


@pytest.fixture
def density(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, in a folder that has no package yet."""
    spec = importlib.util.spec_from_file_location("density", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "density", script)  # its dataclasses look their module up
    spec.loader.exec_module(script)
    monkeypatch.chdir(tmp_path)
    return script


def write(density: ModuleType, files: dict[str, str]) -> None:
    """A package of an orderly module and these: path in the package -> text."""
    for name, text in {"orderly.py": ORDERLY, **files}.items():
        path = density.PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def figure(density: ModuleType, words: str, files: dict[str, str] | str):
    """The one figure whose name has these words, of a package with these files or this module."""
    write(density, {"module.py": files} if isinstance(files, str) else files)
    sources = [density.read(path) for path in sorted(density.PACKAGE.rglob("*.py"))]
    (found,) = [each for each in density.figures(sources) if words in each.name]
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ROW = [n for n in ()]\n", 0),
        ("ROWS = [[n for n in row] for row in ()]\n", 1),
        ("ROWS = [sum(n for n in row) for row in ()]\n", 1),
        ("PAIRS = {(a, b) for a in () for b in ()}\n", 1),
    ],
)
def test_a_comprehension_within_another_and_one_with_two_fors_are_nested(density, text, value):
    found = figure(density, "nested", text)
    assert found.value == value
    assert found.places == ("shortcut_audit/module.py:1",) * value


def test_comprehensions_are_counted_per_100_lines(density):
    text = "A = [n for n in ()]\nB = {n: n for n in ()}\nC = {n for n in ()}\nD = list(n for n in ())\n"
    filler = "#\n" * (50 - 4 - len(ORDERLY.splitlines()))
    assert figure(density, "per 100 lines", text + filler).value == 8


@pytest.mark.parametrize(("length", "value"), [(100, 0), (101, 1)])
def test_a_line_of_101_characters_is_too_long(density, length, value):
    found = figure(density, "characters", "\n" + "#" * length + "\n")
    assert found.value == value
    assert found.places == ("shortcut_audit/module.py:2",) * value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (function("six", parameters="a, b, c, d, e, f"), 0),
        (function("seven", parameters="a, b, c, d, e, f, g"), 1),
        (function("seven", parameters="a, b, /, c, d, *, e, f, g=0"), 1),
        (method("self, a, b, c, d, e, f"), 0),
        (method("cls, a, b, c, d, e, f"), 0),
        (method("self, a, b, c, d, e, f, g"), 1),
    ],
)
def test_seven_parameters_are_too_many_and_self_is_none(density, text, value):
    assert figure(density, "parameters", text).value == value


@pytest.mark.parametrize(("lines", "value"), [(40, 0), (41, 1)])
def test_a_body_of_41_lines_is_too_long_and_its_docstring_does_not_count(density, lines, value):
    about = "What it does.\n\n    " + "And why. " * 5 + "\n    "
    found = figure(density, "bodies over", function("tall", lines, about=about))
    assert found.value == value
    assert found.places == ("shortcut_audit/module.py:1 tall",) * value


def test_the_median_body_is_that_of_every_function(density):
    text = function("three", 3) + function("five", 5) + function("nine", 9)
    assert figure(density, "median", text).value == 3  # of 1, 1, 3, 5, 9


def test_a_public_docstring_that_lacks_is_counted_and_named(density):
    # public: the orderly module and its two functions; this module, Thing, Thing.method, silent
    text = '"""A module."""\n' + method("self") + function("silent", about="")
    text += function("_private", about="")
    found = figure(density, "docstrings", text)
    assert found.value == pytest.approx(100 * 6 / 7)
    assert found.places == ("shortcut_audit/module.py:8 silent",)


@pytest.mark.parametrize(
    "signature",
    [
        "@overload\ndef build(kind): ...\n",
        "@typing.overload\ndef build(kind): ...\n",
        'class Thing:\n    """What it is."""\n\n    @overload\n    def build(self): ...\n',
    ],
)
def test_a_signature_alone_needs_no_docstring(density, signature):
    text = f'"""A module."""\n{signature}' + function("build")
    found = figure(density, "docstrings", text)
    assert found.value == 100
    assert found.places == ()


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [
        ("import shortcut_audit.b\n", "", 0),
        ("import shortcut_audit.b\n", "from shortcut_audit import a\n", 2),
        ("from shortcut_audit.b import name\n", "from shortcut_audit.a import name\n", 2),
        ("import shortcut_audit.b\n", "def late():\n    import shortcut_audit.a\n", 0),
        ("import os\n", "import os\n", 0),
    ],
)
def test_two_modules_that_import_each_other_are_a_cycle(density, first, second, value):
    found = figure(density, "cycles", {"a.py": first, "b.py": second})
    assert found.value == value
    assert found.places == ("shortcut_audit.a", "shortcut_audit.b")[:value]


@pytest.mark.parametrize(
    ("room", "modules", "value"),
    [("room", 12, 0), ("room", 13, 1), ("room/inner", 13, 1), ("decoys", 13, 0), (".", 13, 0)],
)
def test_a_room_of_13_entries_is_crowded_and_a_registry_is_not(density, room, modules, value):
    files = {f"{room}/m{number}.py": "" for number in range(modules)}
    found = figure(density, "entries", {f"{room}/__init__.py": "", **files})
    assert found.value == value
    assert found.places == (f"shortcut_audit/{room}: 13 entries",) * value


def test_a_room_within_a_room_is_one_of_its_entries(density):
    files = {f"room/m{number}.py": "" for number in range(12)}
    assert figure(density, "entries", {**files, "room/inner/m.py": ""}).value == 1


@pytest.mark.parametrize(
    ("value", "limit", "at_least", "kept"),
    [(0, 0, False, True), (1, 0, False, False), (95, 95, True, True), (94.9, 95, True, False)],
)
def test_a_figure_beyond_its_limit_is_not_kept(density, value, limit, at_least, kept):
    assert density.Figure("figure", value, limit, at_least=at_least).kept is kept


SEVEN = "a, b, c, d, e, f, g"
BEYOND = {
    "nested comprehensions": {"a.py": ORDERLY + ROOM + "A = [[n for n in row] for row in ()]\n"},
    "comprehensions per 100 lines": {"a.py": ORDERLY + "A = [n for n in ()]\n"},
    "lines over": {"a.py": ORDERLY + "#" * 101},
    "parameters": {
        "a.py": ORDERLY + "".join(function(f"f{n}", parameters=SEVEN) for n in range(6))
    },
    "docstrings": {"a.py": "ANSWER = 42\n"},
    "cycles": {
        "a.py": ORDERLY + "import shortcut_audit.b\n",
        "b.py": ORDERLY + "import shortcut_audit.a\n",
    },
    "bodies over": {"a.py": ORDERLY + function("tall", 41)},
    "median body": {"a.py": ORDERLY + "".join(function(f"f{n}", 6) for n in range(5))},
    "entries": {f"room/m{number}.py": ORDERLY for number in range(13)},
}


@pytest.mark.parametrize("words", BEYOND)
def test_the_script_fails_where_one_figure_is_beyond_its_limit(density, words, monkeypatch, capsys):
    write(density, BEYOND[words])
    monkeypatch.setattr(sys, "argv", ["density.py", "--list"])
    assert density.main() == 1
    said = capsys.readouterr().out.splitlines()
    (marked,) = [line for line in said if line.endswith("<-- beyond it")]
    assert words in marked


def test_the_script_passes_where_every_limit_is_kept(density, monkeypatch, capsys):
    write(density, {})
    monkeypatch.setattr(sys, "argv", ["density.py", "--list"])
    assert density.main() == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(BEYOND), "a figure has no example that is beyond its limit"
    assert "beyond" not in "".join(said)


def test_the_places_beyond_a_limit_are_listed_where_asked_for(density, monkeypatch, capsys):
    write(density, BEYOND["bodies over"])
    place = "shortcut_audit/a.py:8 tall"
    monkeypatch.setattr(sys, "argv", ["density.py"])
    density.main()
    assert place not in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["density.py", "--list"])
    density.main()
    assert place in capsys.readouterr().out
