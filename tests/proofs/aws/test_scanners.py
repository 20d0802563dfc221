"""checkov and parliament find nothing in either stack that has no reason, and they find what is planted."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.aws import terraform
from infra.checks import aws, parliament
from infra.checks.finding import CheckError, Finding
from infra.render.recorder import Registered, SecretValue

Stacks = Callable[[str], tuple[Registered, ...]]


def _changed(registered: tuple[Registered, ...], type_ending: str, **inputs: Any) -> tuple[Registered, ...]:
    """The stack with other inputs in each resource of a type."""
    return tuple(
        dataclasses.replace(one, inputs={**one.inputs, **inputs}) if one.type.endswith(type_ending) else one
        for one in registered
    )


def _policy(**statement: Any) -> str:
    said = {"Sid": "Planted", "Effect": "Allow", "Action": ["sqs:SendMessage"], **statement}
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Resource": ["arn:aws:sqs:eu-central-1:123456789012:q"], **said}]}
    )


def _found(findings: tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {(one.kind, one.where) for one in findings}


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_nothing_is_found_without_a_reason(stack: str, registered: Stacks) -> None:
    """And no reason is left that excuses nothing."""
    assert [str(one) for one in aws.findings(registered(stack), stack)] == []


def test_what_is_accepted_in_staging_is_found_in_prod(registered: Stacks) -> None:
    """One zone, no protection, short logs: the staging stack under the name of prod."""
    accepted = {(one.type, one.check) for one in aws.ACCEPTED if not one.in_prod}
    assert _found(aws.findings(registered("staging"), "prod")) == accepted


def test_mistakes_and_a_needless_reason_are_found_in_resources(registered: Stacks) -> None:
    """Planted together, because a scan takes seconds: a disk in plain text, tags that move, and a mended finding."""
    changed = _changed(
        registered("prod"), "rds/instance:Instance", storageEncrypted=False, autoMinorVersionUpgrade=True
    )
    changed = _changed(changed, "ecr/repository:Repository", imageTagMutability="MUTABLE")
    assert _found(aws.findings(changed, "prod")) == {
        ("aws_db_instance", "CKV_AWS_16"),
        ("aws_ecr_repository", "CKV_AWS_51"),
        ("aws_db_instance", "CKV_AWS_226"),
    }


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        ({"Action": ["sqs:Sendmesage"]}, "UNKNOWN_ACTION"),
        ({"Resource": ["arn:aws:s3:::bucket"]}, "RESOURCE_MISMATCH"),
        ({"Condition": {"Bool": {"aws:SecureTransprt": "true"}}}, "UNKNOWN_CONDITION_FOR_ACTION"),
        (
            # Of our own key for logs, until parliament was asked.
            {
                "Action": ["kms:DescribeKey"],
                "Resource": ["${aws_kms_key.logs.arn}"],
                "Condition": {
                    "StringLike": {
                        "kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:eu-central-1:123456789012:log-group:*"
                    }
                },
            },
            "UNKNOWN_CONDITION_FOR_ACTION",
        ),
    ],
)
def test_a_mistake_in_a_policy_is_found(planted: dict[str, Any], expected: str, registered: Stacks) -> None:
    """And nothing else in it."""
    changed = _changed(registered("prod"), "iam/policy:Policy", policy=_policy(**planted))
    assert [(one.kind, one.where) for one in parliament.findings(aws.policies(changed), "prod")] == [
        ("aws_iam_policy", expected)
    ]


def test_a_scanner_that_reads_nothing_is_no_clean_bill(registered: Stacks) -> None:
    """Planted: a stack of which checkov sees no database."""
    without = tuple(one for one in registered("prod") if not one.type.startswith("aws:rds/"))
    with pytest.raises(CheckError, match="passed over aws_db_instance"):
        aws.findings(without, "prod")


def test_every_policy_of_the_program_is_read(registered: Stacks) -> None:
    """Wherever it stands: a new argument with a policy must not go past parliament."""
    for stack in ("staging", "prod"):
        with_policy = {
            (terraform.terraform_type(one.type), one.name)
            for one in registered(stack)
            if '"Statement"' in str(one.inputs)
        }
        assert aws.policies(registered(stack)).keys() == with_policy


def test_a_secret_is_a_variable(registered: Stacks) -> None:
    """Of no value, in no file."""
    [broker] = [one for one in registered("prod") if one.type == "aws:mq/broker:Broker"]
    [user] = broker.inputs["users"]
    assert isinstance(user["password"], SecretValue)
    found = terraform.document([broker])
    assert str(user["password"].value) not in json.dumps(found)
    place = "aws_mq_broker_millrace_prod_user_0_password"
    assert found["resource"]["aws_mq_broker"]["millrace_prod"]["user"][0]["password"] == f"${{var.{place}}}"
    assert found["variable"] == {place: {"type": "string", "sensitive": True}}
