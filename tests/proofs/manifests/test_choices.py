"""Every choice of broker, result backend and database with every other: a choice changes what is its own, and no more.

All combinations are rendered. Two that differ in one choice are compared, byte by byte, after what that choice may
change was taken out of both: the table below, written by hand.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml

from infra.policy.model import Context
from infra.policy.registry import check
from tests.unit.infra.stacks import config_of, config_of_redis, render

Choice = Mapping[str, Any]
_STAGING, _PROD = config_of("staging"), config_of("prod")


def _of(config: Mapping[str, str], *keys: str) -> dict[str, Any]:
    return {key: json.loads(config[f"millrace:{key}"]) for key in keys}


#: What each choice writes into the stack's file.
DIMENSIONS: Mapping[str, Mapping[str, Choice]] = {
    "broker": {
        "rabbitmq": _of(_STAGING, "broker"),
        "amazonmq": {"broker": {"kind": "amazonmq"}},
        "redis": {"broker": config_of_redis()},
    },
    "resultBackend": {
        "redis": _of(_PROD, "resultBackend"),
        "elasticache": {"resultBackend": {"kind": "elasticache"}},
    },
    "database": {
        "single": _of(_STAGING, "database", "objectStore"),
        "cloudnative-pg": _of(_PROD, "database", "objectStore"),
        "rds": {"database": {"kind": "rds"}},
    },
}
Names = tuple[str, ...]
EVERY: tuple[Names, ...] = tuple(itertools.product(*DIMENSIONS.values()))


@dataclass(frozen=True)
class Own:
    """What one choice may change."""

    #: Objects that only some of its members have; and objects that have another content: patterns of `Kind/name`.
    objects: str
    #: Variables of clients.
    variables: str
    #: What else differs in some objects, and a pattern of them.
    key: str = ""
    where: str = ""


#: Quotas follow from sizes, policies from connections, alerts from what Prometheus can ask.
_SHARED = r"ResourceQuota/.*|LimitRange/.*|PrometheusRule/.*|ConfigMap/aws-authorities-.*"
OWN = {
    "broker": Own(
        # Flower listens to events, which workers on Redis do not send. The scaler looks where the queues are. Whoever
        # logs in to a broker has the files of its login in its Secret.
        rf"{_SHARED}|.*/rabbitmq.*|.*/(keda|prometheus)-rabbitmq|.*/(keda-)?redis-broker.*|.*/flower.*|ScaledObject/.*"
        r"|Secret/(archiver|beat|keda|operator|relay|topology|worker)-passwords",
        r"MILLRACE_RABBITMQ_(HOST|CA|MANAGEMENT_PORT)|MILLRACE_BROKER|MILLRACE_REDIS_BROKER_HOST",
        # Another password of another server.
        key="millrace.dev/config-hash",
        where="Deployment/(relay|archiver|beat|worker-.*)",
    ),
    "resultBackend": Own(
        rf"{_SHARED}|.*/redis(?!-broker).*",
        r"MILLRACE_REDIS_(HOST|CA|SENTINELS)",
        # Other passwords: of AWS's users, who do not know of ours.
        key="millrace.dev/config-hash",
        where="Deployment/(gateway|worker-.*)",
    ),
    # PgBouncer stands before each of them, and a replicated one's roles are Secrets.
    "database": Own(
        rf"{_SHARED}|.*/(postgresql|backups).*|Secret/.*-postgresql|ConfigMap/pgbouncer-config|Deployment/pgbouncer",
        r"MILLRACE_POSTGRESQL_(HOST|CA)",
        # Who waits for the only one that there is (ADR 0017).
        key="topologySpreadConstraints",
        where="Deployment/worker-.*",
    ),
}


@cache
def _rendered(names: Names) -> Mapping[str, Mapping[str, Any]]:
    """The objects of one combination, by `Kind/namespace/name`; a Job by what it is of."""
    bodies = render("staging", _config(names)).bodies()
    return {f"{one['kind']}/{_name(one)}@{one['metadata'].get('namespace', '')}": one for one in bodies}


def _config(names: Names) -> dict[str, str]:
    chosen: dict[str, Any] = {}
    for choices, name in zip(DIMENSIONS.values(), names, strict=True):
        chosen |= choices[name]
    if {"amazonmq", "elasticache", "rds"} & {*names}:
        chosen |= _of(config_of("prod-aws"), "aws")
    workloads = _of(_STAGING, "workloads")["workloads"]
    workloads["pools"]["interactive"].setdefault("scaling", {})["pollingSeconds"] = 60
    chosen["workloads"] = workloads
    left = {key: text for key, text in _STAGING.items() if key != "millrace:objectStore"}
    return left | {f"millrace:{key}": json.dumps(value) for key, value in chosen.items()}


def _name(body: Mapping[str, Any]) -> str:
    name = str(body["metadata"]["name"])
    return re.sub(r"(-[0-9a-f]{8})+$", "", name) if body["kind"] == "Job" else name


def _differences(dimension: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Objects that two combinations, which differ in this choice, do not share although they should."""
    own = OWN[dimension]
    for key in sorted({*one, *other}):
        if re.fullmatch(own.objects, key.partition("@")[0]):
            continue
        texts = [_text(objects[key], own) if key in objects else "" for objects in (one, other)]
        if texts[0] != texts[1]:
            yield key


