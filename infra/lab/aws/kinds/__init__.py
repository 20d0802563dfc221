"""Every kind of resource that infra/aws uses, by Pulumi's type."""

from __future__ import annotations

from collections.abc import Mapping

from infra.lab.aws.kind import Kind
from infra.lab.aws.kinds import identity, kubernetes, messages, network, servers, storage, watching

KINDS: Mapping[str, Kind] = {
    **identity.KINDS,
    **kubernetes.KINDS,
    **messages.KINDS,
    **network.KINDS,
    **servers.KINDS,
    **storage.KINDS,
    **watching.KINDS,
}
