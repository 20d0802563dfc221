"""The policy pack of `pulumi preview --policy-pack infra/policy`. By hand: `python -m infra.policy.command`."""

from __future__ import annotations

from pulumi_policy import PolicyPack

from infra.policy.pack import NAME, Inputs

PolicyPack(name=NAME, policies=Inputs().policies())
