"""Redis Sentinel: who watches, who may ask, and where everybody is. Three pods, each with a Redis and a sentinel.

Host names, never addresses: a pod that comes back has another address, and certificates are for names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app import contract
from app.contract import Role
from infra.servers.logins import Accepted
from infra.servers.redis import acl_file
from infra.servers.redis_conf import tls

#: A primary that says nothing for so long is down. Shorter, and a busy machine makes one primary after the other.
DOWN_AFTER_MILLISECONDS = 5_000
#: A failover that is not done by then is given up; after twice this somebody tries again.
FAILOVER_TIMEOUT_MILLISECONDS = 15_000

_ASK = "-@all +@connection +sentinel|masters +sentinel|get-master-addr-by-name +sentinel|replicas +sentinel|slaves"
RULES: dict[Role, str] = {
    Role.GATEWAY: _ASK,
    Role.WORKER: _ASK,
    Role.OPERATOR: "allchannels +@all",
    # Readiness, and a Redis that starts and asks which of them is the primary.
    Role.PROBE: "-@all +ping +sentinel|master",
    # The other sentinels; and a primary that is about to stop and hands over.
    Role.SENTINEL: "allchannels -@all +@connection +publish +sentinel|is-master-down-by-addr +sentinel|failover",
}


def sentinel_acl(passwords: Mapping[Role, Accepted]) -> str:
    """The sentinels' ACL file; a role has the same passwords as on Redis."""
    return acl_file(passwords, RULES)


def node_names(replicas: int, headless_service: str, namespace: str, *, name: str = "redis") -> tuple[str, ...]:
    """The pods' host names: `redis-0.redis-nodes.millrace-data.svc.cluster.local`. Certificates must be for them."""
    return tuple(
        f"{name}-{number}.{headless_service}.{namespace}.svc.cluster.local" for number in range(replicas)
    )  # fmt: skip


def nodes_file(nodes: Sequence[str]) -> str:
    """`nodes`, beside the two settings files: a line a pod. That it exists tells the image that there are several."""
    return "".join(f"{node}\n" for node in nodes)


def sentinel_conf(nodes: Sequence[str]) -> str:
    """What each sentinel starts from; the entry point adds its name, its passwords and what it has learnt before.

    Raises:
        ValueError: with this number of nodes no majority survives the loss of one.
    """
    if len(nodes) < 3 or len(nodes) % 2 == 0:
        raise ValueError(f"Sentinel needs an odd number of at least 3 nodes, not {len(nodes)}")
    service = contract.REDIS_SERVICE
    lines = [
        f"# Redis Sentinel, one of {len(nodes)}. Made by infra.servers.sentinel.",
        *tls(contract.PORT_SENTINEL),
        "# Also how a sentinel speaks to those it watches.",
        "tls-replication yes",
        "aclfile /run/secrets/millrace/sentinel.acl",
        "dir /tmp",
        "sentinel resolve-hostnames yes",
        "sentinel announce-hostnames yes",
        "sentinel deny-scripts-reconfig yes",
        "# At the very first start the first node is the primary; what is learnt later replaces this line.",
        f"sentinel monitor {service} {nodes[0]} {contract.PORT_REDIS} {len(nodes) // 2 + 1}",
        f"sentinel auth-user {service} {Role.SENTINEL}",
        f"sentinel down-after-milliseconds {service} {DOWN_AFTER_MILLISECONDS}",
        f"sentinel failover-timeout {service} {FAILOVER_TIMEOUT_MILLISECONDS}",
        f"sentinel parallel-syncs {service} 1",
        f"sentinel sentinel-user {Role.SENTINEL}",
        "",
    ]
    return "\n".join(lines)
