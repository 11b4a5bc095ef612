"""A store in object storage: the same laws as in a folder but for the locks, and a network."""

from __future__ import annotations

import pickle
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.errors import MachineError, UsageError
from shortcut_audit.files.entries import address, is_sound, packed, unpacked
from shortcut_audit.files.storage import bucket as bucket_module
from shortcut_audit.files.storage.at import storage_at
from shortcut_audit.files.storage.bucket import Bucket
from shortcut_audit.files.storage.folder import Folder
from shortcut_audit.files.store import Store, store_at

pytest.importorskip("fsspec")

KEY = {"model": "a", "area": 0.1}
ARRAYS = {"scores": np.arange(6, dtype=np.float32).reshape(2, 3), "flags": np.array([True, False])}


def refuse() -> dict[str, np.ndarray]:
    raise AssertionError("computed again")


@pytest.fixture(params=["folder", "file", "memory"])
def where(request, tmp_path):
    """An address of each kind, at which nothing lies."""
    if request.param == "memory":
        yield f"memory://{tmp_path.name}/evidence"
        import fsspec

        fsspec.filesystem("memory").store.clear()
    else:
        yield tmp_path if request.param == "folder" else f"file://{tmp_path}/evidence"


def test_evidence_is_computed_once_and_read_by_the_next_run(where):
    for compute in (lambda: ARRAYS, refuse):
        store = store_at(where)
        found = store.arrays("masks", KEY, compute)
        assert found.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype
        assert store.problems == []


def test_a_pickled_store_reads_the_same(where):
    Store(where).arrays("masks", KEY, lambda: ARRAYS)
    assert pickle.loads(pickle.dumps(Store(where))).arrays("masks", KEY, refuse)


def test_what_is_there_is_known(where):
    store = Store(where)
    assert store.kept("masks", KEY) is None
    assert not store.has_kind("masks")
    assert store.free("masks", KEY)
    store.arrays("masks", KEY, lambda: ARRAYS)
    assert store.kept("masks", KEY).keys() == ARRAYS.keys()
    assert not store.free("masks", KEY)
    assert store.has_kind("masks")
    assert not store.has_kind("logits")
    assert store.problems == []


def test_what_this_process_makes_already_is_not_free(where):
    store = Store(where)
    with store.claimed("masks", KEY) as free:
        assert free
        assert not store.free("masks", KEY)
        assert store.arrays("masks", KEY, lambda: ARRAYS)
        assert not store.free("masks", KEY)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:-1] + b"\7"])
def test_a_damaged_entry_is_said_and_made_again(where, damage):
    store = Store(where)
    store.arrays("masks", KEY, lambda: ARRAYS)
    name = address("masks", KEY)
    store.storage.write(name, damage(store.storage.read(name)))
    assert store.arrays("masks", KEY, lambda: ARRAYS).keys() == ARRAYS.keys()
    assert store.problems == [
        f"evidence in '{where}' was not what was kept there: it was computed again"
    ]
    assert Store(where).arrays("masks", KEY, refuse)


def test_another_entrys_bytes_are_not_taken_for_ones_own(where):
    """A clean model's answers under a decoy model's address would promote it."""
    store = Store(where)
    store.storage.write(address("logits", {"model": "decoy"}), packed("logits", KEY, ARRAYS))
    assert store.kept("logits", {"model": "decoy"}) is None


def test_what_fails_leaves_nothing_behind(where):
    store = Store(where)
    with pytest.raises(AssertionError, match="computed again"):
        store.arrays("masks", KEY, refuse)
    assert store.free("masks", KEY)
    assert not [held for held in store.storage.listed() if held.name.endswith(".safetensors")]


