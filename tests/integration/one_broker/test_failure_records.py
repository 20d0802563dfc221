"""What went wrong is on record when the message dies, also on the first connection after PostgreSQL came back."""

from __future__ import annotations

from app.contract import Role
from tests.harness.drills import wait_archived
from tests.harness.messages import event, publish, task_body
from tests.harness.stack import Stack


def test_a_reason_survives_a_cut_connection(single: Stack) -> None:
    """The worker's main process keeps a connection for its records; the server ends it, and the next record is kept."""

    def reason() -> str:
        task_id = publish(single, "bulk", task="no_such_task", body=task_body(event()))
        return str(wait_archived(single, task_id)["reason"])

    assert reason() == "unknown_task"
    cut = single.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = current_user AND pid <> pg_backend_pid()",
        role=Role.WORKER,
    )
    assert cut, "no worker had a connection to lose"
    assert reason() == "unknown_task"
