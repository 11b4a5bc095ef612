"""`shortcut-audit store`: what is listed, what is called damaged, and what is taken away."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.cli import main
from shortcut_audit.files.entries import address
from shortcut_audit.files.storage.contract import Held
from shortcut_audit.files.storage.folder import DAY, Folder
from shortcut_audit.files.store import Store
from shortcut_audit.files.upkeep import entries_of, removable

SIZE = 4000  # bytes of the array of each entry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three entries, last used 40, 20 and 0 days ago."""
    where = tmp_path / "evidence"
    for i, kind in enumerate(("masks", "masks", "logits")):
        Store(where).arrays(kind, {"i": i}, lambda: {"x": np.zeros(SIZE, np.uint8)})
        aged(Store(where).path(kind, {"i": i}), days=(40, 20, 0)[i])
    return where


def aged(path: Path, days: float) -> Path:
    then = time.time() - days * DAY
    os.utime(path, (then, then))
    return path


def left(folder: Path) -> list[tuple[str, int]]:
    pairs = [("masks", 0), ("masks", 1), ("logits", 2)]
    return [(kind, i) for kind, i in pairs if Store(folder).path(kind, {"i": i}).exists()]


def store(*arguments: object) -> int:
    return main(["store", *map(str, arguments)])


def test_ls_says_how_many_how_large_and_how_old(folder, capsys):
    assert store("ls", folder) == 0
    logits, masks, together = capsys.readouterr().out.splitlines()
    assert logits.split()[:4] == ["logits", "1", "4.2", "kB"]
    assert masks.split()[:4] == ["masks", "2", "8.4", "kB"]
    dates = [time.strftime("%Y-%m-%d", time.localtime(time.time() - d * DAY)) for d in (40, 20)]
    assert [masks.split()[4], masks.split()[7]] == dates
    assert together == f"3 entries, 12.6 kB in '{folder}'"


def test_a_store_with_nothing_in_it_is_said_to_be_so(tmp_path, capsys):
    for what in ("ls", "verify", "gc"):
        assert store(what, tmp_path) == 0
        assert "0 entries, 0 B" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["ls", "verify", "gc"])
def test_a_folder_that_is_not_there_is_one_sentence(what, tmp_path, capsys):
    assert store(what, tmp_path / "nowhere") == 4
    said = capsys.readouterr().err
    assert f"there is no folder '{tmp_path / 'nowhere'}': name the one that evidence" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "nowhere").exists()


def test_a_wrong_address_is_one_sentence(capsys):
    assert store("ls", "memry://x") == 4
    assert "did you mean 'memory'?" in capsys.readouterr().err


def test_verify_finds_nothing_in_a_whole_store(folder, capsys):
    assert store("verify", folder) == 0
    assert capsys.readouterr().out == f"3 entries, 12.6 kB in '{folder}': nothing is damaged\n"


def test_verify_names_what_was_changed_or_put_elsewhere(folder, capsys):
    first = Store(folder).path("masks", {"i": 0})
    first.write_bytes(first.read_bytes()[:-1] + b"\1")
    Store(folder).path("masks", {"i": 1}).write_bytes(
        Store(folder).path("logits", {"i": 2}).read_bytes()
    )
    assert store("verify", folder) == 1
    said = capsys.readouterr().out
    for i in (0, 1):
        assert f"{address('masks', {'i': i})} is not what was kept there\n" in said
    assert address("logits", {"i": 2}) not in said
    assert "2 of 3 entries" in said
    assert "computes it again" in said


def test_verify_names_what_cannot_be_read(folder, capsys, monkeypatch):
    def fails(self, name):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Folder, "read", fails)
    assert store("verify", folder) == 1
    assert "cannot be read (Input/output error)" in capsys.readouterr().out


def test_verify_is_no_use_of_an_entry(folder):
    before = entries_of(Folder(folder).listed())
    store("verify", folder)
    assert entries_of(Folder(folder).listed()) == before


def test_to_read_an_entry_is_a_use_of_it(folder):
    Store(folder).kept("masks", {"i": 0})
    assert store("gc", folder, "--older-than", "10d") == 0
    assert left(folder) == [("masks", 0), ("logits", 2)]