def test_what_a_store_needs_on_a_disk_lies_in_a_folder(where, tmp_path):
    folder = Store(where).folder
    assert "memory" in str(where) or tmp_path in (folder, folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    assert Store(where).folder == folder
    assert Store(f"{where}-2").folder != folder


# ------------------------------------------------------------------ a network that fails


@pytest.fixture
def network(monkeypatch):
    """What comes of the next calls of the storage's library, an error or None each; and each pause."""
    opened, faults, slept = Bucket._opened, [], []

    def fails_or_not(self):
        fault = faults.pop(0) if faults else None
        if fault is not None:
            raise fault
        return opened(self)

    monkeypatch.setattr(Bucket, "_opened", fails_or_not)
    monkeypatch.setattr(bucket_module.time, "sleep", slept.append)
    yield faults, slept
    import fsspec

    fsspec.filesystem("memory").store.clear()


TRIES = len(bucket_module.PAUSES)


def test_a_fault_that_passes_is_not_noticed(network):
    faults, slept = network
    faults += [ConnectionError("reset")] * (TRIES - 1)
    store = Store("memory://shared")
    assert store.arrays("masks", KEY, lambda: ARRAYS)
    assert store.problems == []
    assert slept == list(bucket_module.PAUSES[:-1])
    assert Store("memory://shared").arrays("masks", KEY, refuse)


def test_a_fault_that_stays_costs_only_the_keeping(network, monkeypatch):
    faults, _ = network
    faults += [ConnectionError("reset by peer")] * TRIES
    now = [1000.0]
    monkeypatch.setattr(bucket_module.time, "monotonic", lambda: now[0])
    store = Store("memory://shared")
    assert store.arrays("masks", KEY, lambda: ARRAYS) is ARRAYS
    assert store.problems == [
        "evidence in 'memory://shared' could not be read (reset by peer): it was computed again",
        "evidence could not be kept in 'memory://shared' (reset by peer): it will be computed again",
    ]
    assert faults == []
    # it is left alone for a while, so that not each of a thousand entries waits for a dead network
    faults.append(AssertionError("it was asked"))
    assert store.arrays("masks", {"another": 1}, lambda: ARRAYS) is ARRAYS
    assert store.free("masks", KEY)
    assert len(faults) == 1
    faults.clear()
    now[0] += bucket_module.REST + 1
    store.arrays("masks", KEY, lambda: ARRAYS)
    assert Store("memory://shared").arrays("masks", KEY, refuse)


def test_who_may_only_read_still_reads(network):
    faults, slept = network
    Store("memory://shared").arrays("masks", KEY, lambda: ARRAYS)
    store = Store("memory://shared")
    faults += [None, PermissionError("Access Denied")]
    assert store.arrays("masks", {"another": 1}, lambda: ARRAYS) is ARRAYS
    assert store.problems == [
        "evidence could not be kept in 'memory://shared' (Access Denied): it will be computed again"
    ]
    assert slept == []
    assert store.arrays("masks", KEY, refuse)


def test_an_error_of_the_computation_is_not_taken_for_the_networks(network):
    def compute() -> dict[str, np.ndarray]:
        raise ConnectionError("the data set's server")

    store = Store("memory://shared")
    with pytest.raises(ConnectionError, match="data set"):
        store.arrays("masks", KEY, compute)
    assert store.problems == []


# ------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("s4://bucket/x", "no storage is called 's4', as in 's4://bucket/x'; there is file, gs"),
        ("memry://x", "no storage is called 'memry', as in 'memry://x'; did you mean 'memory'?"),
        ("simplecache::s3://b/x", "no storage is called 'simplecache::s3'"),
        ("s3://", "'s3://' is no address of a storage: write s3://bucket/prefix"),
        ("s3:///x", "'s3:///x' is no address of a storage: write s3://bucket/prefix"),
        (Path("s3://bucket/x"), "'s3:/bucket/x' is no address of a storage: write s3://bucket/"),
        ("memory://", "'memory://' is no address of a storage: write memory://prefix"),
        ("file://server/x", "'file://server/x' names a machine and no folder: write file:///path"),
    ],
)
def test_a_wrong_address_is_one_sentence(where, words):
    with pytest.raises(UsageError) as found:
        Store(where)
    assert str(found.value).startswith(words)


