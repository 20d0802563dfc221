"""docs/patterns/uploads.md: an API key stores so many bytes within 24 hours, through uploads at once and crashes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from app import contract
from app.contract import Role, Scope
from tests.harness import here
from tests.harness.messages import event
from tests.harness.stack import Stack
from tests.proofs.patterns_uploads.contents import UPLOADS, key_of, noise, refused, run_program, uploaded

CONTENT_BYTES = 512 * 1024
FITTING = 4
#: Room for `FITTING` contents; as many uploads at once as the test sends.
QUOTA = {
    "MILLRACE_UPLOAD_MAX_BYTES": str(CONTENT_BYTES),
    "MILLRACE_ITEM_MAX_BYTES": str(CONTENT_BYTES),
    "MILLRACE_UPLOAD_BYTES_A_DAY_OF_ONE_KEY": str(FITTING * CONTENT_BYTES),
    "MILLRACE_UPLOADS_AT_ONCE_OF_ONE_KEY": "4",
}


def _key(stack: Stack) -> dict[str, str]:
    return {contract.HEADER_API_KEY: here.api_key(stack, Scope.TASKS_WRITE)}


def _stored(stack: Stack, key: dict[str, str], contents: Sequence[bytes]) -> list[bytes]:
    """Upload contents, four at once; returns those that were stored. The others are refused by the quota."""

    def one(content: bytes) -> bool:
        with stack.http(headers=key) as client:
            answer = client.post(UPLOADS, content=content)
        if answer.status_code != 201:
            refused(answer, 429, "upload-quota")
            assert 1 <= int(answer.headers["Retry-After"]) <= 24 * 3600
        return answer.status_code == 201

    with ThreadPoolExecutor(4) as pool:
        return [content for content, stored in zip(contents, pool.map(one, contents), strict=True) if stored]


def _quota_holds(stack: Stack) -> tuple[dict[str, str], list[bytes]]:
    """Upload twice as much as there is room for, by a gateway that is killed in between."""
    key = _key(stack)
    contents = [noise(CONTENT_BYTES) for _ in range(2 * FITTING)]
    stored = _stored(stack, key, contents[: FITTING // 2])
    stack.machines["gateway"].kill()
    stack.machines["gateway"].start_again()
    stack.wait("gateway")
    stored += _stored(stack, key, contents[FITTING // 2 :])
    assert len(stored) == FITTING
    return key, stored


def test_an_api_key_stores_so_many_bytes_a_day(single: Stack) -> None:
    """More is refused until room comes, long items too. Content that is there needs none; other keys have their own."""
    single.ensure("gateway", **QUOTA)
    key, stored = _quota_holds(single)
    with single.http(headers=key) as client:
        for content in stored:
            assert uploaded(client, content)["stored"] is False
        refused(client.post("/v1/events", json=event(text="x" * 200_000)), 429, "upload-quota")
        refused(client.post(UPLOADS, content=b"small"), 429, "upload-quota")
    with single.http(headers=_key(single)) as other:
        assert uploaded(other, noise(CONTENT_BYTES))["stored"] is True
    # The first one leaves the 24 hours.
    single.query(
        "UPDATE objects SET stored_at = stored_at - interval '1 day' WHERE key = %s", key_of(stored[0]), role=Role.OWNER
    )
    assert len(_stored(single, key, [noise(CONTENT_BYTES) for _ in range(2)])) == 1


def test_content_that_was_counted_before_a_crash_is_counted_once(single: Stack) -> None:
    """S3 is away after the count; the repetition stores the content in the same room."""
    single.ensure("gateway", **QUOTA)
    key, content = _key(single), noise(CONTENT_BYTES)
    single.machines["objectstore"].kill()
    with single.http(headers=key) as client:
        refused(client.post(UPLOADS, content=content), 503, "object-store-unavailable")
    single.machines["objectstore"].start_again()
    single.wait("objectstore")
    assert _stored(single, key, [content]) == [content]
    assert len(_stored(single, key, [noise(CONTENT_BYTES) for _ in range(FITTING)])) == FITTING - 1


def test_a_count_in_memory_is_seen(single: Stack) -> None:
    """A planted bug (tests/mutants): the count is lost when the gateway is killed."""
    run_program(single, "gateway", "quota_in_memory", **QUOTA)
    with pytest.raises(AssertionError):
        _quota_holds(single)
