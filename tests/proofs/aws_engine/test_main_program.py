"""The main program's stack prod-aws on the real engine, on top of the stack prod of infra/aws: both in one backend.

Kubernetes is the stand-in of tests/proofs/engine. The tests share the stacks, in this order.
"""

from __future__ import annotations

import base64
import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.aws.recorder import FOLDER
from infra.lab.aws.provider import URL_VARIABLE
from infra.lab.staging.run import Run
from tests.harness import leaks
from tests.proofs.aws_engine.account import Account
from tests.proofs.engine.harness.engine import Engine

ROOT = Path(__file__).parents[3]
PACK = ROOT / "infra" / "policy"
#: What is in the cluster before us.
NAMESPACES = ("default", "kube-system", "cert-manager", "keda", "monitoring", "haproxy-controller")

pytestmark = pytest.mark.timeout(900)


def _program() -> None:
    runpy.run_path(str(ROOT / "infra" / "__main__.py"), run_name="__main__")


def _engine(folder: Path, below: Account) -> Engine:
    settings = folder / "Pulumi.prod-aws.yaml"
    document = yaml.safe_load((ROOT / settings.name).read_text())
    # No kubeconfig is asked which context is current.
    document["config"]["kubernetes:context"] = document["config"]["millrace:cluster"]["context"]
    settings.write_text(yaml.safe_dump(document))
    return Engine(
        folder=folder,
        stack="prod-aws",
        settings=settings,
        program=_program,
        namespaces=NAMESPACES,
        below=below.engine,
        variables={URL_VARIABLE: below.server.url},
    )


@pytest.fixture(scope="module")
def up(prod: Account, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The stack, which is up, policies asked."""
    engine = _engine(tmp_path_factory.mktemp("prod-aws"), prod)
    run = engine.up(PACK)
    assert run.violations == ()
    return engine


@pytest.fixture(scope="module")
def again(up: Engine) -> Run:
    """What a second update would do."""
    return up.preview()


def test_a_second_preview_is_empty(again: Run) -> None:
    """Nothing changes without a change, below or here."""
    assert not again.changed, [step for step in again.steps if step.operation != "same"]


def test_it_talks_to_what_infra_aws_made(up: Engine, prod: Account) -> None:
    """Each process has the hosts that the outputs name; PgBouncer alone stands before the database."""
    made = prod.engine.outputs()
    hosts = _variables(up, "Deployment", "worker-bulk")
    assert hosts["MILLRACE_REDIS_HOST"] == made["cache_host"]
    assert hosts["MILLRACE_RABBITMQ_HOST"] in made["broker_endpoint"]
    assert hosts["MILLRACE_POSTGRESQL_HOST"] == "pgbouncer.millrace-data.svc"
    pooled = up.cluster.objects()["ConfigMap/millrace-data/pgbouncer-config"]["data"]["pgbouncer.ini"]
    assert f"host={made['database_host']} port=5432" in pooled
    assert not [name for name in up.cluster.objects() if name.startswith(("StatefulSet/", "Cluster/"))]


def test_jobs_log_in_as_the_administrators(up: Engine, prod: Account) -> None:
    """With what Secrets Manager holds for RDS, and with the one user of Amazon MQ."""
    made = prod.engine.outputs()
    client = prod.server.client("secretsmanager")
    held = json.loads(client.get_secret_value(SecretId=made["database_admin_secret_arn"])["SecretString"])
    database, broker = (_secret(up, f"millrace-data/{name}-logins-secrets") for name in ("postgresql", "rabbitmq"))
    assert (database["postgresql_user"], database["postgresql_password"]) == (held["username"], held["password"])
    assert broker["rabbitmq_password"] == made["broker_admin_password"]
    assert _secret(up, "millrace/worker-passwords")["redis_password"] == made["cache_passwords"]["worker"]


def test_no_password_is_in_clear(up: Engine, prod: Account, again: Run) -> None:
    """Neither in both states and their history, nor in an object that is no Secret, nor in what the engine prints."""
    made = prod.engine.outputs()
    given = {*made["cache_passwords"].values(), made["broker_admin_password"]}
    admin = _secret(up, "millrace-data/postgresql-logins-secrets")["postgresql_password"]
    known = frozenset({*leaks.passwords(up.state_in_clear()), *given, admin})
    assert len(known) > 20
    assert leaks.in_files(up.backend, known) == []
    assert leaks.in_objects(up.cluster.objects(), known) == []
    assert not [password for password in known if password in again.output]


def test_another_host_rolls_its_clients_and_runs_the_jobs_again(up: Engine) -> None:
    """A database that was restored under another name: its roles and its schema are made there, too."""
    moved = up.running(_with_output(database_host="restored.example.com")).preview()
    changed = {step.urn.rpartition("::")[2] for step in moved.steps if step.operation not in {"same", "read"}}
    jobs = {name.rpartition("-")[0] for name in changed if name.startswith(("migrate-", "postgresql-logins-"))}
    assert jobs == {"migrate", "postgresql-logins"}
    assert {"pgbouncer", "pgbouncer-config", "operator", "retention"} <= changed
    assert not [name for name in changed if name.startswith(("rabbitmq-logins", "topology", "relay", "gateway"))]


def _with_output(**values: Any) -> Any:
    """The program, as if the stack below said something else."""

    def run() -> None:
        import pulumi

        given = pulumi.StackReference.get_output

        def get_output(self: pulumi.StackReference, name: pulumi.Input[str]) -> pulumi.Output[Any]:
            return pulumi.Output.from_input(values[str(name)]) if name in values else given(self, name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pulumi.StackReference, "get_output", get_output)
            _program()

    return run


def _variables(engine: Engine, kind: str, name: str) -> dict[str, str]:
    body = engine.cluster.objects()[f"{kind}/millrace/{name}"]
    [container] = body["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


def _secret(engine: Engine, name: str) -> Mapping[str, str]:
    body = engine.cluster.objects()[f"Secret/{name}"]
    encoded = {key: base64.b64decode(text).decode() for key, text in body.get("data", {}).items()}
    return {**encoded, **body.get("stringData", {})}


def test_infra_aws_names_this_stack() -> None:
    """Its settings are read from the very file."""
    document = yaml.safe_load((FOLDER / "Pulumi.prod.yaml").read_text())
    assert document["config"]["millrace-aws:application"] == "Pulumi.prod-aws.yaml"
