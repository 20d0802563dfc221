"""Waits until objects are ready, with a deadline; and says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any

from infra.deploy.cluster import Cluster
from infra.deploy.errors import DeployError
from infra.deploy.objects import Ref, hide
from infra.deploy.readiness import WATCHED, Readiness, State, readiness
from infra.waiting import poll

POLL_SECONDS = 1.0
LOG_LINES = 20


def until_ready(
    cluster: Cluster, refs: Iterable[Ref], seconds: float, note: Callable[[str], None], secrets: Iterable[str]
) -> None:
    """Until all are ready. `secrets` are hidden from what is quoted.

    Raises:
        DeployError: one has failed, with the end of its log; or time is up, with the reason of each that is not ready.
    """
    left: dict[Ref, Readiness] = {ref: Readiness(State.WAITING) for ref in refs if ref.kind in WATCHED}
    total = len(left)

    def look() -> dict[Ref, Readiness]:
        for ref in list(left):
            live = cluster.read(ref)
            left[ref] = readiness(live)
            if left[ref].state is State.READY:
                del left[ref]
            elif left[ref].state is State.FAILED and live is not None:
                said = "\n".join((f"{ref} failed: {left[ref].why}", *_pods(cluster, live)))
                raise DeployError(hide(said, secrets))
        note(f"{total - len(left)} of {total} ready; {', '.join(ref.name for ref in left)}"[:80])
        return left

    if poll(look, until=_empty, seconds=seconds, every_seconds=POLL_SECONDS):
        raise DeployError(hide("\n".join(_late(cluster, left, seconds)), secrets))


def until_gone(cluster: Cluster, refs: Sequence[Ref], seconds: float, note: Callable[[str], None]) -> tuple[Ref, ...]:
    """Until none is there, or time is up; what is left then."""
    left = list(refs)

    def look() -> tuple[Ref, ...]:
        left[:] = [ref for ref in left if cluster.read(ref) is not None]
        note(f"{len(left)} left: {', '.join(ref.name for ref in left)}"[:80])
        return tuple(left)

    return poll(look, until=_empty, seconds=seconds, every_seconds=POLL_SECONDS)


def _empty(left: Sized) -> bool:
    return not left


def _late(cluster: Cluster, left: dict[Ref, Readiness], seconds: float) -> Iterator[str]:
    yield f"not ready after {seconds:.0f} s (the same command goes on from here):"
    for ref, found in left.items():
        yield f"  {ref}: {found.why}"
        live = cluster.read(ref)
        if live is not None:
            yield from _pods(cluster, live)


def _pods(cluster: Cluster, live: dict[str, Any]) -> Iterator[str]:
    """What the pods of a workload say of themselves."""
    labels = live.get("spec", {}).get("selector", {})
    labels = labels.get("matchLabels") if isinstance(labels, dict) else None
    if live["kind"] not in {"Deployment", "StatefulSet", "Job"} or not labels:
        return
    for pod in cluster.listed("v1", "Pod", live["metadata"]["namespace"], labels):
        yield from _pod(cluster, pod)


def _pod(cluster: Cluster, pod: dict[str, Any]) -> Iterator[str]:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            yield f"    pod {name}: {condition.get('reason', '')}: {condition.get('message', '')}"
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        if container.get("ready") or container.get("state", {}).get("terminated", {}).get("exitCode") == 0:
            continue
        for state, about in container.get("state", {}).items():
            yield f"    pod {name}, {container['name']}: {state} {about.get('reason', '')} {about.get('message', '')}"
        for line in cluster.log(pod["metadata"]["namespace"], name, container["name"], LOG_LINES).splitlines():
            yield f"      {line}"
