"""The registry of our images: encrypted, scanned, and a tag that was pushed is never moved."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pulumi
from pulumi_aws import ecr

from infra.aws.components.part import Part

UNTAGGED_DAYS = 14


class Registry(Part):
    """A repository for each image."""

    def __init__(
        self,
        name: str,
        images: Iterable[str],
        *,
        key_arn: pulumi.Input[str],
        kept: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`millrace-<image>` for each, as the main program names them; `name` is the prefix before the slash."""
        super().__init__(f"{name}-registry", kept=kept, opts=opts)
        expire = {
            "rules": [
                {
                    "rulePriority": 1,
                    "description": "layers that no tag names",
                    "selection": {
                        "tagStatus": "untagged",
                        "countType": "sinceImagePushed",
                        "countUnit": "days",
                        "countNumber": UNTAGGED_DAYS,
                    },
                    "action": {"type": "expire"},
                }
            ]
        }
        self.url: dict[str, pulumi.Output[str]] = {}
        for image in images:
            repository = ecr.Repository(
                f"{name}-{image}",
                name=f"{name}/millrace-{image}",
                image_tag_mutability="IMMUTABLE",
                image_scanning_configuration={"scan_on_push": True},
                encryption_configurations=[{"encryption_type": "KMS", "kms_key": key_arn}],
                force_delete=False,
                opts=self.keeper(),
            )
            ecr.LifecyclePolicy(
                f"{name}-{image}", repository=repository.name, policy=json.dumps(expire), opts=self.child()
            )
            self.url[image] = repository.repository_url
        self.register_outputs({})
