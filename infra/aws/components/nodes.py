"""Nodes: one group in each zone, of an image without a shell, and no way to a pod's credentials but Pod Identity."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_aws import ec2, eks, iam

from infra.aws.components.part import Part, Place
from infra.aws.documents import assumed_by_ec2
from infra.aws.settings.cluster import Cluster

#: Bottlerocket for Graviton: no SSH, no package manager, a read-only root.
IMAGE = "BOTTLEROCKET_ARM_64"
_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")


class Nodes(Part):
    """Groups of nodes, and the role and the template that they share."""

    def __init__(
        self,
        name: str,
        settings: Cluster,
        cluster_name: pulumi.Input[str],
        subnet_of: Mapping[str, pulumi.Input[str]],
        place: Place,
        tags: Mapping[str, str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`tags` are those of everything: instances and disks get theirs from the template, not from the provider."""
        super().__init__(f"{name}-nodes", opts=opts)
        role = iam.Role(f"{name}-nodes", name=f"{name}-nodes", assume_role_policy=assumed_by_ec2(), opts=self.child())
        attached = [
            iam.RolePolicyAttachment(
                f"{name}-{policy}",
                role=role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=self.child(),
            )
            for policy in _POLICIES
        ]
        template = self._template(name, settings.nodes.disk_gib, place, tags)
        self.groups = [
            eks.NodeGroup(
                f"{name}-{zone}",
                cluster_name=cluster_name,
                node_group_name=f"{name}-{zone}",
                node_role_arn=role.arn,
                version=settings.version,
                ami_type=IMAGE,
                instance_types=[settings.nodes.instance_type],
                subnet_ids=[subnet],
                scaling_config={
                    "min_size": settings.nodes.min_per_zone,
                    "max_size": settings.nodes.max_per_zone,
                    "desired_size": settings.nodes.min_per_zone,
                },
                update_config={"max_unavailable_percentage": 33},
                launch_template={
                    "id": template.id,
                    "version": template.latest_version.apply(lambda number: str(int(number))),
                },
                # Whoever scales the group changes this number; the program does not set it back.
                opts=self.child(depends_on=attached, ignore_changes=["scalingConfig.desiredSize"]),
            )
            for zone, subnet in subnet_of.items()
        ]
        self.register_outputs({})

    def _template(
        self,
        name: str,
        disk_gib: int,
        place: Place,
        tags: Mapping[str, str],
    ) -> ec2.LaunchTemplate:
        disk = ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
            volume_type="gp3",
            volume_size=disk_gib,
            encrypted="true",
            kms_key_id=place.key_arn,
            delete_on_termination="true",
        )
        return ec2.LaunchTemplate(
            f"{name}-nodes",
            name=f"{name}-nodes",
            update_default_version=True,
            vpc_security_group_ids=[place.group_id],
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,  # a pod is two hops away
                "instance_metadata_tags": "disabled",
            },
            monitoring={"enabled": True},
            # Bottlerocket has its own disk, and one for images and logs.
            block_device_mappings=[
                ec2.LaunchTemplateBlockDeviceMappingArgs(device_name=device, ebs=disk)
                for device in ("/dev/xvda", "/dev/xvdb")
            ],
            tag_specifications=[
                ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags={**tags, "Name": f"{name}-node"})
                for kind in ("instance", "volume")
            ],
            opts=self.child(),
        )
