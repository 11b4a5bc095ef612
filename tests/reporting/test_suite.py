"""What the suite is: its files, and what was in them."""

from __future__ import annotations

import shutil

import pytest

from shortcut_audit.reporting.suite import Suite, changed, described, joined, read_suite, unlike


@pytest.fixture
def folder(tmp_path):
    for name in (
        "audits/test_a.py",
        "audits/deep/test_b.py",
        "audits/conftest.py",
        "conftest.py",
        "other/conftest.py",
    ):
        (tmp_path / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "one" / name).write_text(name)
    return tmp_path / "one"


def read(folder):
    return read_suite(folder.glob("audits/**/test_*.py"), folder.glob("**/conftest.py"))


def test_the_audits_and_the_conftests_above_them(folder):
    assert list(described(read(folder))["files"]) == [
        "../conftest.py",
        "conftest.py",
        "deep/test_b.py",
        "test_a.py",
    ]


def test_another_place_has_the_same_digest(folder):
    copy = shutil.copytree(folder, folder.parent / "two")
    assert described(read(copy)) == described(read(folder))


@pytest.mark.parametrize("change", ["write", "remove", "add", "rename"])
def test_whatever_changes_changes_the_digest(folder, change):
    before = read(folder)
    file = folder / "audits/test_a.py"
    if change == "write":
        file.write_text("another")
    elif change == "remove":
        file.unlink()
    elif change == "rename":
        file.rename(folder / "audits/test_c.py")
    else:
        (folder / "audits/test_c.py").write_text("")
    assert described(read(folder))["digest"] != described(before)["digest"]
    assert bool(list(changed(before))) is (change != "add")
    assert all(
        "test_a.py' changed while the audits ran" in sentence for sentence in changed(before)
    )


def test_two_processes_that_read_differently(folder):
    one = read(folder)
    (folder / "conftest.py").write_text("another")
    other = read(folder)
    assert ["conftest.py' changed" in sentence for sentence in unlike(one, other)] == [True]
    assert not list(unlike(one, one))
    assert joined(Suite(), one) == one
