"""Documents uploaded several times at once, and long items that travel by reference (docs/patterns/uploads.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from uuid import NAMESPACE_URL, uuid5

from loadtests.collector import Rows
from loadtests.mix.mixed import Judged
from loadtests.mix.sender import Sender

NAME = "uploads"
DOCUMENTS, AT_ONCE = 6, 2
WORDS = 20_000
#: White space counts as part of an item, so this makes one longer than a message may be.
_PADDING = b" " * 200_000
#: A message with a reference is shorter.
REFERENCE_MAX_BYTES = 4096
_UPLOADS, _TASK = "/v1/uploads", "/v1/tasks/count_words"


@dataclass(kw_only=True)
class Uploads:
    """Documents, each uploaded several times at once and then counted. `read` reads what S3 stores under a key."""

    read: Callable[[str], bytes | None]
    name: str = NAME
    #: The contents by key, how many uploads were told that they stored them, the documents' ids, and their jobs.
    _contents: dict[str, bytes] = field(default_factory=dict)
    _stored: Counter[str] = field(default_factory=Counter)
    _documents: list[str] = field(default_factory=list)
    _jobs: list[str] = field(default_factory=list)

    def send(self, sender: Sender) -> None:
        """Upload a document, then ask for its words in an item that is too long for a message."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for number in sender.spread(DOCUMENTS, over_seconds=sender.seconds):
                content = document(sender.run, number)
                key = sha256(content).hexdigest()
                answers = list(pool.map(lambda one: sender.upload(_UPLOADS, one), [content] * AT_ONCE))
                self._contents[key] = content
                self._stored[key] = sum(answer["stored"] is True for answer in answers)
                document_id = str(uuid5(NAMESPACE_URL, f"{sender.run}-document-{number}"))
                item = b'{"document_id": "%s", "upload": "%s"%s}' % (document_id.encode(), key.encode(), _PADDING)
                self._jobs.append(str(sender.post_text(_TASK, item, key=f"document-{number}")["job_id"]))
                self._documents.append(document_id)

    def judge(self, rows: Rows) -> list[Judged]:
        """Compare what is stored, what was sent in messages, and what was counted."""
        query = "SELECT document_id::text, words FROM tasks.word_counts WHERE document_id = ANY(%s::uuid[])"
        counted = rows.execute(query, (self._documents,)).fetchall()
        query = "SELECT octet_length(body) FROM outbox WHERE job_id = ANY(%s::uuid[])"
        messages = [int(length) for (length,) in rows.execute(query, (self._jobs,))]
        return judged(
            contents=self._contents, stored=self._stored, read={key: self.read(key) for key in self._contents},
            documents=self._documents, counted=counted, message_bytes=messages,
        )  # fmt: skip


def document(run: str, number: int) -> bytes:
    """A text of its own for each number of each run."""
    words = Random(f"{run}-{number}")  # noqa: S311 - a text, no secret
    return b"\n".join(b"%d %d" % (words.randrange(10**9), words.randrange(10**9)) for _ in range(WORDS // 2))


def judged(
    *,
    contents: Mapping[str, bytes],
    stored: Mapping[str, int],
    read: Mapping[str, bytes | None],
    documents: Collection[str],
    counted: Sequence[tuple[str, int]],
    message_bytes: Sequence[int],
) -> list[Judged]:
    """Each content is there once, as it was sent; each long item went by reference and was executed once."""
    several = sum(times > 1 for times in stored.values())
    same = sum(read.get(key) == content for key, content in contents.items())
    once = Counter(document_id for document_id, words in counted if words == WORDS)
    executed = sum(once[one] == 1 for one in documents)
    longest = max(message_bytes, default=0)
    return [
        Judged(
            pattern=NAME,
            promise="uploads stored once",
            expected=f"{len(contents)} contents, each uploaded {AT_ONCE} times at once and stored once",
            found=f"{several} stored more than once",
            ok=several == 0,
        ),
        Judged(
            pattern=NAME,
            promise="uploads read back",
            expected=f"{len(contents)} contents in S3, byte for byte",
            found=f"{same} of them",
            ok=same == len(contents),
        ),
        Judged(
            pattern=NAME,
            promise="long items by reference",
            expected=f"messages of at most {REFERENCE_MAX_BYTES:,} bytes for items of {len(_PADDING):,}",
            found=f"{len(message_bytes)} messages, the longest of {longest:,} bytes",
            ok=len(message_bytes) >= len(documents) and longest <= REFERENCE_MAX_BYTES,
        ),
        Judged(
            pattern=NAME,
            promise="long items executed once",
            expected=f"{len(documents)} documents, each counted once",
            found=f"{executed} counted once, {len(counted)} counts in all",
            ok=executed == len(documents) == len(counted),
        ),
    ]
