"""Kubernetes on EKS, and its nodes."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from infra.settings.values import Model

AddonName = Literal["vpc-cni", "coredns", "kube-proxy", "eks-pod-identity-agent", "aws-ebs-csi-driver"]
ADDONS: tuple[AddonName, ...] = get_args(AddonName)
AddonVersion = Annotated[str, Field(pattern=r"^v\d+\.\d+\.\d+-eksbuild\.\d+$")]
RoleArn = Annotated[str, Field(pattern=r"^arn:aws:iam::\d{12}:role/[\w+=,.@/-]+$")]


class Nodes(Model):
    """One group of nodes in each zone, so that a volume's pod finds a node beside its volume."""

    instance_type: str = Field(
        pattern=r"^[a-z][a-z0-9-]+g[a-z]*\.[a-z0-9-]+$", description="Graviton: the image is ARM's"
    )
    min_per_zone: int = Field(ge=1, le=100)
    max_per_zone: int = Field(ge=1, le=100)
    disk_gib: int = Field(ge=30, le=16384)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_per_zone <= self.min_per_zone:
            raise ValueError(
                f"maxPerZone {self.max_per_zone} leaves no node to spare beside minPerZone {self.min_per_zone}: "
                f"an update brings new nodes before it takes old ones: write {self.min_per_zone + 1} or more"
            )
        return self


class Cluster(Model):
    """A cluster that only the network can reach."""

    version: Literal["1.34", "1.35", "1.36"]
    admin_roles: tuple[RoleArn, ...] = Field(min_length=1, description="who may do everything in it; else nobody may")
    addons: dict[AddonName, AddonVersion]
    nodes: Nodes

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if missing := [name for name in ADDONS if name not in self.addons]:
            raise ValueError(f"addons lack {', '.join(missing)}: name a version of each, or AWS chooses one")
        major, minor = self.version.split(".")
        proxy = self.addons["kube-proxy"].removeprefix("v").split(".")
        if proxy[0] != major or not int(minor) - 3 <= int(proxy[1]) <= int(minor):
            raise ValueError(
                f"addons.kube-proxy {self.addons['kube-proxy']} does not go with version {self.version}: it may be "
                "up to three minor versions older, and never newer"
            )
        return self
