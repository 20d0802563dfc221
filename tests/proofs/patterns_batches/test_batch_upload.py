"""Rows of a counted batch from uploads: repeated, killed in the middle, with wrong lines, revoked, lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.contract import Role
from tests.harness import mutants
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

BATCHES, WORKER = "/v1/batches", "worker-bulk"
#: Not only `_ROWS` rows but also several chunks.
_ROWS = 2_500

Batch = dict[str, Any]


def _lines(meter: str, rows: int = _ROWS) -> list[bytes]:
    return [b'{"meter": "%s", "watt_hours": %d}' % (meter.encode(), number) for number in range(rows)]


def _opened(client: httpx.Client) -> str:
    return str(client.post(BATCHES, json={"task": "meter_totals"}).raise_for_status().json()["status_url"])


def _uploaded(client: httpx.Client, lines: Sequence[bytes]) -> str:
    content = b"\n".join(lines) + b"\n"
    answer = client.post("/v1/uploads", content=content).raise_for_status().json()
    assert answer["key"] == sha256(content).hexdigest()
    return str(answer["key"])


def _added(client: httpx.Client, batch: str, upload: str) -> Batch:
    answer = client.put(f"{batch}/uploads/{upload}")
    assert answer.status_code == 202, answer.text
    found: Batch = answer.json()
    return found


def _ended(client: httpx.Client, batch: str, upload: str) -> Batch:
    def read() -> Batch | None:
        found: Batch = client.get(f"{batch}/uploads/{upload}").raise_for_status().json()
        return found if found["state"] != "waiting" else None

    return eventually(read, what="the upload is read", tolerate=(httpx.HTTPStatusError,))


def _read(client: httpx.Client, batch: str) -> Batch:
    found: Batch = client.get(batch).raise_for_status().json()
    return found


def _finished(client: httpx.Client, batch: str) -> Batch:
    return eventually(
        lambda: (found := _read(client, batch))["state"] == "finished" and found, what="the batch is aggregated",
        tolerate=(httpx.HTTPStatusError,),
    )  # fmt: skip


def _refused(answer: httpx.Response, status: int, words: str) -> None:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.status_code == status, answer.text
    assert words in json.dumps(answer.json()), answer.text


def _deliver_again(stack: Stack, batch: str) -> None:
    stack.query(
        "INSERT INTO outbox_pending (message_id, queue, body_bytes, due_at, available_at) "
        "SELECT message_id, queue, octet_length(body), now(), now() FROM outbox WHERE job_id = %s "
        "ON CONFLICT DO NOTHING",
        batch.rpartition("/")[2], role=Role.OWNER,
    )  # fmt: skip
    eventually(
        lambda: not stack.query("SELECT 1 FROM outbox_pending LIMIT 1") and not stack.broker.messages(),
        what="all is delivered again",
    )


def test_the_rows_count_once_whoever_dies(single: Stack) -> None:
    """The request comes twice, workers die in the middle of the upload, and each message is delivered again."""
    single.ensure(WORKER, MILLRACE_CRASH_AT="worker-middle-of-upload")
    meter = uuid4().hex
    with single.http() as client:
        batch, upload = _opened(client), _uploaded(client, _lines(meter))
        assert _added(client, batch, upload)["state"] == "waiting"
        assert _added(client, batch, upload)["upload"] == upload
        client.put(f"{batch}/chunks/0", json=[{"meter": meter, "watt_hours": 7}]).raise_for_status()
        crashed = "ls /tmp/millrace-crashed-at-worker-middle-of-upload || true"
        eventually(lambda: single.machines[WORKER].execute("sh", "-c", crashed), what="a child died in the middle")
        single.machines[WORKER].kill()
        single.machines[WORKER].start_again()

        ended = _ended(client, batch, upload)
        assert (ended["state"], ended["chunks"], ended["rows"], ended["error"]) == ("added", 3, _ROWS, None)
        _deliver_again(single, batch)
        assert _added(client, batch, upload) == ended
        client.post(f"{batch}/seal", json={"chunks": 4, "rows": _ROWS + 1}).raise_for_status()
        finished = _finished(client, batch)
        assert finished["aggregate"] == {"readings": _ROWS + 1, "watt_hours": sum(range(_ROWS)) + 7}
        assert finished["uploads"] == {"waiting": 0, "added": 1, "refused": 0}
        _deliver_again(single, batch)
        assert _read(client, batch) == finished
        assert _added(client, batch, upload) == ended, "a repeated request after the seal is the same request"
        _refused(client.put(f"{batch}/uploads/{_uploaded(client, _lines(meter, 1))}"), 409, "sealed")
    assert single.query("SELECT watt_hours FROM tasks.meters WHERE meter = %s", meter) == [(sum(range(_ROWS)) + 7,)]


def _adds_nothing(stack: Stack, wrong: bytes, words: str) -> None:
    """A line behind two whole chunks is wrong; nothing of its upload is added, and a mended upload is."""
    lines = _lines(uuid4().hex)
    with stack.http() as client:
        batch = _opened(client)
        upload = _uploaded(client, [*lines[:2_100], wrong, *lines[2_101:]])
        _added(client, batch, upload)
        ended = _ended(client, batch, upload)
        assert (ended["state"], ended["chunks"], ended["rows"]) == ("refused", 0, 0)
        assert ended["error"]["line"] == 2_101
        assert words in ended["error"]["detail"]
        found = _read(client, batch)
        assert (found["chunks"]["added"], found["rows"]["added"], found["uploads"]["refused"]) == (0, 0, 1)

        mended = _uploaded(client, lines)
        _added(client, batch, mended)
        assert _ended(client, batch, mended)["state"] == "added"
        client.post(f"{batch}/seal", json={"chunks": 3, "rows": _ROWS}).raise_for_status()
        assert _finished(client, batch)["aggregate"] == {"readings": _ROWS, "watt_hours": sum(range(_ROWS))}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (b'{"meter": "m", "watt_hours": -1}', "watt_hours: Input should be greater than or equal to 0"),
        (b'{"meter": "m"', "Invalid JSON"),
        (b'{"meter": "m", "watt_hours": 1}, {"meter": "m", "watt_hours": 1}', "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b'{"meter": "\xff"}', "is not UTF-8"),
        (b" " * 200_000, "is longer than 131072 bytes"),
    ],
    ids=["value", "half", "two", "empty", "bytes", "long"],
)
def test_a_wrong_line_is_told_and_nothing_is_added(single: Stack, wrong: bytes, words: str) -> None:
    """The answer says which line is wrong and why."""
    _adds_nothing(single, wrong, words)


def test_a_worker_that_counts_too_early_is_seen(single: Stack) -> None:
    """A planted bug (tests/mutants): rows are counted while the upload is read."""
    mutants.plant(single, WORKER, "half_counted")
    with pytest.raises(AssertionError, match=r"2000|409"):
        _adds_nothing(single, b"{", "Invalid JSON")


def test_an_upload_waits_is_revoked_or_put_back(single: Stack) -> None:
    """A batch with a waiting upload is not sealed; a lost message comes back; a revoked batch takes nothing."""
    single.remove(WORKER)
    with single.http() as client:
        upload, lost, revoked = _uploaded(client, _lines(uuid4().hex)), _opened(client), _opened(client)
        for batch in (lost, revoked):
            _added(client, batch, upload)
        _refused(client.post(f"{lost}/seal", json={"chunks": 0, "rows": 0}), 409, "1 uploads are not added yet")
        eventually(lambda: not single.query("SELECT 1 FROM outbox_pending"), what="the broker has both messages")
        client.post(f"{revoked}/revoke").raise_for_status()
        _refused(client.put(f"{revoked}/uploads/{_uploaded(client, _lines(uuid4().hex, 1))}"), 409, "revoked")
        single.broker.lose_messages()
        report = json.loads(single.operate("reconcile", "--older-than-seconds", "0").splitlines()[-1])
        assert report["messages_put_back"] == 1, report
        single.ensure(WORKER)
        assert _ended(client, lost, upload)["rows"] == _ROWS
        found = _read(client, revoked)
        assert (found["state"], found["chunks"]["added"], found["uploads"]["waiting"]) == ("revoked", 0, 1)
        client.post(f"{lost}/seal", json={"chunks": 3, "rows": _ROWS}).raise_for_status()
        _finished(client, lost)


def test_wrong_requests_are_told(single: Stack) -> None:
    """A batch or content that is not there, and a name that is no hash."""
    with single.http() as client:
        batch, upload = _opened(client), _uploaded(client, [b"{}"])
        _refused(client.put(f"{BATCHES}/{uuid4()}/uploads/{upload}"), 404, "No batch")
        _refused(client.get(f"{batch}/uploads/{upload}"), 404, "this upload")
        _refused(client.put(f"{batch}/uploads/{'0' * 64}"), 404, "upload it first")
        _refused(client.put(f"{batch}/uploads/readme.txt"), 422, "upload_key")
        assert _read(client, batch)["uploads"] == {"waiting": 0, "added": 0, "refused": 0}
