"""Least privilege: what each role may do, written by hand. The rendered policies say the same, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.render.recorder import Registered

Stacks = Callable[[str], tuple[Registered, ...]]
Rights = dict[str, set[str]]

EMPTY = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
CONSUME = EMPTY | {"sqs:ChangeMessageVisibility"}
SEND = {"sqs:SendMessage", "sqs:GetQueueAttributes"}
READ, WRITE = {"kms:Decrypt"}, {"kms:GenerateDataKey", "kms:Decrypt"}
QUEUES = ("interactive", "bulk", "external")
STORE: Rights = {"bucket": {"s3:ListBucket"}, "objects": {"s3:PutObject", "s3:GetObject"}, "key uploads": WRITE}
#: Without SQS.
PROD: dict[str, Rights] = {
    "gateway": STORE,
    **{f"worker-{queue}": STORE for queue in QUEUES},
    "retention": {"bucket": {"s3:ListBucket"}, "objects": {"s3:DeleteObject"}},
}
STAGING: dict[str, Rights] = {
    **PROD,
    "relay": {**dict.fromkeys(QUEUES, SEND), "key broker": WRITE},
    # A worker sends retries, and what a task sends outside a transaction.
    **{
        f"worker-{queue}": {**STORE, **dict.fromkeys(QUEUES, SEND), queue: CONSUME | SEND, "key broker": WRITE}
        for queue in QUEUES
    },
    "archiver": {**{f"{queue}-dead": EMPTY for queue in QUEUES}, "key broker": READ},
    "topology": {queue: {"sqs:GetQueueAttributes"} for queue in QUEUES},
    "keda-operator": {queue: {"sqs:GetQueueAttributes"} for queue in QUEUES},
}


def _rights(policy: str, stack: str) -> Rights:
    found: Rights = {}
    for one in json.loads(policy)["Statement"]:
        assert one["Effect"] == "Allow"
        [resource] = one["Resource"]
        found.setdefault(_target(resource, stack), set()).update(one["Action"])
    return found


def _target(resource: str, stack: str) -> str:
    reference, _, rest = resource.removeprefix("${").partition("}")
    kind, name, _ = reference.split(".")
    name = name.removeprefix(f"millrace_{stack}_").replace("_", "-")
    match kind:
        case "aws_sqs_queue":
            return name
        case "aws_kms_key":
            return f"key {name}"
        case _:
            assert kind == "aws_s3_bucket", resource
            return "objects" if rest == "/*" else "bucket"


def _with_identity(registered: tuple[Registered, ...]) -> dict[str, Any]:
    """The account of each association, with the role that it names."""
    return {
        one.inputs["serviceAccount"]: one.inputs
        for one in registered
        if one.type == "aws:eks/podIdentityAssociation:PodIdentityAssociation"
    }


@pytest.mark.parametrize(("stack", "table"), [("staging", STAGING), ("prod", PROD)])
def test_each_account_has_exactly_these_rights(stack: str, table: dict[str, Rights], registered: Stacks) -> None:
    """An account that is not in the table has no role at all."""
    everything = registered(stack)
    associations = _with_identity(everything)
    assert set(associations) == set(table)
    policies = {one.name: one.inputs["policy"] for one in everything if one.type == "aws:iam/rolePolicy:RolePolicy"}
    for account, rights in table.items():
        assert _rights(policies[f"millrace-{stack}-{account}"], stack) == rights, account


def test_a_role_is_for_one_account_of_one_cluster(registered: Stacks) -> None:
    """By the tags that EKS puts on the session, and under the boundary."""
    everything = registered("staging")
    roles = {one.name: one.inputs for one in everything if one.type == "aws:iam/role:Role"}
    for account, said in _with_identity(everything).items():
        role = roles[f"millrace-staging-{account}"]
        [trust] = json.loads(role["assumeRolePolicy"])["Statement"]
        assert trust["Principal"] == {"Service": ["pods.eks.amazonaws.com"]}
        assert trust["Action"] == ["sts:AssumeRole", "sts:TagSession"]
        tags = trust["Condition"]["StringEquals"]
        assert tags["aws:RequestTag/kubernetes-service-account"] == account
        assert tags["aws:RequestTag/kubernetes-namespace"] == said["namespace"]
        assert tags["aws:RequestTag/eks-cluster-arn"] == "${aws_eks_cluster.millrace_staging.arn}"
        assert role["permissionsBoundary"] == "${aws_iam_policy.millrace_staging_boundary.arn}"


def test_the_boundary_allows_what_is_granted_and_no_more(registered: Stacks) -> None:
    """The union of all roles."""
    [boundary] = [one.inputs["policy"] for one in registered("staging") if one.type == "aws:iam/policy:Policy"]
    union: Rights = {}
    for rights in STAGING.values():
        for target, actions in rights.items():
            union.setdefault(target, set()).update(actions)
    assert _rights(boundary, "staging") == union