@pytest.mark.parametrize(
    ("limits", "stays"),
    [
        ((), 3),
        (("--older-than", "30d"), 2),
        (("--older-than", "2w"), 1),
        (("--older-than", "961h"), 3),
        (("--keep-bytes", "9k"), 2),
        (("--keep-bytes", "5kB"), 1),
        (("--keep-bytes", "0"), 0),
        (("--keep-bytes", "1.5G"), 3),
        (("--older-than", "30d", "--keep-bytes", "5k"), 1),
    ],
)
def test_gc_takes_what_was_used_longest_ago(folder, limits, stays, capsys):
    assert store("gc", folder, *limits, "--dry-run") == 0
    assert len(left(folder)) == 3
    forecast = capsys.readouterr().out
    assert store("gc", folder, *limits) == 0
    assert capsys.readouterr().out == forecast.replace("would be removed", "removed")
    assert left(folder) == [("masks", 0), ("masks", 1), ("logits", 2)][3 - stays :]


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (("--older-than", "30"), "'30' is no age: give 30d, 12h, 45m or 2w"),
        (("--keep-bytes", "much"), "'much' is no size: give 20G, 500M or 100k"),
    ],
)
def test_a_limit_that_is_none_is_said(folder, limit, words, capsys):
    with pytest.raises(SystemExit, match="2"):
        store("gc", folder, *limit)
    assert words in capsys.readouterr().err
    assert len(left(folder)) == 3


def test_gc_takes_what_killed_writers_left_but_nothing_that_is_in_use(folder, capsys):
    entry = Store(folder).path("masks", {"i": 0})
    old, young = aged(unfinished(entry, "123"), 2), unfinished(entry, "456")
    free, held = entry.with_suffix(".lock"), Store(folder).path("logits", {"i": 2})
    aged(free, 2)
    aged(held.with_suffix(".lock"), 2)
    release = Folder(folder).claim(address("logits", {"i": 2}), 0)
    assert store("gc", folder) == 0
    release()
    assert not old.exists()
    assert not free.exists()
    assert young.exists()
    assert held.with_suffix(".lock").exists()
    assert len(left(folder)) == 3


def unfinished(entry: Path, process: str) -> Path:
    """What a writer that was killed leaves."""
    path = entry.with_name(f".{entry.name}.{process}.tmp")
    path.touch()
    return path


def test_gc_takes_nothing_that_no_store_has_made(folder, tmp_path):
    others = [
        folder / "masks/ab/model.safetensors",
        folder / "masks/notes.txt",
        folder / "model.safetensors",
        folder / "masks/ab/cd/.x.tmp",
        folder / f"masks/ab/{'0' * 62}.safetensors.bak",
    ]
    for other in others:
        other.parent.mkdir(parents=True, exist_ok=True)
        other.touch()
        aged(other, 400)
    assert store("gc", folder, "--keep-bytes", "0") == 0
    assert left(folder) == []
    assert all(other.exists() for other in others)


def test_what_cannot_be_removed_is_one_sentence(folder, capsys, monkeypatch):
    def fails(self, names):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Folder, "remove", fails)
    assert store("gc", folder, "--keep-bytes", "0") == 4
    said = capsys.readouterr().err
    assert f"'{folder}' failed (Permission denied): see that it can be reached, and that" in said
    assert len(said.splitlines()) == 1


@given(
    sizes=st.lists(st.integers(0, 100), max_size=8),
    older_than=st.none() | st.floats(0, 10),
    keep=st.none() | st.integers(0, 400),
)
def test_what_stays_is_young_and_small_enough_and_no_more_goes(sizes, older_than, keep):
    entries = [Held(str(i), size, at=float(i)) for i, size in enumerate(sizes)]
    going = removable(entries, float(len(sizes)), older_than, keep)
    stays = entries[len(going) :]
    assert going + stays == entries
    assert older_than is None or all(len(sizes) - held.at <= older_than for held in stays)
    assert keep is None or sum(held.size for held in stays) <= keep
    if going:  # the last one that went had to
        last = going[-1]
        too_old = older_than is not None and len(sizes) - last.at > older_than
        too_much = keep is not None and sum(held.size for held in (last, *stays)) > keep
        assert too_old or too_much