def _text(body: Mapping[str, Any], own: Own) -> str:
    there = bool(re.fullmatch(own.where, f"{body['kind']}/{_name(body)}"))

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(inner) for key, inner in value.items() if not (there and key == own.key)}
        if isinstance(value, list):
            return [plain(inner) for inner in value if not _is_own(inner, own)]
        return value

    found = plain(body)
    if body["kind"] == "Job":
        found["metadata"]["name"] = _name(body)
    if body["kind"] == "NetworkPolicy":
        # Who reaches whom is the matter of test_network_matrix: here, that it is a policy of the same pods.
        found["spec"] = body["spec"]["podSelector"]
    return yaml.safe_dump(found)


def _is_own(item: Any, own: Own) -> bool:
    """A variable of the choice, or the authorities of a server."""
    if not isinstance(item, Mapping):
        return False
    return bool(re.fullmatch(own.variables, str(item.get("name")))) or "aws-authorities" in str(item.get("configMap"))


def _neighbours() -> Iterator[tuple[str, Names, Names]]:
    for one, other in itertools.combinations(EVERY, 2):
        differing = [name for name, left, right in zip(DIMENSIONS, one, other, strict=True) if left != right]
        if len(differing) == 1:
            yield differing[0], one, other


@pytest.mark.parametrize("names", EVERY, ids="-".join)
def test_a_combination_keeps_every_rule(names: Names) -> None:
    """Whatever was chosen."""
    assert [str(violation) for violation in check([*_rendered(names).values()], Context("staging"))] == []


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_choice_changes_what_is_its_own(dimension: str) -> None:
    """Over every pair of combinations that differ in it."""
    pairs = [(one, other) for differing, one, other in _neighbours() if differing == dimension]
    assert len(pairs) >= 6
    found = {
        f"{'-'.join(one)} / {'-'.join(other)}: {key}"
        for one, other in pairs
        for key in _differences(dimension, _rendered(one), _rendered(other))
    }
    assert found == set()


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_choice_that_changes_more_is_seen(dimension: str) -> None:
    """Planted: the gateway's image, a Job that only one has, and a variable of another server."""
    one, other = next((one, other) for differing, one, other in _neighbours() if differing == dimension)
    first, second = _rendered(one), dict(_rendered(other))
    text = json.dumps(second["Deployment/gateway@millrace"])
    second["Deployment/gateway@millrace"] = json.loads(text.replace("millrace-app", "another-app"))
    second["Job/another@millrace"] = {"kind": "Job", "metadata": {"name": "another"}}
    relay = json.loads(json.dumps(second["Deployment/relay@millrace"]))
    relay["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "MILLRACE_S3_ENDPOINT", "value": "x"})
    second["Deployment/relay@millrace"] = relay
    assert [*_differences(dimension, first, second)] == [
        "Deployment/gateway@millrace", "Deployment/relay@millrace", "Job/another@millrace",
    ]  # fmt: skip
