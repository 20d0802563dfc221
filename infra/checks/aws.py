"""Runs checkov and parliament on a stack of AWS: `python -m infra.checks.aws prod`. Nothing is asked of AWS."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from infra.aws import terraform
from infra.aws.accepted import Accepted
from infra.aws.components import bucket, database, log_group
from infra.aws.recorder import record_stack, terraform_name, terraform_type
from infra.checks import checkov, parliament
from infra.checks.finding import CheckError, Finding
from infra.checks.report import show
from infra.lab.toolchain import ToolError
from infra.local import files
from infra.local.progress import Steps
from infra.local.state import State
from infra.render.recorder import Registered
from infra.settings.load import SettingsError

PROD = "prod"
ACCEPTED = (*bucket.ACCEPTED, *database.ACCEPTED, *log_group.ACCEPTED)
#: checkov has checks for each of these. One that it did not mention was not read.
KNOWN = frozenset({"aws_db_instance", "aws_kms_key", "aws_s3_bucket", "aws_security_group", "aws_eks_cluster"})
_REFERENCE = re.compile(r"\$\{(aws_\w+)\.(\w+)\.(\w+)\}")
#: What an ARN of each type looks like, after `arn:aws:`. parliament compares it with those that an action takes.
_ARNS = {
    "aws_cloudwatch_log_group": "logs:eu-central-1:123456789012:log-group:{}",
    "aws_eks_cluster": "eks:eu-central-1:123456789012:cluster/{}",
    "aws_kms_key": "kms:eu-central-1:123456789012:key/{}",
    "aws_s3_bucket": "s3:::{}",
    "aws_sns_topic": "sns:eu-central-1:123456789012:{}",
    "aws_sqs_queue": "sqs:eu-central-1:123456789012:{}",
}
#: Arguments with a policy. The trust of a role has no resource: it is the role itself.
_POLICIES = ("policy", "assumeRolePolicy")
_ROLE_ITSELF = "arn:aws:iam::123456789012:role/itself"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)


def findings(registered: Iterable[Registered], stack: str, steps: Steps | None = None) -> tuple[Finding, ...]:
    """The findings that nobody has accepted, and one for each acceptance that no finding of this stack needs any more.

    Raises:
        CheckError: a scanner did not run, or did not read what it was given.
    """
    ours = tuple(one for one in registered if one.custom and one.type.startswith("aws:"))
    found = (*_checkov(ours, stack, steps), *parliament.findings(policies(ours), stack, steps))
    excused = {(one.type, one.check): one for one in ACCEPTED if one.in_prod or stack != PROD}
    stale = excused.keys() - {(one.kind, one.where) for one in found}
    left = [one for one in found if (one.kind, one.where) not in excused]
    return tuple(sorted([*left, *(_stale(excused[key], stack) for key in stale)]))


def _stale(one: Accepted, stack: str) -> Finding:
    return Finding(stack, one.type, "", "accepted", one.check, "is accepted and no longer found: remove it")


def _checkov(registered: Iterable[Registered], stack: str, steps: Steps | None) -> Iterator[Finding]:
    # A file a resource: checkov names files, and of some resources no type.
    by_file = {}
    with tempfile.TemporaryDirectory() as named:
        for one in registered:
            kind, name = terraform_type(one.type), terraform_name(one.name)
            by_file[f"{kind}.{name}.tf.json"] = (kind, one.name)
            (Path(named) / f"{kind}.{name}.tf.json").write_text(json.dumps(terraform.document([one])))
        results = checkov.run(Path(named), "terraform_json", steps).get("results", {})
    seen = {by_file[check["file_path"].lstrip("/")][0] for checks in results.values() for check in checks}
    if missed := KNOWN - seen:
        raise CheckError(f"checkov passed over {', '.join(sorted(missed))}: nobody knows what it would find")
    for check in results.get("failed_checks", ()):
        kind, name = by_file[check["file_path"].lstrip("/")]
        yield Finding(stack, kind, name, "checkov", check["check_id"], check["check_name"])


def policies(registered: Iterable[Registered]) -> dict[tuple[str, str], str]:
    """Every policy by type and name of its resource, in the form of an identity's, which is what parliament reads."""
    found = {}
    for one in registered:
        kind = terraform_type(one.type)
        for argument in _POLICIES:
            if '"Statement"' in str(text := one.inputs.get(argument, "")):
                found[kind, one.name] = json.dumps(_as_identity(json.loads(text)))
    return found


def _as_identity(policy: Mapping[str, Any]) -> dict[str, Any]:
    return {**policy, "Statement": [_statement(one) for one in policy["Statement"]]}


def _statement(said: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in said.items() if key != "Principal"}
    return {**kept, "Resource": [_REFERENCE.sub(_arn, one) for one in said.get("Resource", [_ROLE_ITSELF])]}


def _arn(found: re.Match[str]) -> str:
    kind, name, output = found.groups()
    return f"arn:aws:{_ARNS[kind].format(name.replace('_', '-'))}" if output == "arn" else name


@app.command()
def scan(
    stack: Annotated[str, typer.Argument(help="a stack of infra/aws, such as prod")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="for programs: a list of findings")] = False,
) -> None:
    """Print what they find; exits with 1 if there is anything, with 2 if they did not run."""
    state = State.default()
    files.folder(state.root, files.PUBLIC_FOLDER)
    try:
        with Steps(state, Console(stderr=True, soft_wrap=True)) as steps:
            found = findings(record_stack(stack), stack, steps)
    except (CheckError, SettingsError, ToolError) as error:
        Console(stderr=True, soft_wrap=True).print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(2) from None
    show(found, "checkov and parliament find nothing", as_json=as_json)


if __name__ == "__main__":
    app()
