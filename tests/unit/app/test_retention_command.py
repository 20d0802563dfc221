"""How `python -m app retention` ends."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app import retention
from app.storage.retention import StepReport


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (StepReport(step="inbox", rows_deleted=3), 0),
        (StepReport(step="create_partitions", error="jobs_20261122: canceling statement due to lock timeout"), 0),
        (StepReport(step="inbox", error="permission denied", refused=True), 1),
    ],
)
def test_only_a_refusal_is_a_failure(report: StepReport, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A4: what is put off is tried again by the next run; the command must not end a deployment for it."""
    monkeypatch.setattr(retention, "engine", lambda: None)
    monkeypatch.setattr(retention, "reconcile_old", lambda _: None)
    monkeypatch.setattr(retention, "signal", SimpleNamespace(SIGTERM=0, SIGINT=0, signal=lambda *_: None))
    monkeypatch.setattr(retention.retention, "run", lambda *_: [report])

    if code:
        with pytest.raises(SystemExit) as ended:
            retention.run(every_hours=0)
        assert ended.value.code == code
    else:
        retention.run(every_hours=0)
