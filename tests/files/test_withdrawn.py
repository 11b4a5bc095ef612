"""Files of an earlier run go first, and come back only where the run is none of ours."""

from __future__ import annotations

import pytest

from shortcut_audit.files.withdrawn import Withdrawn


@pytest.fixture
def files(tmp_path):
    there, missing = tmp_path / "verdict.json", tmp_path / "junit.xml"
    there.write_text("old")
    return there, missing


def test_dropped_nothing_is_left(files, tmp_path):
    old = Withdrawn(files)
    assert not files[0].exists()
    old.drop()
    old.put_back()
    assert not list(tmp_path.iterdir())


def test_put_back_all_is_as_before(files, tmp_path):
    Withdrawn(files).put_back()
    assert files[0].read_text() == "old"
    assert list(tmp_path.iterdir()) == [files[0]]


def test_a_newer_file_is_kept(files, tmp_path):
    old = Withdrawn(files)
    files[0].write_text("new")
    old.put_back()
    assert files[0].read_text() == "new"
    assert list(tmp_path.iterdir()) == [files[0]]


def test_what_a_killed_run_put_aside_never_comes_back(files, tmp_path):
    Withdrawn(files)  # and killed
    again = Withdrawn(files)
    again.put_back()
    assert not files[0].exists()
    again.drop()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path):
    old = Withdrawn([tmp_path / "gone/verdict.json"])
    old.drop()
    assert not old.problem


def test_what_cannot_be_taken_away_is_a_sentence(files, monkeypatch):
    """As on a disk that is only read: an old verdict stays, and may not be taken for a new one."""

    def refuse(*_arguments, **_named):
        raise OSError(30, "Read-only file system")

    old = Withdrawn(files)
    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    old.drop()
    assert old.problem.startswith(f"cannot take away '{files[0]}' of the run before (Read-only")
    nothing = Withdrawn([files[1]])
    nothing.drop()
    assert not nothing.problem, "what is not there is no trouble"
