"""IAM, and who may be what in EKS."""

from __future__ import annotations

from infra.lab.aws.kind import Kind, call, only

KINDS = {
    "aws:iam/role:Role": Kind(
        service="iam",
        creates=[call("create_role", RoleName="name")],
        identity="name",
        reads=[
            (
                only("get_role", RoleName="id"),
                "Role | (@ && merge(@, {permissionsBoundary: PermissionsBoundary.PermissionsBoundaryArn}))",
            )
        ],
        updates=[
            only("update_assume_role_policy", RoleName="id", PolicyDocument="assumeRolePolicy"),
            only("put_role_permissions_boundary", RoleName="id", PermissionsBoundary="permissionsBoundary"),
        ],
        deletes=[only("delete_role", RoleName="id")],
        renames={"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"},
        outputs={"arn": "said.Arn"},
    ),
    "aws:iam/rolePolicy:RolePolicy": Kind(
        service="iam",
        creates=[only("put_role_policy", RoleName="role", PolicyName="name", PolicyDocument="policy")],
        identity="join(':', [role, name])",
        reads=[(only("get_role_policy", RoleName="role", PolicyName="name"), "@")],
        updates=[only("put_role_policy", RoleName="role", PolicyName="name", PolicyDocument="policy")],
        deletes=[only("delete_role_policy", RoleName="role", PolicyName="name")],
        renames={"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"},
        autonamed=True,
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Kind(
        service="iam",
        creates=[only("attach_role_policy", RoleName="role", PolicyArn="policyArn")],
        identity="join('/', [role, policyArn])",
        reads=[
            (
                only("list_attached_role_policies", RoleName="role"),
                "AttachedPolicies[?PolicyArn=='$policyArn'] | [0]",
            )
        ],
        deletes=[only("detach_role_policy", RoleName="role", PolicyArn="policyArn")],
    ),
    "aws:iam/policy:Policy": Kind(
        service="iam",
        creates=[call("create_policy", PolicyName="name", PolicyDocument="policy")],
        identity="answer.Policy.Arn",
        reads=[
            (only("get_policy", PolicyArn="id"), "Policy"),
            (only("get_policy_version", PolicyArn="id", VersionId="'v1'"), "{policy: PolicyVersion.Document}"),
        ],
        updates=[only("create_policy_version", PolicyArn="id", PolicyDocument="policy", SetAsDefault="`true`")],
        deletes=[only("delete_policy", PolicyArn="id")],
        renames={"name": "PolicyName"},
        outputs={"arn": "id"},
    ),
    "aws:eks/accessEntry:AccessEntry": Kind(
        service="eks",
        creates=[call("create_access_entry")],
        identity="join(':', [clusterName, principalArn])",
        reads=[
            (
                only("describe_access_entry", clusterName="clusterName", principalArn="principalArn"),
                "accessEntry",
            )
        ],
        deletes=[only("delete_access_entry", clusterName="clusterName", principalArn="principalArn")],
    ),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": Kind(
        service="eks",
        creates=[call("associate_access_policy")],
        identity="join('#', [clusterName, principalArn, policyArn])",
        reads=[
            (
                only("list_associated_access_policies", clusterName="clusterName", principalArn="principalArn"),
                "associatedAccessPolicies[?policyArn=='$policyArn'] | [0]",
            )
        ],
        deletes=[
            only(
                "disassociate_access_policy",
                clusterName="clusterName",
                principalArn="principalArn",
                policyArn="policyArn",
            )
        ],
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": Kind(
        service="eks",
        creates=[call("create_pod_identity_association")],
        identity="answer.association.associationId",
        reads=[
            (
                only("describe_pod_identity_association", clusterName="clusterName", associationId="id"),
                "association",
            )
        ],
        updates=[
            only(
                "update_pod_identity_association",
                clusterName="clusterName",
                associationId="id",
                roleArn="roleArn",
            )
        ],
        deletes=[only("delete_pod_identity_association", clusterName="clusterName", associationId="id")],
    ),
}
