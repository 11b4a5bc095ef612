"""Photographs are decoded once: later they come from the cache, and only while the files are what
they were.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from shortcut_audit import DataError, Pictures, UsageError, rows
from shortcut_audit.files.store import cache_folder
from shortcut_audit.rows import rows_digest
from shortcut_audit.subjects.datasets.image_folder import ImageFolder
from shortcut_audit.subjects.decoding import listing, sheet
from shortcut_audit.subjects.decoding.photograph import OBJECT, Photograph
from shortcut_audit.subjects.pictures import photographs
from shortcut_audit.subjects.pictures.record import of

STEP, PER_CLASS, SIDE = 4, 5, 8
CLASSES = ("cat", "dog")


@pytest.fixture(autouse=True)
def _small_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, blocks of four, and files that may be remembered at once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(rows, "MANY", STEP)
    monkeypatch.setattr(listing, "SETTLED", -(10**9))
    rows._recent().clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures of noise in each of two classes: ten, so that there are three blocks."""
    for label, name in enumerate(CLASSES):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(PER_CLASS):
            save(tmp_path / "data" / name / f"{i}.png", (label, i))
    return tmp_path / "data"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The picture files that were read whole, one after the other."""
    found: list[Path] = []
    original = Path.read_bytes

    def read(file: Path) -> bytes:
        if file.suffix == ".png":
            found.append(file)
        return original(file)

    monkeypatch.setattr(Path, "read_bytes", read)
    return found


def save(file: Path, seed: tuple[int, ...]) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    Image.fromarray(noise).save(file, compress_level=0)  # so that all are of one length


def loaded(folder: Path, label: int | None = None) -> Pictures:
    return ImageFolder(validation=folder).load("validation", SIDE, label=label)


def forgotten() -> None:
    """As in a new process: no block stays in memory."""
    rows._recent().clear()


def kept(kind: str) -> list[Path]:
    return sorted((cache_folder() / kind).rglob("*.safetensors"))


def test_a_second_run_opens_no_picture(folder: Path, reads: list[Path]) -> None:
    cold = loaded(folder)
    whole = cold.pixels[:].clone()
    assert len(reads) == len(set(reads)) == len(cold.ids) == 10
    reads.clear()
    forgotten()
    warm = loaded(folder)
    assert torch.equal(warm.pixels[:], whole)
    assert (warm.digest, warm.broken) == (cold.digest, cold.broken)
    assert not reads


def test_the_digest_is_that_of_the_pixels_whatever_was_dropped(folder: Path) -> None:
    (folder / "cat" / "0.png").write_bytes(b"no picture")
    shutil.copy(folder / "dog" / "1.png", folder / "dog" / "2.png")
    found = loaded(folder)
    assert len(found.ids) == 8
    assert rows_digest(found.pixels) == rows_digest(found.pixels[:])


def test_another_size_is_another_picture(folder: Path) -> None:
    loaded(folder)
    assert ImageFolder(validation=folder).load("validation", 6).pixels[:].shape == (10, 3, 6, 6)


def test_a_file_that_was_exchanged_is_decoded_anew(folder: Path, reads: list[Path]) -> None:
    """It has the same length, and whoever exchanged it set its time back."""
    before, file = loaded(folder), folder / "dog" / "2.png"
    was = file.stat()
    time.sleep(0.02)  # the clock of a disk ticks some hundred times a second
    save(file, (7, 7))
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    now = file.stat()
    assert (now.st_size, now.st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    reads.clear()
    forgotten()
    after = loaded(folder)
    at = before.ids.index("dog/2.png")
    assert after.digest != before.digest
    assert torch.equal(after.pixels[at], decoded(at, folder))
    # that file, and the others of its block, which are decoded again with it
    assert {each.name for each in reads} <= {f"{i}.png" for i in range(PER_CLASS)}
    assert file in reads
    assert len(set(reads)) <= STEP


def decoded(at: int, folder: Path) -> torch.Tensor:
    """(3, h, w): one of the pictures as it is now, with nothing that was kept."""
    name, i = CLASSES[at // PER_CLASS], at % PER_CLASS
    picture = sheet.decode(
        Photograph(folder / name / f"{i}.png", ""),
        (folder / name / f"{i}.png").read_bytes(),
        SIDE,
    )
    assert not isinstance(picture, str)
    return torch.from_numpy(picture[0].transpose(2, 0, 1).copy())


def test_a_file_that_was_just_written_is_not_remembered(
    folder: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may change again within one tick of the disk's clock."""
    monkeypatch.setattr(listing, "SETTLED", 60 * 10**9)
    before = loaded(folder)
    reads.clear()
    assert loaded(folder).digest == before.digest
    assert len(reads) == 10


def test_pictures_that_were_moved_are_not_decoded_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = loaded(folder)
    folder.rename(folder.with_name("elsewhere"))
    monkeypatch.setattr(sheet, "decode", _never)
    forgotten()
    after = loaded(folder.with_name("elsewhere"))
    assert after.digest == before.digest
    assert torch.equal(after.pixels[:], before.pixels[:])


