"""Addresses and zones of the network."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Self

from pydantic import Field, model_validator

from infra.settings.values import Model

Zone = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d[a-z]$")]
#: Each zone has a sixteenth of the network: a /20 of a /16, so that zones and public subnets can come later.
SUBNET_BITS = 4
#: EKS' default for services; pods and nodes must not have addresses in it.
SERVICES = "172.20.0.0/16"
_PRIVATE = tuple(ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


class Network(Model):
    """A VPC of private subnets, one a zone."""

    cidr: str = Field(description="private addresses (RFC 1918), for example 10.20.0.0/16")
    zones: tuple[Zone, ...]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        try:
            block = ipaddress.IPv4Network(self.cidr)
        except ValueError as error:
            raise ValueError(f"cidr {self.cidr}: {error}: write a network, for example 10.20.0.0/16") from error
        if not any(block.subnet_of(private) for private in _PRIVATE):
            raise ValueError(f"cidr {self.cidr} is not private: take one of {', '.join(map(str, _PRIVATE))}")
        if not 16 <= block.prefixlen <= 20:
            raise ValueError(
                f"cidr {self.cidr}: AWS takes no more than a /16, and a /20 is the least that pods fit into"
            )
        if block.overlaps(ipaddress.ip_network(SERVICES)):
            raise ValueError(f"cidr {self.cidr} overlaps {SERVICES}, the addresses of services: take another")
        if len(self.zones) != 3 or len(set(self.zones)) != 3:
            raise ValueError(
                f"zones {', '.join(self.zones)}: name three different ones: brokers vote, so two are too few"
            )
        return self

    @property
    def subnets(self) -> dict[str, str]:
        """The private subnet of each zone."""
        blocks = ipaddress.ip_network(self.cidr).subnets(prefixlen_diff=SUBNET_BITS)
        return dict(zip(self.zones, map(str, blocks), strict=False))
