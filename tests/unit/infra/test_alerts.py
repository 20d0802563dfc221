"""The alert rules for any queues, and their runbooks."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from app import contract
from app.contract import Queue
from infra.local.state import REPOSITORY
from infra.observability import alerts

QUEUES = (
    Queue(name="invoices", purpose="a test", starts_within_seconds=0.5),
    Queue(name="letters", purpose="a test", starts_within_seconds=10),
    Queue(name="rest", purpose="a test"),
)


def _rules() -> list[dict[str, Any]]:
    groups = [group for text in alerts.rule_files(QUEUES).values() for group in yaml.safe_load(text)["groups"]]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("alert", _rules(), ids=lambda rule: rule["alert"])
def test_every_alert_has_its_runbook(alert: dict[str, Any]) -> None:
    """A page of the alert's name with the four headings, and a severity that says whom it wakes."""
    path = REPOSITORY / "runbooks" / f"{alert['alert']}.md"
    text = path.read_text()

    assert alert["annotations"]["runbook_url"] == f"runbooks/{path.name}"
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert re.findall(r"^#+ (.*)$", text, re.MULTILINE) == [
        alert["alert"],
        "Meaning",
        "Impact",
        "Diagnosis",
        "Mitigation",
    ]


def test_alerts_read_metrics_of_the_contract() -> None:
    """A metric that was renamed makes an alert silent for ever."""
    known = {value for name, value in vars(contract).items() if name.startswith("METRIC_")}
    words = {word for rule in _rules() for word in re.findall(r"\b(?:millrace|celery_task)_\w+", rule["expr"])}
    used = {re.sub("_(bucket|count|sum)$", "", word) for word in words}

    assert used <= known


def test_no_queue_is_named_in_the_rules() -> None:
    """They are written out for those that are declared."""
    text = "".join(path.read_text() for path in alerts.RULES.iterdir())

    assert not [queue.name for queue in contract.read_queues(contract.DEFAULT_QUEUES_FILE) if queue.name in text]
    assert {path.suffix for path in alerts.RULES.iterdir()} == {alerts.SUFFIX}


def test_each_objective_has_an_alert_of_its_own() -> None:
    """It counts by the edge of the histogram as Prometheus writes it, and says the time that was promised."""
    late = [rule for rule in _rules() if rule["alert"] == "CanaryLate"]

    assert [re.findall(r'queue="(\w+)", le="([^"]+)"', rule["expr"]) for rule in late] == [
        [("invoices", "0.5")],
        [("letters", "10.0")],
    ]
    assert all(f'count{{queue="{queue.name}"}}' in rule["expr"] for queue, rule in zip(QUEUES, late, strict=False))
    summaries = [rule["annotations"]["summary"] for rule in late]
    assert [text.partition(" start within ")[2] for text in summaries] == ["0.5 s", "10 s"]


@pytest.mark.parametrize("name", ["CanaryMissing", "QueueWithoutConsumers"])
def test_every_queue_is_watched(name: str) -> None:
    """Also one that promises nothing."""
    [rule] = [rule for rule in _rules() if rule["alert"] == name]

    assert 'queue=~"invoices|letters|rest"' in rule["expr"]
