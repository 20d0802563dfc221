"""A pytest plugin: one stack on an emulator of SQS for a session; `tests.harness.stacks` must be named before it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.harness.sqs_stack import SqsStack
from tests.harness.stacks import registered


@pytest.fixture(scope="session")
def _sqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqsStack]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with registered(SqsStack(f"sqs-{worker}", tmp_path_factory.mktemp("sqs"))) as stack:
        yield stack


@pytest.fixture
def sqs(_sqs: SqsStack) -> SqsStack:
    """Everything running, the door open, nothing under way."""
    return _sqs.healed()
