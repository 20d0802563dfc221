"""How long `pulumi up` waits for what: longer than it may take, computed from the sizes of the stack."""

from __future__ import annotations

from infra import naming
from infra.components import jobs
from infra.settings.backends import RabbitMQ
from infra.settings.scaling import most_replicas
from tests.unit.infra.stacks import Rendered

#: A pod of an application that is replaced: at least so long each, one after the other.
_POD_SECONDS = 60


def _seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_a_deployment_at_its_largest_may_roll_pod_by_pod(rendered: Rendered) -> None:
    """The provider's own ten minutes are for ten pods."""
    gateway = rendered.registration(rendered.one("Deployment", naming.GATEWAY))
    most = most_replicas(rendered.stack.workloads.gateway.scaling)
    for seconds in gateway.timeouts[:2]:
        assert _seconds(seconds) > max(600, most * _POD_SECONDS)


def test_every_deployment_has_its_time(rendered: Rendered) -> None:
    """None is forgotten, whoever declares it."""
    for one in rendered.manifests:
        if one.kind == "Deployment":
            assert all(rendered.registration(one).timeouts[:2]), one.name


def test_brokers_may_stop_one_after_the_other(rendered: Rendered) -> None:
    """Each waits for its quorum and drains, within its grace period."""
    broker = rendered.stack.broker
    assert isinstance(broker, RabbitMQ)
    created, updated, deleted = rendered.registration(rendered.one("StatefulSet", naming.RABBITMQ)).timeouts
    assert min(_seconds(created), _seconds(updated)) > broker.nodes * (
        broker.quorum_wait_seconds + broker.drain_seconds
    )
    assert _seconds(deleted) > broker.grace_period_seconds


def test_a_job_is_awaited_to_its_own_deadline_and_made_anew_when_it_failed(rendered: Rendered) -> None:
    """Otherwise Pulumi gives up before Kubernetes says why, and a failed Job stands in the way of each later `up`."""
    found = [one for one in rendered.manifests if one.kind == "Job"]
    assert len(found) == 2
    for job in found:
        created, updated, _ = rendered.registration(job).timeouts
        assert min(_seconds(created), _seconds(updated)) > jobs.DEADLINE_SECONDS
        assert job.body["metadata"]["annotations"]["pulumi.com/replaceUnready"] == "true"
