"""How the lines of an upload become chunks, and which message belongs to which part of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import Mock
from uuid import UUID

import pytest

from app import contract
from app.errors import LineTooLongError
from app.patterns import batch_uploads, uploads
from app.storage import objects
from app.tasks.meter_totals import meter_totals

_ROW = b'{"meter": "m", "watt_hours": 1}'
_KEY = "0" * 63 + "1"


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The parts that S3 yields."""
    parts: list[bytes] = []

    def chunks(_: str) -> Iterator[bytes]:
        yield from parts

    monkeypatch.setattr(objects, "chunks", chunks)
    return parts


def _chunks() -> list[tuple[int, bytes]]:
    return list(batch_uploads._chunks(_KEY, meter_totals.form))


def test_lines_are_cut_into_chunks(stored: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk has at most 1,000 rows and a bound of bytes, wherever S3's parts end."""
    content = b"\n".join([_ROW] * 2_001)
    stored += [content[:7], content[7:40_000], content[40_000:]]
    assert [count for count, _ in _chunks()] == [1000, 1000, 1]
    assert b",".join(body[1:-1] for _, body in _chunks()) == b",".join([_ROW] * 2_001)
    monkeypatch.setattr(batch_uploads, "_CHUNK_BYTES", 3 * len(_ROW))
    assert {count for count, _ in _chunks()} == {3}
    stored.clear()
    assert _chunks() == []


def test_there_are_not_too_many_chunks(stored: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line beyond the last chunk is refused, so that no chunk gets the number of another upload's."""
    monkeypatch.setattr(batch_uploads.storage, "CHUNKS_MAX", 2)
    stored += [b"\n".join([_ROW] * 2_000)]
    assert len(_chunks()) == 2
    stored += [b"\n" + _ROW]
    with pytest.raises(batch_uploads.LineRefusedError, match="line 2001: is one too many"):
        _chunks()


def test_a_wrong_line_has_its_number_in_the_upload(stored: list[bytes]) -> None:
    """Also in the words of the JSON parser, which gets one line at a time."""
    stored += [_ROW + b"\n" + _ROW + b'\n{"meter": ']
    with pytest.raises(batch_uploads.LineRefusedError) as raised:
        _chunks()
    assert raised.value.line == 3
    assert raised.value.because.endswith("at line 3 column 10")


@pytest.mark.parametrize("parts", [[b"a\n12345\n"], [b"a\n12", b"345\nb"], [b"a\n12345"]])
def test_a_long_line_is_refused_wherever_it_ends(stored: list[bytes], parts: list[bytes]) -> None:
    """The lines before it are read; a line that ends in the same part is refused, too."""
    stored += parts
    read = uploads.lines(_KEY, line_max_bytes=4)
    assert next(read) == b"a"
    with pytest.raises(LineTooLongError, match="longer than 4 bytes"):
        next(read)


def test_a_message_is_sent_again_by_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key tells a chunk, an upload and the aggregate apart, also if a hash has only digits."""
    batch_id, sent = UUID(int=1), Mock()
    for name in ("chunk_task", "upload_task", "aggregate_task"):
        monkeypatch.setattr(getattr(meter_totals, name), "apply_async", getattr(sent, name))
    for part, task, arguments in (
        ("/12", sent.chunk_task, [str(batch_id), 12]),
        (f"/{_KEY}", sent.upload_task, [str(batch_id), _KEY]),
        ("", sent.aggregate_task, [str(batch_id)]),
    ):
        meter_totals.send_again(batch_id, f"{batch_id}{part}")
        task.assert_called_once()
        assert task.call_args.args == (arguments,)
        assert task.call_args.kwargs["headers"][contract.MESSAGE_KEY] == f"{batch_id}{part}"
