"""Graceful stop: what runs is finished before Kubernetes kills it."""

from __future__ import annotations

from collections.abc import Iterator

from infra.policy.bounds import pre_stop_seconds
from infra.policy.manifests import LONG_RUNNING, at, kind, mapping, whole
from infra.policy.model import Context, Finding, Manifest, ResourceRule
from infra.policy.pods import pod

GRACE = "terminationGracePeriodSeconds"
TIME_LIMIT = "MILLRACE_TASK_TIME_LIMIT_SECONDS"
#: Between the last task's end and the process's: acknowledging, closing connections.
MARGIN_SECONDS = 10


def _said(manifest: Manifest, _: Context) -> Iterator[Finding]:
    found = pod(manifest)
    if found and kind(manifest) in LONG_RUNNING and found.spec.get(GRACE) is None:
        advice = "say it; the default of 30 s was chosen for nobody"
        yield Finding(manifest, f"{found.path}.{GRACE}", None, advice)


def _pre_stop(manifest: Manifest, _: Context) -> Iterator[Finding]:
    if not (found := pod(manifest)):
        return
    grace = found.spec.get(GRACE)
    for container in found.containers():
        if not (hook := mapping(at(container.spec, "lifecycle", "preStop"))):
            continue
        seconds, path = pre_stop_seconds(hook), f"{container.path}.lifecycle.preStop"
        if seconds is None:
            yield Finding(manifest, path, "no bound", "put `timeout SECONDS` around what it waits for")
        elif (whole(grace) or seconds + 1) <= seconds:
            advice = f"make it shorter than {GRACE}, which is {grace}: the process has to stop in what is left"
            yield Finding(manifest, path, f"{seconds:g} s", advice)


def _tasks_fit(manifest: Manifest, _: Context) -> Iterator[Finding]:
    found = pod(manifest)
    if not found or kind(manifest) not in LONG_RUNNING or not found.component.startswith("worker"):
        return
    for container in found.containers():
        if container.init:
            continue
        limit = container.env.get(TIME_LIMIT)
        if limit is None or not str(limit).isdecimal():
            yield Finding(
                manifest, f"{container.path}.env[{TIME_LIMIT}]", limit, "say it, in seconds, as a literal value"
            )
            continue
        pre_stop = pre_stop_seconds(mapping(at(container.spec, "lifecycle", "preStop"))) or 0
        least = int(limit) + pre_stop + MARGIN_SECONDS
        grace = found.spec.get(GRACE)
        if (whole(grace) or 0) < least:
            advice = f"make it at least {least:g}: the hard time limit, the preStop hook and {MARGIN_SECONDS} s"
            yield Finding(manifest, f"{found.path}.{GRACE}", grace, advice)


RULES = (
    ResourceRule(
        name="grace-period-said",
        description=f"Every long-running workload says its {GRACE}.",
        reason="30 s kills a worker in the middle of a task and a broker before it has handed its queues over.",
        check=_said,
    ),
    ResourceRule(
        name="pre-stop-bounded",
        description="Every preStop hook has a bound, shorter than the grace period.",
        reason="A hook that waits for a quorum that never comes back holds a node's drain and a namespace's end.",
        check=_pre_stop,
    ),
    ResourceRule(
        name="grace-covers-tasks",
        description=f"A worker's grace period covers its hard time limit and {MARGIN_SECONDS} s.",
        reason="A task that is killed by a deployment runs again elsewhere, and its attempt is spent.",
        check=_tasks_fit,
    ),
)
