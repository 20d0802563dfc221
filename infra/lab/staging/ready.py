"""Whether all of a stack works, after the last wave too: scalers act only when their Deployments are there."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra import naming
from infra.cluster.cluster import Cluster
from infra.lab.staging.errors import StagingError
from infra.lab.staging.readiness import State, readiness
from infra.waiting import poll

SECONDS = 600.0
GATEWAY_SECONDS = 120.0
_POLL_SECONDS = 2.0
_KINDS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("cert-manager.io/v1", "Certificate"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("keda.sh/v1alpha1", "ScaledObject"),
)


def problems(objects: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What is not ready yet, with the reason."""
    return tuple(
        f"{each['kind']} {each['metadata']['namespace']}/{each['metadata']['name']}: {why}"
        for each in objects
        if (why := _why(each))
    )


def wait(cluster: Cluster, note: Callable[[str], object]) -> None:
    """Wait until nothing is missing.

    Raises:
        StagingError: something still is, each with its reason.
    """

    def look() -> tuple[str, ...]:
        missing = problems(_objects(cluster))
        note(", ".join(missing)[:80])
        return missing

    if missing := poll(look, until=lambda found: not found, seconds=SECONDS, every_seconds=_POLL_SECONDS):
        raise StagingError("\n  ".join((f"not ready after {SECONDS:.0f} s:", *missing)))


def wait_for_gateway(url: str, ca_file: Path) -> None:
    """Wait until it answers where clients ask it: the last thing that becomes true.

    Raises:
        StagingError: it does not, with what it said instead.
    """
    context = ssl.create_default_context(cafile=str(ca_file))

    def ask() -> str:
        try:
            with urllib.request.urlopen(f"{url}/readyz", context=context, timeout=5):  # noqa: S310 - the URL is ours
                return ""
        except (urllib.error.URLError, OSError) as error:
            return str(error)

    if said := poll(ask, until=lambda answer: not answer, seconds=GATEWAY_SECONDS, every_seconds=_POLL_SECONDS):
        raise StagingError(f"the gateway does not answer on {url}/readyz after {GATEWAY_SECONDS:.0f} s: {said}")


def _objects(cluster: Cluster) -> Iterator[Mapping[str, Any]]:
    for version, kind in _KINDS:
        if cluster.serves(version, kind):
            for namespace in naming.NAMESPACES:
                # Lists leave out of what kind their items are.
                yield from ({**each, "kind": kind} for each in cluster.listed(version, kind, namespace))


def _why(live: Mapping[str, Any]) -> str:
    match live["kind"]:
        case "HorizontalPodAutoscaler":
            current, least = live.get("status", {}).get("currentReplicas", 0), live["spec"].get("minReplicas", 1)
            return "" if current >= least else f"{current} of at least {least} replicas"
        case "ScaledObject":
            states = {one["type"]: one for one in live.get("status", {}).get("conditions") or ()}
            state = states.get("Ready", {})
            return "" if state.get("status") == "True" else state.get("message") or "KEDA has not taken it up yet"
        case _:
            found = readiness(live)
            return "" if found.state is State.READY else found.why or str(found.state)