@pytest.mark.parametrize(
    ("where", "storage"),
    [
        ("reports/evidence", Folder(Path("reports/evidence"))),
        ("C:/evidence", Folder(Path("C:/evidence"))),
        ("a:b/c", Folder(Path("a:b/c"))),
        ("file:///x/a%20b/", Folder(Path("/x/a b"))),
        ("file:/x", Folder(Path("/x"))),
    ],
)
def test_a_path_is_a_folder(where, storage):
    assert storage_at(where) == storage


def test_an_address_may_end_with_a_slash_and_be_in_capitals():
    assert storage_at("S3://Bucket/Prefix/").where == "s3://Bucket/Prefix"


def test_a_file_in_the_way_is_one_sentence(tmp_path):
    (tmp_path / "evidence").touch()
    with pytest.raises(UsageError, match="is a file, and no folder to keep evidence in"):
        store_at(tmp_path / "evidence")
    assert store_at(tmp_path / "not there yet").problems == []


def test_a_folder_needs_no_fsspec(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for where in (tmp_path, f"file://{tmp_path}"):
        assert store_at(where).arrays("masks", KEY, lambda: ARRAYS)


@pytest.mark.parametrize(
    ("where", "missing", "package"),
    [
        ("s3://bucket/x", "fsspec.core", r"'shortcut-audit\[store\]'"),
        ("s3://bucket/x", "s3fs", r"'shortcut-audit\[store\]'"),
        ("gs://bucket/x", "gcsfs", "gcsfs"),
    ],
)
def test_a_missing_package_is_one_sentence(where, missing, package, monkeypatch):
    known = import_module("fsspec.registry")._registry  # `fsspec.registry` is also a mapping
    monkeypatch.delitem(known, where.partition(":")[0], raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=f"needs a package.* not installed: pip install {package}"):
        store_at(where)


class NoCredentialsError(Exception):
    """As botocore has it, in its name."""


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (PermissionError("Access Denied"), UsageError, "may not list 'memory://x' (Access Denied)"),
        (NoCredentialsError("none"), UsageError, "there are no credentials for 'memory://x'"),
        (OSError("timed out"), MachineError, "'memory://x' cannot be reached (timed out)"),
        (FileNotFoundError("x"), UsageError, "there is no bucket for 'memory://x'"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_at_the_start(fault, error, words, network):
    network[0].append(fault)
    with pytest.raises(error) as found:
        store_at("memory://x")
    assert words in str(found.value)
    assert "\n" not in str(found.value)


# ------------------------------------------------------------------ the bytes of an entry


@given(st.data())
def test_no_change_of_a_byte_goes_unnoticed(data):
    content = packed("masks", KEY, ARRAYS)
    at = data.draw(st.integers(0, len(content) - 1))
    other = bytes([data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))])
    changed = content[:at] + other + content[at + 1 :]
    found = unpacked(changed, "masks", KEY)
    # a space of the header may be another one; what counts is what is read
    assert found is None or all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS)


@given(st.binary(max_size=200))
def test_other_bytes_are_no_entry(content):
    assert unpacked(content, "masks", KEY) is None
    assert not is_sound(address("masks", KEY), content)
    header = len(content).to_bytes(8, "little")
    assert unpacked(header + content, "masks", KEY) is None


def test_an_entry_is_sound_under_its_own_name_alone():
    content = packed("masks", KEY, ARRAYS)
    assert is_sound(address("masks", KEY), content)
    assert not is_sound(address("logits", KEY), content)
    assert not is_sound(address("masks", {"model": "b"}), content)
    assert unpacked(content, "masks", KEY).keys() == ARRAYS.keys()
    assert unpacked(content, "logits", KEY) is None
