"""Cut one RabbitMQ pod off from its neighbours, as a broken switch between racks does: clients still reach all of them.

By the NetworkPolicy that allows the neighbours, so it works wherever policies are enforced. A policy is for new
connections; those that are there are ended from inside, and cannot come again. What is left of an interrupted drill,
the next deployment puts right.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from kubernetes import client

from chaos.errors import NotConfirmedError
from chaos.waiting import wait_until

_NAME = "rabbitmq"
_POD_NAME = "statefulset.kubernetes.io/pod-name"
_CUT_SECONDS = 60.0
#: Ends what is connected, and says how many came again: RabbitMQ tries within milliseconds.
_DISCONNECT = "[erlang:disconnect_node(N) || N <- nodes()], timer:sleep(2000), length(nodes())."

Policy = dict[str, Any]


def without(policy: Policy, pod: str) -> Policy:
    """The rules of RabbitMQ's policy, with one pod no longer among the neighbours.

    Raises:
        NotConfirmedError: it names no neighbours, so that nothing would be cut.
    """
    rules = copy.deepcopy({"ingress": policy["ingress"], "egress": policy["egress"]})
    neighbours = [*_neighbours(rules["ingress"], "from"), *_neighbours(rules["egress"], "to")]
    if len(neighbours) < 2:
        message = f"The policy {_NAME} does not say that its pods may reach each other."
        raise NotConfirmedError(message)
    for selector in neighbours:
        others = selector.setdefault("matchExpressions", [])
        others.append({"key": _POD_NAME, "operator": "NotIn", "values": [pod]})
    return rules


def _neighbours(rules: list[dict[str, Any]], side: str) -> Iterator[dict[str, Any]]:
    for rule in rules:
        for peer in rule.get(side, []):
            selector = peer.get("podSelector", {})
            if selector.get("matchLabels", {}).get("app.kubernetes.io/name") == _NAME:
                yield selector


class Partition:
    """One pod on one side, all others on the other."""

    def __init__(self, api: client.ApiClient, namespace: str, pod: str) -> None:
        """Remember the policy as it is."""
        self._policies = client.NetworkingV1Api(api)
        self._namespace = namespace
        self._pod = pod
        found = self._policies.read_namespaced_network_policy(_NAME, namespace)
        self._before: Policy = api.sanitize_for_serialization(found)["spec"]

    def begin(self, evaluate: Callable[[str], str]) -> None:
        """Cut; `evaluate` runs an Erlang expression on the pod's node and returns what it printed.

        Raises:
            NotConfirmedError: the neighbours come back.
        """
        self._write(without(self._before, self._pod))
        came_back = ""

        def alone() -> bool:
            nonlocal came_back
            came_back = evaluate(_DISCONNECT).strip()
            return came_back == "0"

        if not wait_until(alone, _CUT_SECONDS):
            message = f"{self._pod} finds its neighbours again ({came_back[-200:]}): are policies enforced here?"
            raise NotConfirmedError(message)

    def end(self) -> None:
        """As it was."""
        self._write({"ingress": self._before["ingress"], "egress": self._before["egress"]})

    def _write(self, rules: dict[str, Any]) -> None:
        self._policies.patch_namespaced_network_policy(_NAME, self._namespace, {"spec": rules})
