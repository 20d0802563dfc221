"""How every pod of ours looks: hardened, bounded, one folder of secrets. Builders of typed arguments; no resources.

A component says what is particular to it; what all have in common is here, once, and the policy pack checks it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from infra import naming
from infra.ground import Ground
from infra.probes import NO_PROBES, Probes
from infra.settings.values import Resources
from infra.volumes import Volume

#: The user `millrace` of our images (MILLRACE_UID in infra/images).
RUN_AS_USER = 10001


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container, as far as it differs from the others."""

    name: str
    image: str
    resources: Resources
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    #: Variables taken from the pod itself: name to field path.
    pod_fields: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    volumes: Sequence[Volume] = ()
    probes: Probes = NO_PROBES
    pre_stop: tuple[str, ...] = ()


def container(it: Container) -> core.ContainerArgs:
    """The whole container: hardened, its memory asked for whole, its image never pulled behind a fixed tag's back."""
    # Fields of the pod first: a value may refer only to variables before it.
    variables = [
        core.EnvVarArgs(
            name=name,
            value_from=core.EnvVarSourceArgs(field_ref=core.ObjectFieldSelectorArgs(api_version="v1", field_path=path)),
        )
        for name, path in it.pod_fields.items()
    ]
    variables += [core.EnvVarArgs(name=name, value=value) for name, value in it.environment.items()]
    return core.ContainerArgs(
        name=it.name,
        image=it.image,
        image_pull_policy="IfNotPresent",
        command=list(it.command) or None,
        args=list(it.arguments) or None,
        env=variables or None,
        ports=[
            core.ContainerPortArgs(name=name, container_port=port, protocol="TCP") for name, port in it.ports.items()
        ]
        or None,
        resources=core.ResourceRequirementsArgs(
            requests={"cpu": it.resources.cpu, "memory": it.resources.memory},
            limits={"cpu": cpu_limit(it.resources), "memory": it.resources.memory},
        ),
        volume_mounts=[volume.mount for volume in it.volumes] or None,
        startup_probe=it.probes.startup,
        readiness_probe=it.probes.readiness,
        liveness_probe=it.probes.liveness,
        lifecycle=core.LifecycleArgs(
            pre_stop=core.LifecycleHandlerArgs(exec_=core.ExecActionArgs(command=list(it.pre_stop)))
        )
        if it.pre_stop
        else None,
        security_context=core.SecurityContextArgs(
            allow_privilege_escalation=False,
            privileged=False,
            read_only_root_filesystem=True,
            run_as_non_root=True,
            capabilities=core.CapabilitiesArgs(drop=["ALL"]),
        ),
    )


def pod(
    ground: Ground,
    component: str,
    containers: Sequence[Container],
    *,
    grace_period_seconds: int,
    first: Sequence[Container] = (),
    restart_policy: str = "Always",
    spread_hosts: str = "ScheduleAnyway",
    affinity: core.AffinityArgs | None = None,
) -> core.PodSpecArgs:
    """A pod: no token, no root, seccomp, spread over hosts and zones. `first` are its init containers."""
    mounted = {volume.name: volume.source for one in (*first, *containers) for volume in one.volumes if volume.source}
    return core.PodSpecArgs(
        service_account_name=component,
        priority_class_name=ground.priority_class_of(component),
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=grace_period_seconds,
        restart_policy=restart_policy,
        # A question that goes to a DNS server whose node is lost is given up after 2 s, not 10 (app/resolver.py).
        dns_config=core.PodDNSConfigArgs(
            options=[
                core.PodDNSConfigOptionArgs(name="timeout", value="1"),
                core.PodDNSConfigOptionArgs(name="attempts", value="2"),
            ]
        ),
        security_context=core.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=RUN_AS_USER,
            run_as_group=RUN_AS_USER,
            fs_group=RUN_AS_USER,
            fs_group_change_policy="OnRootMismatch",
            seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        init_containers=[container(one) for one in first] or None,
        containers=[container(one) for one in containers],
        volumes=list(mounted.values()) or None,
        affinity=affinity,
        topology_spread_constraints=_spread(ground, component, spread_hosts),
    )


def pod_metadata(ground: Ground, component: str, annotations: Mapping[str, pulumi.Input[str]]) -> meta.ObjectMetaArgs:
    """Labels of a pod template: what policies and services select by, and what the pod must be restarted for."""
    return meta.ObjectMetaArgs(
        labels=naming.labels(component, ground.environment), annotations=dict(annotations) or None
    )


