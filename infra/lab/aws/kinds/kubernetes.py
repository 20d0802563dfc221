"""EKS itself, and ECR."""

from __future__ import annotations

from infra.lab.aws.kind import Kind, call, only

#: Not its roles: AWS says the identifiers of the associations, and not what is in them.
_ADDON = (
    "addon.{addonName: addonName, addonVersion: addonVersion, clusterName: clusterName, "
    "configurationValues: configurationValues}"
)

KINDS = {
    "aws:eks/cluster:Cluster": Kind(
        service="eks",
        creates=[
            call(
                "create_cluster",
                logging="{clusterLogging: [{types: enabledClusterLogTypes, enabled: `true`}]}",
                encryptionConfig="[encryptionConfig]",
            )
        ],
        identity="name",
        reads=[
            (
                only("describe_cluster", name="id"),
                "cluster | (@ && merge(@, {enabledClusterLogTypes: logging.clusterLogging[?enabled].types[]}))",
            )
        ],
        updates=[
            only("update_cluster_version", name="id", version="version"),
            only(
                "update_cluster_config",
                name="id",
                logging="{clusterLogging: [{types: enabledClusterLogTypes, enabled: `true`}]}",
            ),
        ],
        deletes=[only("delete_cluster", name="id")],
        renames={"vpcConfig": "resourcesVpcConfig"},
        outputs={
            "arn": "said.arn",
            "endpoint": "said.endpoint",
            "certificateAuthority": "{data: said.certificateAuthority.data}",
        },
    ),
    "aws:eks/nodeGroup:NodeGroup": Kind(
        service="eks",
        creates=[call("create_nodegroup")],
        identity="join(':', [clusterName, nodeGroupName])",
        reads=[
            (only("describe_nodegroup", clusterName="clusterName", nodegroupName="nodeGroupName"), "nodegroup"),
        ],
        updates=[
            only(
                "update_nodegroup_config",
                clusterName="clusterName",
                nodegroupName="nodeGroupName",
                scalingConfig="scalingConfig",
                updateConfig="updateConfig",
            ),
            only(
                "update_nodegroup_version",
                clusterName="clusterName",
                nodegroupName="nodeGroupName",
                version="version",
                launchTemplate="launchTemplate",
            ),
        ],
        deletes=[only("delete_nodegroup", clusterName="clusterName", nodegroupName="nodeGroupName")],
        renames={"nodeRoleArn": "nodeRole", "subnetIds": "subnets"},
    ),
    "aws:eks/addon:Addon": Kind(
        service="eks",
        creates=[call("create_addon", resolveConflicts="resolveConflictsOnCreate")],
        identity="join(':', [clusterName, addonName])",
        reads=[(only("describe_addon", clusterName="clusterName", addonName="addonName"), _ADDON)],
        updates=[call("update_addon", resolveConflicts="resolveConflictsOnUpdate")],
        deletes=[only("delete_addon", clusterName="clusterName", addonName="addonName")],
    ),
    "aws:ecr/repository:Repository": Kind(
        service="ecr",
        creates=[call("create_repository", encryptionConfiguration="encryptionConfigurations[0]")],
        identity="name",
        reads=[(only("describe_repositories", repositoryNames="[id]"), "repositories[0]")],
        updates=[
            only("put_image_tag_mutability", repositoryName="id", imageTagMutability="imageTagMutability"),
            only(
                "put_image_scanning_configuration",
                repositoryName="id",
                imageScanningConfiguration="imageScanningConfiguration",
            ),
        ],
        deletes=[only("delete_repository", repositoryName="id", force="forceDelete")],
        renames={"name": "repositoryName"},
        outputs={"arn": "said.repositoryArn", "repositoryUrl": "said.repositoryUri"},
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Kind(
        service="ecr",
        creates=[only("put_lifecycle_policy", repositoryName="repository", lifecyclePolicyText="policy")],
        identity="repository",
        reads=[(only("get_lifecycle_policy", repositoryName="id"), "{policy: lifecyclePolicyText}")],
        deletes=[only("delete_lifecycle_policy", repositoryName="id")],
    ),
}
