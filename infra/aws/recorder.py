"""Records what the program registers, without AWS. Outputs are references as in Terraform: `${aws_sqs_queue.bulk.arn}`.

So a reference can be followed wherever it ends up, inside a policy's text too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.runtime import mocks

from infra.render.recorder import PASSWORD_TYPE, Registered, run
from infra.settings.load import read_stack_file, stack_file

PROJECT = "millrace-aws"
FOLDER = Path(__file__).parent
#: Where Terraform's name is not `aws_<module>_<resource>`.
_NAMES = {
    "cloudwatch_log_group": "cloudwatch_log_group",
    "rds_instance": "db_instance",
    "rds_parameter_group": "db_parameter_group",
    "rds_subnet_group": "db_subnet_group",
    "sqs_redrive_allow_policy": "sqs_queue_redrive_allow_policy",
    "vpc_security_group_ingress_rule": "vpc_security_group_ingress_rule",
}
#: Modules whose resources have no prefix in Terraform.
_BARE = ("ec2", "cloudwatch")
_PREFIXED = ("cloudwatch_log_group", "cloudwatch_metric_alarm")


def terraform_type(token: str) -> str:
    """`aws:sqs/queue:Queue` is `aws_sqs_queue`."""
    _, place, _ = token.split(":")
    module, _, resource = place.partition("/")
    name = f"{module}_{snake(resource)}"
    bare = snake(resource) if module in _BARE and name not in _PREFIXED else name
    return f"aws_{_NAMES.get(name, bare)}"


def terraform_name(name: str) -> str:
    """A name that Terraform takes."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def snake(text: str) -> str:
    """`kmsKeyId` is `kms_key_id`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), text)


class _Answers(mocks.Mocks):
    """Every output is a reference to itself."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == PASSWORD_TYPE:
            return args.name, {**args.inputs, "result": f"marked-{args.name}"}
        if not args.typ.startswith("aws:"):
            return args.name, dict(args.inputs)
        here = f"{terraform_type(args.typ)}.{terraform_name(args.name)}"
        outputs: dict[str, Any] = {
            output: f"${{{here}.{snake(output)}}}"
            for output in (
                "arn",
                "url",
                "keyId",
                "address",
                "endpoint",
                "repositoryUrl",
                "prefixListId",
                "bucketDomainName",
            )
        } | {
            "primaryEndpointAddress": f"${{{here}.primary_endpoint_address}}",
            "latestVersion": 1,
            "latestRevision": 1,
            "masterUserSecrets": [{"secretArn": f"${{{here}.master_user_secret[0].secret_arn}}"}],
            "instances": [{"endpoints": [f"${{{here}.instances[0].endpoints[0]}}"]}],
            "certificateAuthority": {"data": f"${{{here}.certificate_authority[0].data}}"},
        }
        if args.typ == "aws:rds/parameterGroup:ParameterGroup":
            # Checks of what the server logs follow this reference; by a plain name they would find nothing.
            return f"${{{here}.id}}", {**outputs, **args.inputs, "name": f"${{{here}.name}}"}
        return f"${{{here}.id}}", {**outputs, **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise LookupError(f"the program asks AWS: {args.token}; whoever renders it has none to ask")


def record(config: Mapping[str, str], stack: str) -> tuple[Registered, ...]:
    """Run the program for one stack.

    Raises:
        whatever the program raises, the settings' errors among them.
    """
    return run(FOLDER / "__main__.py", PROJECT, config, stack, _Answers())


def record_stack(stack: str) -> tuple[Registered, ...]:
    """Run it for a stack of this folder.

    Raises:
        SettingsError: there is no such stack, or it is refused.
    """
    return record(read_stack_file(stack_file(stack, FOLDER)), stack)