def _never(*_: object) -> str:
    raise AssertionError("it was decoded")


def evicted() -> None:
    shutil.rmtree(cache_folder() / "pixels")


def corrupted() -> None:
    for file in kept("pixels"):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)


def emptied() -> None:
    for file in [*kept("pixels"), *kept("looked")]:
        file.write_bytes(b"")


def without_listing() -> None:
    (cache_folder() / "listing.sqlite").write_bytes(b"no listing" * 1000)


@pytest.mark.parametrize("lost", [evicted, corrupted, emptied, without_listing])
def test_what_is_lost_from_the_cache_is_decoded_again(
    lost: Callable[[], None], folder: Path
) -> None:
    (folder / "cat" / "1.png").write_bytes(b"no picture")
    before = loaded(folder)
    whole = before.pixels[:].clone()
    lost()
    forgotten()
    assert torch.equal(before.pixels[:], whole), "in the run that is under way"
    lost()
    forgotten()
    after = loaded(folder)
    assert torch.equal(after.pixels[:], whole), "and in a later one"
    assert (after.digest, after.broken) == (before.digest, before.broken)


def test_where_nothing_can_be_kept_it_is_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "cat" / "1.png").write_bytes(b"no picture")
    before = loaded(folder)
    whole = before.pixels[:].clone()
    nowhere = Path(os.devnull) / "shortcut-audit"
    monkeypatch.setattr(sheet, "cache_folder", lambda: nowhere)
    monkeypatch.setattr(listing, "cache_folder", lambda: nowhere)
    forgotten()
    after = loaded(folder)
    assert torch.equal(after.pixels[:], whole)
    assert torch.equal(after.pixels[[8, 0, 3]], whole[[8, 0, 3]])
    assert (after.digest, after.broken) == (before.digest, before.broken)


def test_a_file_that_changes_between_look_and_use_is_one_sentence(folder: Path) -> None:
    pictures, file = loaded(folder), folder / "cat" / "3.png"
    evicted()
    forgotten()
    save(file, (8, 8))
    with pytest.raises(UsageError) as caught:
        pictures.pixels[0]
    assert str(caught.value) == (
        f"'{file}' changed during the audit: run it again once the pictures are written"
    )
    assert pictures.pixels[-1].shape == (3, SIDE, SIDE), "of another block"
    file.unlink()
    with pytest.raises(UsageError, match=r"3\.png' changed during the audit: run it again"):
        pictures.pixels[0]


def test_broken_files_are_named_in_the_same_words_each_time(
    folder: Path, reads: list[Path]
) -> None:
    (folder / "cat" / "1.png").write_bytes(b"no picture")
    (folder / "dog" / "0.png").write_bytes((folder / "dog" / "0.png").read_bytes()[:200])
    (folder / "dog" / "3.png").unlink()
    (folder / "dog" / "3.png").symlink_to(folder / "nowhere.png")
    cold = loaded(folder)
    said = [each for each in cold.broken if "cannot be read" in each]
    assert [each.partition("'")[2].partition("'")[0] for each in said] == [
        str(folder / name) for name in ("cat/1.png", "dog/0.png", "dog/3.png")
    ]
    reads.clear()
    forgotten()
    warm = loaded(folder)
    assert warm.broken == cold.broken
    assert warm.digest == cold.digest
    assert {each.name for each in reads} <= {"3.png"}, "none but the one that is not there"


def test_a_broken_file_is_called_what_it_is_called_now(folder: Path) -> None:
    (folder / "cat" / "1.png").write_bytes(b"no picture")
    before = loaded(folder).broken
    folder.rename(folder.with_name("elsewhere"))
    after = loaded(folder.with_name("elsewhere")).broken
    assert after == tuple(each.replace("/data/", "/elsewhere/") for each in before)


def test_where_none_can_be_read_the_words_are_the_same_each_time(folder: Path) -> None:
    for file in folder.rglob("*.png"):
        file.write_bytes(b"no picture")
    said = []
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            loaded(folder)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "0.png' cannot be read: it is no picture of a known format" in said[0]


def test_which_file_cannot_be_read_is_part_of_what_is_kept(tmp_path: Path) -> None:
    """One unreadable file and one picture are not one picture and one unreadable file."""
    save(tmp_path / "a.png", (1,))
    first = [Photograph(tmp_path / name, name, 0) for name in ("none.png", "a.png")]
    for order in (first, first[::-1]):
        forgotten()
        found = sheet.Sheet(order, SIDE, 1)
        at = [each.identity for each in order].index("a.png")
        assert list(found.broken) == [1 - at]
        assert found.rows([at])[:].float().std() > 1


def test_a_class_alone_reads_only_its_own_files(folder: Path, reads: list[Path]) -> None:
    alone = loaded(folder, label=1)
    assert {each.parent.name for each in reads} == {"dog"}
    whole = loaded(folder)
    assert alone.digest == of(whole, whole.labels == 1).digest
    assert torch.equal(alone.pixels[:], whole.pixels[whole.labels == 1])


