"""The stack whose broker, results and database AWS runs: what its pods are told, may reach and trust."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from app import contract
from infra.below import MissingOutputError, checked
from infra.connections import connections
from infra.lab.staging.connect import connect
from infra.lab.staging.errors import StagingError
from infra.local.state import State
from infra.policy.model import Context
from infra.policy.registry import check
from infra.render.__main__ import EXIT_REFUSED, main as render_main
from infra.render.recorder import SecretValue
from tests.unit.infra.program import test_network_matrix as matrix
from tests.unit.infra.stacks import ROOT, Rendered, config_of, render

AWS = "aws.crt"
FOREIGN = """
[legacy]
purpose = "what the old application does"

[legacy.pool.application]
image = "registry.example.com/legacy:7"
command = ["celery", "-A", "legacy", "worker"]
"""


@pytest.fixture(scope="module")
def stack() -> Rendered:
    """The example."""
    return render("prod-aws", config_of("prod-aws"))


def _templates(stack: Rendered) -> dict[str, Mapping[str, Any]]:
    """The pod templates by what they are of."""
    found = {}
    for body in stack.bodies("Deployment", "Job", "CronJob"):
        spec = body["spec"]["jobTemplate"]["spec"] if body["kind"] == "CronJob" else body["spec"]
        template = spec["template"]
        found[template["metadata"]["labels"]["app.kubernetes.io/name"]] = template
    return found


def _environment(template: Mapping[str, Any]) -> dict[str, str]:
    [container] = template["spec"]["containers"]
    return {one["name"]: one.get("value", "") for one in container.get("env", ())}


def _authorities(template: Mapping[str, Any]) -> set[str]:
    """The files of authorities in its folder of secrets, and where each is from."""
    [folder] = [one["projected"] for one in template["spec"]["volumes"] if one["name"] == "secrets"]
    return {
        f"{(source.get('configMap') or source['secret'])['name'].rpartition('-')[0]}/{item['path']}"
        for source in folder["sources"]
        for item in (source.get("configMap") or source["secret"]).get("items", ())
        if item["path"].endswith(".crt") and item["path"] != "tls.crt"
    }


def test_it_keeps_every_rule(stack: Rendered) -> None:
    """As the stacks do that bring their own servers."""
    assert [str(violation) for violation in check(stack.bodies(), Context("prod"))] == []


def test_none_of_its_pods_holds_data(stack: Rendered) -> None:
    """No volume is claimed, and none of the images of servers but PgBouncer's is there."""
    assert not stack.bodies("StatefulSet", "Cluster", "PersistentVolumeClaim", "ObjectStore")
    images = {one["image"] for template in _templates(stack).values() for one in template["spec"]["containers"]}
    assert {image.rpartition("/")[2].partition(":")[0] for image in images} == {"millrace-app", "millrace-pgbouncer"}


@pytest.mark.parametrize("server", ["POSTGRESQL", "RABBITMQ", "REDIS"])
def test_who_is_told_of_a_server_of_aws_has_its_authorities(stack: Rendered, server: str) -> None:
    """Beside ours, and under the name that the variable says. PgBouncer is ours: who asks it trusts us for it."""
    clients = 0
    for component, template in _templates(stack).items():
        environment = _environment(template)
        if environment.get(f"MILLRACE_{server}_HOST", "").endswith(".invalid"):
            clients += 1
            assert environment[f"MILLRACE_{server}_CA"] == AWS, component
            assert _authorities(template) == {"authority/ca.crt", f"aws-authorities/{AWS}"}, component
        else:
            assert f"MILLRACE_{server}_CA" not in environment, component
    assert clients >= 3


def test_its_policies_are_the_table(stack: Rendered) -> None:
    """To its subnets on the ports of the servers. Which server is behind an address say the security groups of AWS."""

    def merged(triples: set[matrix.Triple]) -> set[matrix.Triple]:
        return {(_merged(source), _merged(target), port) for source, target, port in triples}

    found = merged(matrix._matrix(stack, stack.bodies("NetworkPolicy")))
    # What KEDA may reach outside is its own namespace's matter.
    assert found == merged(matrix._table(stack)) - {("KEDA", "AWS", 443)}
    outside = {(source, port) for source, target, port in found if target == "AWS"}
    assert {("pgbouncer", 5432), ("relay", 5671), ("gateway", 6379), ("rabbitmq-logins", 443)} <= outside
    assert ("gateway", 5671) not in outside
    assert ("relay", 5432) not in outside


