"""The archive of a replicated database: as whom its pods reach the bucket, and what a new cluster is restored from."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from infra.settings.values import Cidr, Model, Name


class Irsa(Model):
    """EKS: the service account has an IAM role, and each pod trades its token at STS for keys of an hour."""

    kind: Literal["irsa"]
    role_arn: str = Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/\S+$")
    sts_cidrs: tuple[Cidr, ...] = Field(
        min_length=1, description="where STS is, best a VPC endpoint: a way out of the cluster"
    )


class PodIdentity(Model):
    """EKS Pod Identity: an agent on the node gives the keys. You associate the role with the account `postgresql`."""

    kind: Literal["pod-identity"]


class Keys(Model):
    """Keys in the Secret `postgresql-s3` in the namespace `millrace-data`: `s3_user` and `s3_password`, made by you."""

    kind: Literal["keys"]


Identity = Annotated[Irsa | PodIdentity | Keys, Field(discriminator="kind")]


class Recovery(Model):
    """From which archive a cluster begins that does not exist yet. One that exists is not changed by this."""

    archive: Name = Field(description="the archive of the cluster that was lost: its `database.archive`")
    target_time: AwareDatetime | None = Field(
        None, description="restore up to here, with the zone (2026-11-30T04:00:00Z); left out: to the archive's end"
    )


def _subnet(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from error
    if network.num_addresses == 1:
        raise ValueError(
            f"{text} is one address, and a managed API server moves: name the subnets in which its interfaces are"
        )
    return text


#: Where something is that changes its address.
Subnet = Annotated[Cidr, AfterValidator(_subnet)]
