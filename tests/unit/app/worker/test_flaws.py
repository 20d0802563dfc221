"""Messages that Celery takes for granted, and that would end the worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.worker.consumer import flaw_of

TASK = {"task": "ingest_user_event", "id": "1"}


@pytest.mark.parametrize(
    ("headers", "payload", "flawed"),
    [
        (TASK, [[], {}, {}], False),
        (TASK, [[], {}, None], False),
        (TASK, {"a": 1}, True),
        (TASK, None, True),
        (TASK, [[], {}], True),
        (TASK, [{}, [], {}], True),
        ({"task": "ingest_user_event"}, [[], {}, {}], True),
        ({"task": 7, "id": "1"}, [[], {}, {}], True),
        ({}, {"task": "protocol one"}, False),
        (None, {}, False),
    ],
)
def test_flaws(headers: Any, payload: Any, *, flawed: bool) -> None:
    """A task message must have an id and a body of [args, kwargs, embed]; what is no task is Celery's to tell."""
    assert (flaw_of(SimpleNamespace(headers=headers, payload=payload)) is not None) == flawed
