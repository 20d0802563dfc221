"""What the tests upload, and where the server keeps it."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from infra.local.state import REPOSITORY
from tests.harness.stack import QUICK, Stack
from tests.harness.waiting import eventually

UPLOADS, DOCUMENTS = "/v1/uploads", "/v1/tasks/count_words"
_OBJECTS = Path("/var/lib/objectstore/objects/millrace/sha256")


def text() -> bytes:
    """A new text of two lines and four words."""
    return f"{uuid4().hex} one\ntwo three\n".encode()


def key_of(content: bytes) -> str:
    """The key of a content, computed without the application's code."""
    return sha256(content).hexdigest()


def noise(size_bytes: int) -> bytes:
    """Random bytes that no test has uploaded."""
    return os.urandom(size_bytes)


def uploaded(client: httpx.Client, content: bytes) -> dict[str, Any]:
    """The answer to an upload that was accepted."""
    answer = client.post(UPLOADS, content=content)
    assert answer.status_code in {200, 201}, answer.text
    body: dict[str, Any] = answer.json()
    assert (body["key"], body["bytes"]) == (key_of(content), len(content))
    assert body["stored"] is (answer.status_code == 201)
    return body


def refused(answer: httpx.Response, status: int, kind: str) -> None:
    """Check that the answer is this problem document."""
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"urn:millrace:problem:{kind}", answer.text


def count_words(client: httpx.Client, key: str) -> str:
    """Ask for the count of a document; returns the document's id."""
    document = str(uuid4())
    client.post(DOCUMENTS, json={"document_id": document, "upload": key}).raise_for_status()
    return document


def counted(stack: Stack, document: str) -> list[tuple[Any, ...]]:
    """The rows of counts of a document; more than one is an error."""
    return stack.query("SELECT lines, words FROM tasks.word_counts WHERE document_id = %s", document)


def wait_counted(stack: Stack, document: str) -> list[tuple[Any, ...]]:
    """Wait until the document is counted."""
    return eventually(lambda: counted(stack, document), what="the words are counted")


def damage(stack: Stack, key: str) -> None:
    """Change the content on the server's disk, without its knowledge."""
    stack.machines["objectstore"].execute("sh", "-c", f"printf 'something else' > {_OBJECTS / key}")


def is_there(stack: Stack, key: str) -> bool:
    """Whether the server's disk has the content."""
    return (
        stack.machines["objectstore"].execute("sh", "-c", f"[ -e {_OBJECTS / key} ] && echo yes || echo no") == "yes\n"
    )


def age(stack: Stack, key: str) -> None:
    """Date the content back by 40 days."""
    stack.machines["objectstore"].execute("touch", "-d", "40 days ago", str(_OBJECTS / key))


def run_program(stack: Stack, name: str, program: str, **variables: str) -> None:
    """Replace a process by a program of tests/mutants."""
    stack.replace(
        name, environment={**QUICK, **variables}, mounts={str(REPOSITORY / "tests" / "mutants"): "/mutants"},
        options={"entrypoint": ["tini", "--", "python", f"/mutants/{program}.py"]},
    )  # fmt: skip
