"""A role for each service account, by EKS Pod Identity: no key, no user, and nothing that is not in the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pulumi
from pulumi_aws import eks, iam

from infra.aws.components.part import Part
from infra.aws.documents import Statement, assumed_by_pods, document
from infra.aws.grants import Account, Grant

Arn = Callable[[Grant], pulumi.Input[str]]


class PodRoles(Part):
    """Roles, their policies, and which pods have them."""

    def __init__(
        self,
        name: str,
        accounts: Sequence[Account],
        arn: Arn,
        cluster_name: pulumi.Input[str],
        cluster_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`arn` finds the ARN of a grant's target."""
        super().__init__(f"{name}-pod-roles", opts=opts)
        boundary = iam.Policy(
            f"{name}-boundary",
            name=f"{name}-boundary",
            description="The most that any pod may do, whatever its role says",
            policy=_boundary(accounts, arn),
            opts=self.child(),
        )
        for account in accounts:
            role = iam.Role(
                f"{name}-{account.name}",
                name=f"{name}-{account.name}",
                assume_role_policy=assumed_by_pods(cluster_arn, account.namespace, account.name),
                permissions_boundary=boundary.arn,
                opts=self.child(),
            )
            iam.RolePolicy(
                f"{name}-{account.name}",
                role=role.name,
                policy=document(*(_statement(number, grant, arn) for number, grant in enumerate(account.grants))),
                opts=self.child(),
            )
            eks.PodIdentityAssociation(
                f"{name}-{account.name}",
                cluster_name=cluster_name,
                namespace=account.namespace,
                service_account=account.name,
                role_arn=role.arn,
                opts=self.child(),
            )
        self.register_outputs({})


def _statement(number: int, grant: Grant, arn: Arn) -> Statement:
    words = (str(grant.target), grant.queue, str(number))
    sid = "".join(part for word in words for part in word.title() if part.isalnum())
    return Statement(sid=sid, actions=grant.actions, resources=(arn(grant),))


def _boundary(accounts: Sequence[Account], arn: Arn) -> pulumi.Output[str]:
    """Everything that is granted to anybody, by target."""
    actions: dict[tuple[str, str], set[str]] = {}
    for grant in (grant for account in accounts for grant in account.grants):
        actions.setdefault((grant.target, grant.queue), set()).update(grant.actions)
    grants = [
        Grant(grant.target, tuple(sorted(actions[grant.target, grant.queue])), grant.queue)
        for grant in {(one.target, one.queue): one for account in accounts for one in account.grants}.values()
    ]
    return document(*(_statement(number, grant, arn) for number, grant in enumerate(grants)))