def _merged(name: str) -> str:
    return "AWS" if name.endswith(" of AWS") else name


def test_every_pod_is_in_the_table(stack: Rendered) -> None:
    """The Jobs that make logins, too."""
    named = {end.name for one in connections(stack.stack) for end in (one.source, one.destination)}
    assert _templates(stack).keys() <= named


def test_a_job_runs_again_for_other_logins() -> None:
    """Its name says so; another password of the administrator changes the Secret alone."""

    def names(change: Callable[[str], str]) -> dict[str, str]:
        rendered = render_with(change)
        return {name.rpartition("-")[0].rpartition("-")[0]: name for name in _jobs(rendered)}

    before = names(lambda name: name)
    assert before.keys() == {"migrate", "postgresql-logins", "rabbitmq-logins", "topology"}
    other = names(lambda name: f"another-{name}" if name == "worker-postgresql" else name)
    assert {name for name in before if before[name] != other[name]} == {"postgresql-logins"}
    admin = names(lambda name: f"another-{name}" if name in {"database-admin", "broker-admin"} else name)
    assert admin == before


def render_with(password: Callable[[str], str]) -> Rendered:
    """The example with other passwords."""
    from infra.render.manifests import manifests
    from infra.render.recorder import record

    config = config_of("prod-aws")
    registered = record(config, "prod-aws", password)
    return Rendered(render("prod-aws", config).stack, config, registered, manifests(registered))


def _jobs(rendered: Rendered) -> list[str]:
    return [one.name for one in rendered.manifests if one.kind == "Job"]


def test_passwords_of_aws_are_secret(stack: Rendered) -> None:
    """They stand in Secrets as infra/aws made them, and no Redis of ours has users."""
    [worker] = [one.inputs for one in stack.registered if one.name == "worker-passwords"]
    content = worker["stringData"]
    plain = content.value if isinstance(content, SecretValue) else content
    password = plain["redis_password"]
    assert password.value if isinstance(password, SecretValue) else password == "marked-cache-worker"
    assert not [one.name for one in stack.registered if one.name.endswith("-redis")]


def test_a_foreign_pool_trusts_the_broker_of_aws(tmp_path: Path) -> None:
    """It reaches nothing else, so that is its `ca.crt`; and its URL names the broker of AWS."""
    file = tmp_path / "queues.toml"
    file.write_text(contract.DEFAULT_QUEUES_FILE.read_text() + FOREIGN)
    config = config_of("prod-aws") | {"millrace:queues": str(file), "millrace:environment": "staging"}
    stack = render("prod-aws", config)
    assert _authorities(_templates(stack)["worker-legacy"]) == {"aws-authorities/ca.crt"}
    [secret] = [one.inputs for one in stack.registered if one.name == "worker-legacy-passwords"]
    assert "@broker.invalid:5671/" in secret["stringData"].value["broker_url"]


@pytest.mark.parametrize("found", [None, ""])
def test_a_server_that_infra_aws_does_not_have_is_missed(found: str | None) -> None:
    """By the stack and the output, with what to do; nobody is told of a host without a name."""
    with pytest.raises(MissingOutputError, match="a/b/prod has no output broker_endpoint: bring infra/aws up first"):
        checked("a/b/prod", "broker_endpoint", found)


def test_load_tests_are_refused(tmp_path: Path) -> None:
    """Before a cluster is asked: they look into a broker and a database that are not there."""
    nowhere: Any = None
    with pytest.raises(StagingError, match=r"Pulumi\.prod-aws\.yaml: .* these are AWS's"):
        connect(nowhere, ROOT / "Pulumi.prod-aws.yaml", State(tmp_path), nowhere)


def test_a_render_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: Any) -> None:
    """Nobody asks infra/aws where the servers are, and a manifest that names none must not be applied."""
    monkeypatch.setattr("sys.argv", ["render", "prod-aws", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        render_main()
    assert ended.value.code == EXIT_REFUSED
    assert "`pulumi up -s prod-aws` asks it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
