"""A store in a real S3 server on this machine: kills, damage and a network that goes away."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from shortcut_audit.cli import main
from shortcut_audit.errors import MachineError, UsageError
from shortcut_audit.files.entries import address, is_sound
from shortcut_audit.files.storage import bucket as bucket_module
from shortcut_audit.files.store import Store, store_at

boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")
pytest.importorskip("s3fs")

pytestmark = pytest.mark.slow

WHERE = "s3://evidence/of/a-run"
WRITER = """
import sys, time
import numpy as np
from shortcut_audit.files.store import Store
store = Store("s3://evidence/of/a-run")
for i in range(100):
    store.arrays("blocks", {"block": i}, lambda: {"x": np.full(1000, i)})
    print(i, flush=True)
"""


@pytest.fixture(scope="module")
def server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield running.get_host_and_port()
    running.stop()


@pytest.fixture
def s3(server, monkeypatch):
    """A client that is none of ours, and a bucket in which nothing lies."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server))
    client = boto3.client("s3")
    client.create_bucket(Bucket="evidence")
    yield client
    for key in keys(client):
        client.delete_object(Bucket="evidence", Key=key)
    client.delete_bucket(Bucket="evidence")
    client.close()


def keys(client) -> list[str]:
    return [each["Key"] for each in client.list_objects_v2(Bucket="evidence").get("Contents", [])]


def key_of(block: int) -> str:
    return "of/a-run/" + address("blocks", {"block": block})


def resumed(blocks: int) -> tuple[list[int], list[str]]:
    """Which blocks a run computes, and what it says."""
    store, made = store_at(WHERE), []
    for i in range(blocks):
        made_of = lambda i=i: made.append(i) or {"x": np.full(1000, i)}  # noqa: E731
        assert (store.arrays("blocks", {"block": i}, made_of)["x"] == i).all()
    return made, store.problems


def test_a_killed_writer_is_resumed_where_it_was_killed(s3):
    with subprocess.Popen([sys.executable, "-c", WRITER], stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            if line == "6\n":
                run.send_signal(signal.SIGKILL)
                break
    written = len(keys(s3))
    assert 7 <= written < 100
    assert resumed(20) == (list(range(written, 20)), [])
    assert resumed(20) == ([], [])


def test_an_upload_that_is_cut_off_leaves_no_readable_entry(s3, server):
    with socket.create_connection(server) as upload:
        start = (
            f"PUT /evidence/{key_of(0)} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n\r\n"
        )
        upload.sendall(start.encode() + b"x" * 4000)
    assert Store(WHERE).kept("blocks", {"block": 0}) is None
    assert resumed(1)[0] == [0]
    assert resumed(1) == ([], [])


def test_a_damaged_entry_is_named_computed_again_and_overwritten(s3, capsys):
    resumed(3)
    assert main(["store", "verify", WHERE]) == 0
    whole = s3.get_object(Bucket="evidence", Key=key_of(1))["Body"].read()
    s3.put_object(Bucket="evidence", Key=key_of(1), Body=whole[:-1] + b"\1")
    assert main(["store", "verify", WHERE]) == 1
    assert address("blocks", {"block": 1}) in capsys.readouterr().out
    assert resumed(3) == (
        [1],
        [f"evidence in '{WHERE}' was not what was kept there: it was computed again"],
    )
    again = s3.get_object(Bucket="evidence", Key=key_of(1))["Body"].read()
    assert is_sound(address("blocks", {"block": 1}), again)
    assert resumed(3) == ([], [])
    assert main(["store", "verify", WHERE]) == 0


def test_a_kept_entry_costs_one_request(s3):
    import fsspec

    resumed(1)
    store = Store(WHERE)
    files = fsspec.filesystem("s3", use_listings_cache=False)
    asked: list[str] = []
    files.s3.meta.events.register(
        "before-send.s3", lambda request, **_: asked.append(request.method)
    )
    store.arrays("blocks", {"block": 0}, lambda: pytest.fail("computed again"))
    assert asked == ["GET"]
    store.arrays("blocks", {"block": 1}, lambda: {"x": np.ones(1)})
    assert asked == ["GET", "GET", "PUT"]


def test_only_what_a_store_keeps_is_listed_and_removed(s3, capsys):
    resumed(3)
    s3.put_object(Bucket="evidence", Key="of/a-run/model.safetensors", Body=b"somebody's model")
    s3.put_object(Bucket="evidence", Key="of/a-run-2/other", Body=b"another run")
    assert main(["store", "ls", WHERE]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split()[:2] == ["blocks", "3"]
    assert said[-1].startswith("3 entries, ")
    assert main(["store", "gc", WHERE, "--keep-bytes", "0", "--dry-run"]) == 0
    assert len(keys(s3)) == 5
    assert main(["store", "gc", WHERE, "--keep-bytes", "9k"]) == 0
    assert len(keys(s3)) == 3
    assert main(["store", "gc", WHERE, "--keep-bytes", "0"]) == 0
    assert keys(s3) == ["of/a-run-2/other", "of/a-run/model.safetensors"]


def test_a_bucket_that_is_not_there_is_one_sentence(s3):
    with pytest.raises(UsageError, match="there is no bucket for 's3://elsewhere/x'"):
        store_at("s3://elsewhere/x")
    assert store_at("s3://evidence").problems == []


def test_credentials_that_are_not_there_are_one_sentence(s3, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    forget(monkeypatch)
    with pytest.raises(UsageError, match=f"there are no credentials for '{WHERE}'"):
        store_at(WHERE)


def test_a_server_that_is_not_there(s3, monkeypatch):
    resumed(1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(bucket_module, "PAUSES", (0.0,))
    forget(monkeypatch)
    store = Store(WHERE)
    assert store.arrays("blocks", {"block": 0}, lambda: {"x": np.zeros(1)})["x"] == 0
    first, second = store.problems
    assert "could not be read (Could not connect" in first
    assert "could not be kept" in second
    with pytest.raises(MachineError, match=f"'{WHERE}' cannot be reached"):
        store_at(WHERE)


def forget(monkeypatch) -> None:
    """A client of its own, as a process of its own would have."""
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "_cache", {})
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def test_a_process_that_was_forked_reads_too(s3):
    resumed(1)
    child = os.fork()
    if child == 0:
        found = Store(WHERE).kept("blocks", {"block": 0})
        os._exit(0 if found is not None and (found["x"] == 0).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_it_is_quiet_where_every_warning_is_an_error(s3):
    code = WRITER.replace("range(100)", "range(2)")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
