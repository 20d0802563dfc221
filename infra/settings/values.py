"""The kinds of value that settings are made of: sizes, images, resources."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from kubernetes.utils import quantity as kubernetes
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Frozen, strict about names: a key that nobody reads is a typo, and a typo must not pass."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


def _quantity(text: str) -> str:
    try:
        amount = kubernetes.parse_quantity(text)
    except ValueError as error:
        raise ValueError("not a Kubernetes quantity; write for example 500m, 2, 512Mi, 10Gi") from error
    if amount <= 0:
        raise ValueError("must be more than nothing")
    return text


#: A Kubernetes quantity as people write it: `500m`, `2`, `512Mi`, `10Gi`.
Quantity = Annotated[str, AfterValidator(_quantity), Field(examples=["500m", "512Mi"])]

#: A name that Kubernetes takes for any object.
Name = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$")]

#: A host name with at least one dot.
Host = Annotated[str, Field(pattern=r"^(localhost|[a-z0-9]([-a-z0-9.]*[a-z0-9])?\.[a-z]{2,})$")]

#: Where a folder of pages is served; the name of a page is added after a slash.
RunbooksUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s/]+)*$")]


def _cidr(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{error}: not a network; write for example 10.0.64.0/24, or an address with /32") from error
    return text


#: An IPv4 or IPv6 network.
Cidr = Annotated[str, AfterValidator(_cidr), Field(examples=["10.0.64.0/24"])]


def is_narrow(cidr: str) -> bool:
    """Whether it is a few addresses, and not a network of many hosts."""
    return ipaddress.ip_network(cidr).num_addresses <= 16


_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


def _digest(text: str) -> str:
    if not _DIGEST.match(text):
        raise ValueError("not a digest; `docker push` prints it: sha256: and 64 hexadecimal digits")
    return text


Digest = Annotated[str, AfterValidator(_digest)]


def amount(quantity: str) -> float:
    """A quantity as a number: cores, or bytes."""
    return float(kubernetes.parse_quantity(quantity))


def quantity_bytes(quantity: str) -> int:
    """A quantity of memory or storage, in bytes."""
    return int(kubernetes.parse_quantity(quantity))


class Resources(Model):
    """What one pod asks for and may use. Memory is asked for whole: whoever is promised less is killed first."""

    cpu: Quantity = Field(description="cores requested")
    memory: Quantity = Field(description="requested, and the limit")
    cpu_limit: Quantity | None = Field(None, description="cores at most; twice the request when left out")

    @model_validator(mode="after")
    def _limit_covers_request(self) -> Resources:
        if self.cpu_limit is not None and amount(self.cpu_limit) < amount(self.cpu):
            raise ValueError(f"cpuLimit {self.cpu_limit} is less than cpu {self.cpu}: raise cpuLimit or leave it out")
        return self

    @property
    def cpu_limit_cores(self) -> float:
        """The limit in cores."""
        return amount(self.cpu_limit) if self.cpu_limit is not None else 2 * amount(self.cpu)

    @property
    def memory_bytes(self) -> int:
        """Request and limit, in bytes."""
        return quantity_bytes(self.memory)
