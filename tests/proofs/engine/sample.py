"""A small program with all that the harness must see: a component, a password, objects that depend on each other."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_kubernetes import apps, core, meta
from pulumi_random import RandomPassword

NAMESPACE = "shop"
_LABELS = {"app.kubernetes.io/name": "broker"}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a test varies. An instance is a program: call it."""

    service_name: str = "broker-nodes"
    image: str = "broker:1"
    protect: bool = False
    #: A mistake: the password where everybody can read it.
    leaky: bool = False
    #: Another: the namespace comes after what belongs in it.
    namespace_last: bool = False

    def __call__(self) -> None:
        """Declares the resources."""
        Broker("broker", self)


class Broker(pulumi.ComponentResource):
    """A stateful set with its configuration and its password."""

    def __init__(self, name: str, sample: Sample) -> None:
        """Declares the children."""
        super().__init__("millrace:test:Broker", name)
        child = ResourceOptions(parent=self)
        first = [] if sample.namespace_last else [_namespace(child)]
        inside = ResourceOptions(parent=self, depends_on=first)
        password = RandomPassword("password", length=32, special=False, opts=child)
        core.v1.Secret("password", metadata=_named("password"), string_data={"it": password.result}, opts=inside)
        lines: dict[str, pulumi.Input[str]] = {"broker.conf": "listeners.tcp = none"}
        if sample.leaky:
            lines |= {"url": Output.unsecret(Output.concat("amqps://broker:", password.result, "@broker"))}
        config = core.v1.ConfigMap(name, metadata=_named(name), data=lines, opts=inside)
        core.v1.Service(f"{name}-autonamed", metadata={"namespace": NAMESPACE}, spec={"selector": _LABELS}, opts=inside)
        stateful = ResourceOptions(parent=self, depends_on=first, protect=sample.protect)
        apps.v1.StatefulSet(name, metadata=_named(name), spec=_spec(sample), opts=stateful)
        if sample.namespace_last:
            _namespace(ResourceOptions(parent=self, depends_on=[config]))
        self.register_outputs({})


def _namespace(options: ResourceOptions) -> core.v1.Namespace:
    return core.v1.Namespace(NAMESPACE, metadata={"name": NAMESPACE}, opts=options)


def _named(name: str) -> meta.v1.ObjectMetaArgs:
    return meta.v1.ObjectMetaArgs(name=name, namespace=NAMESPACE)


def _spec(sample: Sample) -> apps.v1.StatefulSetSpecArgs:
    return apps.v1.StatefulSetSpecArgs(
        service_name=sample.service_name,
        replicas=3,
        selector=meta.v1.LabelSelectorArgs(match_labels=_LABELS),
        template=core.v1.PodTemplateSpecArgs(
            metadata=meta.v1.ObjectMetaArgs(labels=_LABELS),
            spec=core.v1.PodSpecArgs(containers=[core.v1.ContainerArgs(name="broker", image=sample.image)]),
        ),
    )