def metadata(
    ground: Ground,
    component: str,
    name: pulumi.Input[str] | None = None,
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
) -> meta.ObjectMetaArgs:
    """Name, namespace and labels of an object of a component."""
    return meta.ObjectMetaArgs(
        name=name or component,
        namespace=ground.namespace_of(component),
        labels=naming.labels(component, ground.environment),
        annotations=dict(annotations) if annotations else None,
    )


def fingerprint(arguments: Any) -> str:
    """Eight hexadecimal digits that change whenever typed arguments do, whatever the outputs in them turn out to be."""

    def plain(value: Any) -> Any:
        if isinstance(value, pulumi.Output):
            return "(output)"
        if pulumi._types.is_input_type(type(value)):  # noqa: SLF001 - there is no public way to read arguments
            return plain(pulumi._types.input_type_to_dict(value))  # noqa: SLF001
        if isinstance(value, Mapping):
            return {key: plain(inner) for key, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value

    return hashlib.sha256(json.dumps(plain(arguments), sort_keys=True).encode()).hexdigest()[:8]


def name_of(prefix: str, arguments: Any) -> pulumi.Input[str]:
    """A name that changes whenever typed arguments or the outputs in them do; a text where they hold no outputs."""
    name, outputs = f"{prefix}-{fingerprint(arguments)}", list(_outputs(arguments))
    if not outputs:
        return name
    return pulumi.Output.all(*outputs).apply(lambda known: f"{name}-{fingerprint(known)}")


def _outputs(value: Any) -> Iterator[pulumi.Output[Any]]:
    if isinstance(value, pulumi.Output):
        yield value
    elif pulumi._types.is_input_type(type(value)):  # noqa: SLF001 - as above
        yield from _outputs(pulumi._types.input_type_to_dict(value))  # noqa: SLF001
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _outputs(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _outputs(inner)


def workload_metadata(
    ground: Ground,
    component: str,
    name: pulumi.Input[str] | None = None,
    *,
    reviewed: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> meta.ObjectMetaArgs:
    """Metadata of what runs pods: also what a scanner finds there and why it is so (`reviewed`: check to reason).

    `more` are further annotations.
    """
    findings = dict(reviewed or {})
    if not ground.is_prod:
        findings["CKV_K8S_15"] = (
            "A tag of ours is a version and never moved; nodes without a registry have images loaded"
        )
        findings["CKV_K8S_43"] = "Images are loaded onto the nodes by tag here; the settings demand digests in prod"
    annotations = {f"checkov.io/skip{i}": f"{check}={reason}" for i, (check, reason) in enumerate(findings.items(), 1)}
    return metadata(ground, component, name, annotations | dict(more or {}))


def apart(component: str) -> core.AffinityArgs:
    """No two pods of a component on one host: a quorum that shares a host is none."""
    return core.AffinityArgs(
        pod_anti_affinity=core.PodAntiAffinityArgs(
            required_during_scheduling_ignored_during_execution=[
                core.PodAffinityTermArgs(
                    label_selector=meta.LabelSelectorArgs(match_labels=naming.selector(component)),
                    topology_key="kubernetes.io/hostname",
                )
            ]
        )
    )


def _spread(ground: Ground, component: str, hosts: str) -> list[core.TopologySpreadConstraintArgs]:
    """Over hosts, and over zones where there are several. With three of them one may be lost."""
    over = {"kubernetes.io/hostname": hosts}
    if ground.zones > 1:
        over["topology.kubernetes.io/zone"] = "DoNotSchedule" if hosts == "DoNotSchedule" else "ScheduleAnyway"
    return [
        core.TopologySpreadConstraintArgs(
            max_skew=1,
            topology_key=key,
            when_unsatisfiable=when,
            label_selector=meta.LabelSelectorArgs(match_labels=naming.selector(component)),
            # Of its own revision only: pods that a roll-out is about to remove would leave theirs in heaps.
            match_label_keys=["pod-template-hash"],
            # A node that is being drained takes no pods: counted as an empty one it would make every other too full.
            node_taints_policy="Honor",
        )
        for key, when in over.items()
    ]


def cpu_limit(resources: Resources) -> str:
    """As a quantity."""
    return f"{round(resources.cpu_limit_cores * 1000)}m"
