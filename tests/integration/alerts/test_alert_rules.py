"""Every alert under promtool, with the labels of each target: fires, does not fire, survives a deleted pod."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import contract
from infra.observability import alerts, targets
from infra.settings.load import parse, read_stack_file
from tests.harness import images
from tests.integration.alerts import cases, exporter_cases, redis_cases
from tests.integration.alerts.cases import Case
from tests.integration.alerts.series import INTERVAL_SECONDS, Where, up
from tests.unit.infra.stacks import config_of_redis

ROOT = Path(__file__).parents[3]
QUEUES = contract.read_queues(contract.DEFAULT_QUEUES_FILE)


def _stack(name: str, **settings: Mapping[str, Any]) -> targets.Target:
    config = read_stack_file(ROOT / f"Pulumi.{name}.yaml")
    config |= {f"millrace:{key}": json.dumps(value) for key, value in settings.items()}
    return targets.kubernetes(parse(config, name))


#: Target of the rules, labels of the series, cases.
TARGETS: Mapping[str, tuple[targets.Target, Where, tuple[Case, ...]]] = {
    "compose": (targets.compose(("a", "b", "c"), QUEUES), "compose", tuple(cases.common("compose"))),
    "staging": (_stack("staging"), "kubernetes", (*cases.common("kubernetes"), *exporter_cases.exporters())),
    "redis": (_stack("staging", broker=config_of_redis()), "kubernetes", tuple(redis_cases.counted_by_relays())),
    "prod": (_stack("prod"), "kubernetes", tuple(exporter_cases.replicated())),
}
#: Alerts whose expressions differ from those of staging.
OWN_RULES = {"redis": {"QueueTooLong", "QueueDrainsSlowly"}, "prod": {"BackupLate", "ArchiveFailing"}}


def _test(case: Case, where: Where) -> dict[str, Any]:
    # promtool says of what failed the expression and not the name, so the expression holds it.
    name = f"{case.alert}: {case.what}"
    firing = f'ALERTS{{alertname="{case.alert}", alertstate="firing"}}'
    return {
        "name": name,
        "interval": f"{INTERVAL_SECONDS}s",
        "input_series": [one.written(where, stranger=case.strangers) for one in case.series(where)],
        "promql_expr_test": [
            {
                "expr": f'label_replace(count({firing}) > bool 0, "case", "{name}", "", "")',
                "eval_time": f"{case.at_minute}m",
                "exp_samples": [{"labels": f'{{case="{name}"}}', "value": 1}] if case.fires else [],
            }
        ],
    }


@pytest.fixture
def promtool(tmp_path: Path) -> Callable[..., str]:
    """Test each alert on its own rules, in the image of Prometheus; returns what promtool says of failed ones.

    Each with its own rules alone: promtool evaluates all that it is given, once a minute of each test.
    """

    def run(groups: Sequence[Mapping[str, Any]], tests: Mapping[str, list[Mapping[str, Any]]]) -> str:
        tmp_path.chmod(0o755)
        for alert, own in tests.items():
            rules = [rule for group in groups for rule in group["rules"] if rule["alert"] == alert]
            documents = {
                "rules": {"groups": [{"name": alert, "rules": rules}]},
                "tests": {"rule_files": [f"{alert}.rules.yaml"], "evaluation_interval": "1m", "tests": own},
            }
            for kind, document in documents.items():
                (tmp_path / f"{alert}.{kind}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        done = subprocess.run(
            ["docker", "run", "--rm", "--network", "none", "--tmpfs", "/tmp",  # noqa: S108 - in the container
             "--volume", f"{tmp_path}:/rules:ro",
             "--entrypoint", "promtool", images.reference("PROMETHEUS"),
             "test", "rules", *(f"/rules/{alert}.tests.yaml" for alert in tests)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode or "SUCCESS" in said, said
        return said if done.returncode else ""

    return run


def _by_alert(own: Iterable[Case], where: Where) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for case in own:
        found.setdefault(case.alert, []).append(_test(case, where))
    return found


@pytest.mark.parametrize("name", TARGETS)
def test_alerts_fire_and_clear(name: str, promtool: Callable[..., str]) -> None:
    """All cases of one target hold under promtool."""
    target, where, own = TARGETS[name]

    said = promtool(alerts.rule_groups(target, QUEUES), _by_alert(own, where))

    assert not said, said


def test_every_alert_has_cases() -> None:
    """For each target that has the alert: it fires, stays quiet, survives a deleted pod."""
    for name, (target, _, own) in TARGETS.items():
        declared = {rule["alert"] for group in alerts.rule_groups(target, QUEUES) for rule in group["rules"]}
        tested = {
            what: {case.alert for case in own if case.what == what}
            | set(re.findall(r"deleted \((\w+)\)", " ".join(case.what for case in own)) if what == "deleted" else ())
            for what in ("fires", "quiet", "deleted")
        }
        # The rest is staging's.
        declared = OWN_RULES.get(name, declared)
        assert tested == dict.fromkeys(tested, declared), name


@pytest.mark.parametrize(
    ("name", "instance"), [("compose", "rabbitmq-1"), ("staging", "rabbitmq-1")], ids=["compose", "kubernetes"]
)
def test_the_summary_names_the_node(name: str, instance: str, promtool: Callable[..., str]) -> None:
    """On Kubernetes by its pod, else by its address. The link to the runbook is absolute."""
    target, where, _ = TARGETS[name]
    [down, *_] = up("rabbitmq", 3, down=1)
    labels = dict(re.findall(r'(\w+)="([^"]*)"', down.written(where)["series"]))
    [rule] = [
        rule for group in alerts.rule_groups(target, QUEUES) for rule in group["rules"]
        if rule["alert"] == "RabbitMQNodeDown" and "pods" not in rule["labels"]
    ]  # fmt: skip
    expected = {
        "exp_labels": labels | {"severity": "page"},
        "exp_annotations": rule["annotations"] | {"summary": f"RabbitMQ node {instance} is down"},
    }
    test = {
        "interval": "30s",
        "input_series": [one.written(where) for one in up("rabbitmq", 3, down=1)],
        "alert_rule_test": [{"eval_time": "5m", "alertname": "RabbitMQNodeDown", "exp_alerts": [expected]}],
    }

    assert re.match(r"(file|https)://", rule["annotations"]["runbook_url"])
    assert not promtool(alerts.rule_groups(target, QUEUES), {"RabbitMQNodeDown": [test]})


#: What each turns red, by the beginning of the case's name.
PLANTED = {
    "short names of jobs, as compose has them": (
        'job="millrace-data/rabbitmq"',
        'job="rabbitmq"',
        "RabbitMQNodeDown: quiet",
    ),
    "every target of the cluster": (r'up{job=~"millrace/gateway', r'up{job!~"x', "TargetDown: strangers"),
    "a deleted pod is not counted": ("or vector(0)) < 2", ") < 2", "BrokerQuorumLost: all deleted"),
    "one queue for all of a cluster": (
        'namespace=~"millrace|millrace-data"',
        'namespace!=""',
        "VolumeFilling: strangers",
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_seen(bug: str, promtool: Callable[..., str]) -> None:
    """Rules as they were, or written without regard to other projects in the cluster, turn cases red."""
    old, new, red = PLANTED[bug]
    target, where, own = TARGETS["staging"]
    text = yaml.safe_dump(alerts.rule_groups(target, QUEUES), width=1000)
    groups = yaml.safe_load(text.replace(old, new))
    assert groups != alerts.rule_groups(target, QUEUES)
    alert = red.partition(":")[0]

    said = promtool(groups, _by_alert((case for case in own if case.alert == alert), where))

    assert red in said