def with_object(file: Path, size: tuple[int, int] = (12, 12), left: int = 0) -> Photograph:
    """Half of the picture is its object, for whom its size is this one."""

    def outline(_: tuple[int, int]) -> np.ndarray:
        mask = np.zeros(size, bool)
        mask[:, left : left + 6] = True
        return mask

    return Photograph(file, str(file), 0, {OBJECT: outline})


def pictures_of(some: list[Photograph]) -> Pictures:
    return photographs.load("train", some, SIDE, CLASSES, 1).pictures


@pytest.fixture
def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


def test_an_outline_is_made_each_time(files: list[Path]) -> None:
    first = pictures_of([with_object(file) for file in files])
    second = pictures_of([with_object(file, left=6) for file in files])
    assert first.objects is not None
    assert second.objects is not None
    assert first.objects[:, :, :4].all()
    assert not first.objects[:, :, 4:].any()
    assert torch.equal(second.objects[:], ~first.objects[:])
    assert torch.equal(first.pixels[:], second.pixels[:])


def test_masks_stay_when_pixels_are_decoded_again(files: list[Path]) -> None:
    """A dropped picture moves the masks of those behind it."""
    some = [with_object(file, left=6 * (i % 2)) for i, file in enumerate(files)]
    files[1].write_bytes(b"no picture")
    found = pictures_of(some)
    assert found.objects is not None
    before = found.objects[:].clone()
    assert before[:, 0, 0].tolist() == [i % 2 == 0 for i in range(10) if i != 1]
    evicted()
    forgotten()
    found.pixels[:]
    assert torch.equal(found.objects[:], before)


@pytest.mark.parametrize("then", [(12, 12), None])
def test_a_picture_whose_outline_did_not_fit_is_seen_once_it_does(
    files: list[Path], then: tuple[int, int] | None
) -> None:
    first = pictures_of([with_object(files[0], (5, 5)), *map(with_object, files[1:])])
    assert first.ids == tuple(map(str, files[1:]))
    assert "but its annotation is of a picture of 5 x 5" in first.broken[0]
    forgotten()
    mended = with_object(files[0], then) if then else replace(with_object(files[0]), outlines={})
    second = pictures_of([mended, *map(with_object, files[1:])])
    assert len(second.ids) == 10
    assert torch.equal(second.pixels[0], decoded(0, files[0].parents[1]))
    assert rows_digest(second.pixels) == rows_digest(second.pixels[:])


def test_nobody_is_warned_of_odd_metadata_whenever_it_is_decoded(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = sheet.decode

    def warned(*asked: object) -> object:
        warnings.warn("odd metadata", stacklevel=1)
        return original(*asked)

    monkeypatch.setattr(sheet, "decode", warned)
    found = sheet.Sheet([Photograph(files[0], "", 0)], SIDE, 1)
    evicted()
    forgotten()
    with warnings.catch_warnings(record=True) as said:
        assert len(found.rows([0])[:]) == 1
    assert not said


def test_any_number_a_disk_gives_a_file_can_be_noted(
    folder: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some disks number their files in 64 bits, of which SQLite takes 63."""
    original = Path.stat

    def stat(file: Path, **options: bool) -> os.stat_result:
        found = list(original(file, **options))
        plain = original(file, **options)
        found[1] = 2**64 - 1
        return os.stat_result(
            found, {"st_mtime_ns": plain.st_mtime_ns, "st_ctime_ns": plain.st_ctime_ns}
        )

    before = loaded(folder)
    monkeypatch.setattr(Path, "stat", stat)
    assert loaded(folder).digest == before.digest
    with sqlite3.connect(cache_folder() / "listing.sqlite") as opened:
        assert opened.execute("select count(*) from seen").fetchone() == (10,)
    opened.close()
    reads.clear()
    assert loaded(folder).digest == before.digest
    assert not reads


def test_pictures_that_are_decoded_otherwise_than_before_are_no_evidence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of the decoder behind the same names may give other pixels."""
    found = loaded(folder)
    evicted()
    forgotten()
    original = sheet.decode

    def otherwise(*asked: object) -> object:
        picture, masks = original(*asked)
        return 255 - picture, masks

    monkeypatch.setattr(sheet, "decode", otherwise)
    with pytest.raises(UsageError, match="is decoded otherwise than before"):
        found.pixels[:]
    monkeypatch.setattr(sheet, "decode", original)
    assert rows_digest(found.pixels[:]) == rows_digest(found.pixels)


def test_what_pillow_is_told_decides_anew_what_can_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (folder / "cat" / "0.png").read_bytes()
    (folder / "cat" / "0.png").write_bytes(whole[: len(whole) * 3 // 4])
    assert len(loaded(folder).ids) == 9
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert len(loaded(folder).ids) == 10
