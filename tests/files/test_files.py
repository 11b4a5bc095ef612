"""Names and folders as people have them: links, loops, hidden copies, bytes that are no UTF-8,
accents of two forms.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.files.whole import as_bytes, below, canonical, printable


def names(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in below(folder))


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_hidden_files_and_folders_are_left_out_at_any_depth(tmp_path: Path) -> None:
    for name in (
        "a.png",
        "b/c.png",
        ".d.png",
        ".ipynb_checkpoints/a.png",
        "b/.thumbs/c.png",
        "b/@eaDir/c.png/S.png",
    ):
        written(tmp_path / name)
    assert names(tmp_path) == ["a.png", "b/c.png"]


def test_a_hidden_folder_that_is_asked_for_is_read(tmp_path: Path) -> None:
    written(tmp_path / ".cache/data/a.png")
    assert names(tmp_path / ".cache/data") == ["a.png"]


def test_links_are_followed(tmp_path: Path) -> None:
    written(tmp_path / "store/1/a.png")
    written(tmp_path / "one.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/batch").symlink_to(tmp_path / "store")
    (tmp_path / "data/b.png").symlink_to(tmp_path / "one.png")
    (tmp_path / "data/gone.png").symlink_to(tmp_path / "nowhere.png")
    assert names(tmp_path / "data") == ["b.png", "batch/1/a.png", "gone.png"]


def test_a_link_to_a_folder_that_is_there_anyway_adds_nothing(tmp_path: Path) -> None:
    written(tmp_path / "z/a.png")
    before = names(tmp_path)
    # it comes first by name, and yet the folder keeps its own
    (tmp_path / "a").symlink_to(tmp_path / "z")
    (tmp_path / "z/up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    found = names(tmp_path)
    assert [name for name in found if name != "self"] == before


def test_many_links_cost_no_more_than_the_folders_they_lead_to(tmp_path: Path) -> None:
    """Thirty folders with two links each to the next: 2 ** 30 paths, thirty folders."""
    for i in range(30):
        written(tmp_path / f"store/{i}/{i}.png")
        for name in ("x", "y"):
            (tmp_path / f"store/{i}/{name}").symlink_to(tmp_path / f"store/{(i + 1) % 30}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/first").symlink_to(tmp_path / "store/0")
    assert len(names(tmp_path / "data")) == 30


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_read_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scandir(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError):
        names(tmp_path)


@given(st.text(), st.text())
def test_names_that_differ_are_told_apart(one: str, other: str) -> None:
    assert (as_bytes(one) == as_bytes(other)) == (one == other)


@given(
    st.binary(min_size=1).filter(lambda name: b"\0" not in name),
    st.binary(min_size=1).filter(lambda name: b"\0" not in name),
)
def test_so_are_names_of_any_bytes(one: bytes, other: bytes) -> None:
    assert (as_bytes(os.fsdecode(one)) == as_bytes(os.fsdecode(other))) == (one == other)


@given(st.binary())
def test_any_name_can_be_shown_and_written(name: bytes) -> None:
    printable(os.fsdecode(name)).encode()


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_what_is_text_is_shown_as_it_is(name: str) -> None:
    assert printable(name) == name


def test_an_accent_is_part_of_its_letter() -> None:
    assert canonical("rose\u0301") == canonical("ros\u00e9") == "ros\u00e9"
    assert canonical("ros\udce9") == "ros\udce9"
