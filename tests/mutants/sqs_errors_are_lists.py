"""A planted bug: the worker polls by kombu's own connection, which makes a list of a 5xx and asks it for a key."""

from __future__ import annotations

from typing import Any

from kombu.asynchronous.aws.sqs.connection import AsyncSQSConnection

from app.__main__ import main
from app.brokers.sqs.transport import PatientConnection

kombus: Any = AsyncSQSConnection
PatientConnection._on_list_ready = kombus._on_list_ready  # type: ignore[method-assign]
main()
