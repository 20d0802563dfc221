"""ConfigMaps and Secrets that hold a server's files, and the hash by which a pod knows that they changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta import v1 as meta

from infra import naming
from infra.components.component import Part
from infra.workloads import metadata


def config_map(parent: Part, component: str, files: Mapping[str, pulumi.Input[str]]) -> core.ConfigMap:
    """`<component>-config`: nothing in it is secret."""
    name = f"{component}-config"
    return core.ConfigMap(
        name, metadata=metadata(parent.ground, component, name), data=dict(files), opts=parent.child()
    )


def secret(
    parent: Part,
    component: str,
    name: str,
    files: Mapping[str, pulumi.Input[str]],
    *,
    type_: str = "Opaque",
    labels: Mapping[str, str] = MappingProxyType({}),
) -> core.Secret:
    """A Secret in the component's namespace, with these files."""
    return core.Secret(
        name,
        metadata=meta.ObjectMetaArgs(
            name=name,
            namespace=parent.ground.namespace_of(component),
            labels=naming.labels(component, parent.ground.environment) | dict(labels),
        ),
        type=type_,
        string_data={key: pulumi.Output.secret(value) for key, value in files.items()},
        opts=parent.child(),
    )


def content_hash(*contents: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """What stands on a pod template, so that changed files start pods anew. Of 256-bit secrets a hash tells nothing."""
    files = {key: value for content in contents for key, value in content.items()}
    digest = pulumi.Output.all(**files).apply(
        lambda found: hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
    )
    return pulumi.Output.unsecret(digest)
