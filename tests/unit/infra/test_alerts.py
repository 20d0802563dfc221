"""The alert rules for any queues and both targets, and their runbooks; tests/integration/alerts runs the rules."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from app import contract
from app.contract import Queue
from infra.local import folders
from infra.local.state import REPOSITORY
from infra.observability import alerts, targets
from infra.observability.targets import Target
from infra.servers.prometheus import prometheus_config
from infra.settings.load import SettingsError, parse
from tests.unit.infra.stacks import STACKS, Rendered, config_of, render

QUEUES = (
    Queue(name="invoices", purpose="a test", starts_within_seconds=0.5),
    Queue(name="letters", purpose="a test", starts_within_seconds=10),
    Queue(name="rest", purpose="a test"),
)
COMPOSE = targets.compose(folders.RABBITMQ_NODES, QUEUES)
PLACES = {"compose": COMPOSE, **{name: targets.kubernetes(parse(config_of(name), name)) for name in STACKS}}
#: A selector: the metric's name, and what is between its brackets.
SELECTOR = re.compile(r"([a-z_]\w*)\{([^}]*)\}")


def _rules(target: Target = COMPOSE, queues: Sequence[Queue] = QUEUES) -> list[dict[str, Any]]:
    return [rule for group in alerts.rule_groups(target, queues) for rule in group["rules"]]


EVERY = {rule["alert"]: rule for target in PLACES.values() for rule in _rules(target)}


@pytest.mark.parametrize("rule", EVERY.values(), ids=EVERY)
def test_every_alert_has_its_runbook(rule: dict[str, Any]) -> None:
    """Each alert links to the page of its name, and its severity says whether it wakes somebody."""
    assert (REPOSITORY / "runbooks" / f"{rule['alert']}.md").is_file()
    assert re.fullmatch(rf"(file|https)://.+/runbooks/{rule['alert']}\.md", rule["annotations"]["runbook_url"])
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    # What always fires wakes nobody; its end does.
    assert rule["labels"]["severity"] in ({"none"} if rule["alert"] == "Watchdog" else {"page", "ticket"})


@pytest.mark.parametrize("place", PLACES)
def test_only_our_targets_are_read(place: str) -> None:
    """Each selector names its job or our namespaces: another project in the cluster has series of the same names."""
    for rule in _rules(PLACES[place]):
        selectors = SELECTOR.findall(rule["expr"])
        assert selectors, rule["expr"]
        for metric, matchers in selectors:
            assert re.match(r'(job|(exported_)?namespace)=~?"', matchers), f"{rule['alert']}: {metric}{{{matchers}}}"


def test_jobs_of_the_local_stack_are_its_prometheus_own() -> None:
    """Names and numbers match: a renamed job would make its alerts silent, or always fire."""
    text = prometheus_config(folders.RABBITMQ_NODES, QUEUES)
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in yaml.safe_load(text)["scrape_configs"]}

    assert {one.job: one.least for one in COMPOSE.watched} == {name: len(hosts) for name, hosts in jobs.items()}


def test_jobs_on_kubernetes_are_the_pod_monitors(rendered: Rendered) -> None:
    """An operator calls them `namespace/name`; two endpoints of one port would write the same series `up`."""
    monitors = rendered.bodies("PodMonitor")
    names = {f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in monitors}

    assert names == {one.job for one in targets.kubernetes(rendered.stack).watched}
    assert {len(one["spec"]["podMetricsEndpoints"]) for one in monitors} == {1}


def test_an_operator_that_selects_by_label_finds_them() -> None:
    """PodMonitors and rules get the labels that the stack names; our own labels stay."""
    config = config_of("staging")
    cluster = json.loads(config["millrace:cluster"]) | {"monitoringObjectLabels": {"release": "monitoring"}}
    rendered = render("staging", config | {"millrace:cluster": json.dumps(cluster)})

    found = rendered.bodies("PodMonitor", "PrometheusRule")
    assert {one["metadata"]["labels"]["release"] for one in found} == {"monitoring"}
    assert {one["metadata"]["labels"]["app.kubernetes.io/part-of"] for one in found} == {"millrace"}


def test_a_prometheus_without_runbooks_is_refused() -> None:
    """The error says what to set; an address without a scheme is refused, too."""
    config = config_of("staging")
    cluster = json.loads(config["millrace:cluster"])
    without = {name: value for name, value in cluster.items() if name != "runbooksUrl"}
    for wrong, said in ((without, r"cluster\.runbooksUrl"), (cluster | {"runbooksUrl": "runbooks/"}, "runbooksUrl")):
        with pytest.raises(SettingsError, match=said):
            parse(config | {"millrace:cluster": json.dumps(wrong)}, "staging")


def test_alerts_read_metrics_of_the_contract() -> None:
    """A metric that was renamed makes an alert silent for ever."""
    known = {value for name, value in vars(contract).items() if name.startswith("METRIC_")}
    words = {word for rule in _rules() for word in re.findall(r"\b(?:millrace|celery_task)_\w+", rule["expr"])}
    used = {re.sub("_(bucket|count|sum)$", "", word) for word in words}

    assert used <= known


def test_shares_are_counted_at_an_edge() -> None:
    """Each edge in a rule is a bucket of its histogram; otherwise there would be no series."""
    edges = {edge for rule in _rules() for edge in re.findall(r'le="([^"]+)"', rule["expr"])}

    assert edges <= {str(edge) for edge in contract.START_DELAY_EDGES_SECONDS}


def test_no_queue_is_named_in_the_rules() -> None:
    """They are written out for those that are declared."""
    text = "".join(path.read_text() for path in alerts.RULES.iterdir())

    assert not [queue.name for queue in contract.read_queues(contract.DEFAULT_QUEUES_FILE) if queue.name in text]
    assert all(path.name.endswith(alerts.SUFFIX) for path in alerts.RULES.iterdir())


def test_each_objective_has_an_alert_of_its_own() -> None:
    """It counts by the edge of the histogram as Prometheus writes it, and says the time that was promised."""
    late = [rule for rule in _rules() if rule["alert"] == "CanaryLate"]

    assert [re.findall(r'queue="(\w+)", le="([^"]+)"', rule["expr"]) for rule in late] == [
        [("invoices", "0.5")],
        [("letters", "10.0")],
    ]
    assert all(f'queue="{queue.name}"}}[10m]' in rule["expr"] for queue, rule in zip(QUEUES, late, strict=False))
    summaries = [rule["annotations"]["summary"] for rule in late]
    assert [text.partition(" start within ")[2] for text in summaries] == ["0.5 s", "10 s"]


@pytest.mark.parametrize("name", ["CanaryMissing", "QueueWithoutConsumers", "QueueTooLong", "QueueDrainsSlowly"])
def test_every_queue_is_watched(name: str) -> None:
    """Also one that promises nothing."""
    [rule] = [rule for rule in _rules() if rule["alert"] == name]

    assert 'queue=~"invoices|letters|rest"' in rule["expr"]
