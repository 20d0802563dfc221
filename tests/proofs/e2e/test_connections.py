"""P8 in a cluster: who can connect to whom is the connection table, no pair and no port more or less."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from infra import naming
from infra.settings.stack import Stack
from tests.harness.kubernetes.ends import STRANGER_OUTSIDE, End
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.kubernetes.matrix import Attempt, Matrix
from tests.harness.waiting import eventually

#: The server writes these; an object that is made again has others.
_OF_THE_SERVER = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation")


def test_connections_are_those_of_the_table(matrix: Matrix, source_name: str) -> None:
    """From each kind of pod to each other, and to what is outside, on every port that matters."""
    tried = [one for one in matrix.attempts if one.source == source_name]
    assert tried, f"nothing was tried from {source_name}"
    differences = "\n".join(map(str, matrix.differences(source_name)))
    assert not differences, differences


def test_most_denials_are_denials_of_somebody(matrix: Matrix) -> None:
    """What is denied would have been answered: else the test above proved little."""
    denied = [one for one in matrix.attempts if not one.expected]
    assert sum(one.answered for one in denied) > len(denied) / 4, matrix.summary()


def test_a_deleted_policy_is_noticed(kubectl: Kubectl, stack: Stack, ends: tuple[End, ...]) -> None:
    """Without its default a namespace lets everybody in to a pod without its own policy; the others keep theirs."""
    [intruder] = [end for end in ends if end.name == STRANGER_OUTSIDE]
    [victim] = [end for end in ends if end.name == f"stranger in {naming.NAMESPACE_APP}"]

    def differences() -> tuple[Attempt, ...]:
        return Matrix.probed_from(kubectl, stack, (intruder,), (victim,)).differences()

    assert not differences()
    with _without(kubectl, naming.NAMESPACE_APP, "default-deny"):
        found = eventually(differences, what="the missing policy is noticed")
        assert {(one.expected, one.seen) for one in found} == {(False, True)}

    def back() -> bool:
        wrong = differences()
        assert not wrong, "; ".join(map(str, wrong))
        return True

    eventually(back, what="the policy is back", tolerate=(AssertionError,))


@contextmanager
def _without(kubectl: Kubectl, namespace: str, policy: str) -> Iterator[None]:
    saved = kubectl.one("networkpolicy", namespace, policy)
    for name in _OF_THE_SERVER:
        saved["metadata"].pop(name, None)
    kubectl.run("delete", "networkpolicy", policy, "--namespace", namespace)
    try:
        yield
    finally:
        by_us = ("--server-side", "--field-manager", naming.MANAGER)
        kubectl.run("apply", *by_us, "--filename", "-", input=json.dumps(saved))
