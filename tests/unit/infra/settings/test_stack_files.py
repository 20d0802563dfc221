"""Every stack file loads; what a new user gets wrong is refused in one clear message."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from infra.settings.load import SettingsError, parse, read_stack_file, stack_file
from infra.settings.schema import SCHEMA_FILE, schema_text

ROOT = Path(__file__).parents[4]
STACK_FILES = sorted(ROOT.glob("Pulumi.*.yaml"))


@pytest.fixture(params=STACK_FILES, ids=lambda path: path.name)
def any_stack_file(request: pytest.FixtureRequest) -> Path:
    """Each stack file in turn."""
    return request.param


def test_there_are_three_stacks() -> None:
    """Staging, prod, and prod on servers of AWS."""
    names = ["Pulumi.prod-aws.yaml", "Pulumi.prod.yaml", "Pulumi.staging.yaml"]
    assert [path.name for path in STACK_FILES] == names


def test_stack_file_loads(any_stack_file: Path) -> None:
    """Each is valid and says its own environment."""
    stack = parse(read_stack_file(any_stack_file), any_stack_file.name)
    assert any_stack_file.name.removesuffix("-aws.yaml").removesuffix(".yaml") == f"Pulumi.{stack.environment}"


def test_schema_for_editors_is_current() -> None:
    """`python -m infra.settings.schema` writes it."""
    assert SCHEMA_FILE.read_text() == schema_text()


@pytest.mark.parametrize(
    ("pools", "taken"),
    [
        ({}, True),
        ({"bulk": {"scaling": {"maxReplicas": 3}, "resources": {"cpu": "2"}}}, True),
        ({"bulk-2": {"queue": "bulk", "scaling": {"kind": "fixed", "replicas": 1}}}, True),
        ({"bulk": {"concurency": 3}}, False),
        ({"bulk": {"scaling": {"kind": "fixed", "maxReplicas": 3}}}, False),
        ({"bulk": {"resources": {"cpus": "2"}}}, False),
        ([], False),
    ],
)
def test_schema_for_editors_takes_what_the_settings_take(any_stack_file: Path, pools: Any, taken: bool) -> None:
    """Every key of a pool may be left out, also inside; a wrong one is marked."""
    document = yaml.safe_load(any_stack_file.read_text())
    schema = json.loads(SCHEMA_FILE.read_text())
    assert jsonschema_rs.is_valid(schema, document)
    written = document["config"]["millrace:workloads"]["pools"]
    document["config"]["millrace:workloads"]["pools"] = {**written, **pools} if isinstance(pools, dict) else pools
    assert jsonschema_rs.is_valid(schema, document) is taken
    if taken:
        parse(_flat(document["config"]), any_stack_file.name)
    else:
        assert "workloads.pools" in _refused(document["config"])


def _config(stack: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]


def _flat(config: dict[str, Any]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


def _refused(config: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as refused:
        parse(_flat(config), "Pulumi.staging.yaml")
    return str(refused.value)


Break = Callable[[dict[str, Any]], None]


def _set(path: str, value: Any) -> Break:
    """Change one value; what is not on the way to it is made."""

    def change(config: dict[str, Any]) -> None:
        first, *rest = path.split(".")
        node: Any = config
        steps = [f"millrace:{first}", *rest]
        for step in steps[:-1]:
            node = node.setdefault(step, {})
        node[steps[-1]] = value

    return change


def _drop(path: str) -> Break:
    def change(config: dict[str, Any]) -> None:
        first, *rest = path.split(".")
        node: Any = config
        steps = [f"millrace:{first}", *rest]
        for step in steps[:-1]:
            node = node[step]
        del node[steps[-1]]

    return change


#: That of the example.
AUTHORITY = _config("prod-aws")["millrace:aws"]["authorities"]
#: A pool that no small server can hold.
_LARGE = {"concurrency": 64, "resources": {"memory": "8Gi"}, "scaling": {"maxReplicas": 200}}


@pytest.mark.parametrize(
    ("stack", "change", "words"),
    [
        ("staging", _drop("pgbouncer"), ("millrace:pgbouncer", "is missing")),
        ("staging", _drop("broker.storage"), ("millrace:broker.storage", "is missing")),
        ("staging", _drop("images.versions"), ("millrace:images.versions", "is missing", "tag")),
        ("staging", _drop("images.versions.redis"), ("images.versions lacks redis", "name the tag")),
        (
            "staging",
            _set("images.versions.rabbitmq", "4.0-0.1.0"),
            ("images.versions.rabbitmq 4.0-0.1.0", "broker.version 4.3", "begins with 4.3-"),
        ),
        ("staging", _set("brokr", {}), ("millrace:brokr", "nobody reads", "did you mean broker?")),
        ("staging", _set("broker.nodez", 3), ("millrace:broker.nodez", "did you mean nodes?")),
        (
            "staging",
            _set("workloads.pools.interactive.scaling.maxReplica", 3),
            ("millrace:workloads.pools.interactive.scaling.maxReplica", "did you mean maxReplicas?"),
        ),
        (
            "staging",
            _set("workloads.pools.bulk-2", {"queue": "bulk", "concurency": 3}),
            ("millrace:workloads.pools.bulk-2.concurency", "did you mean concurrency?"),
        ),
        (
            "staging",
            _set("workloads.pools.bulk.scaling", {"kind": "fixed"}),
            ("millrace:workloads.pools.bulk.scaling.replicas: is missing",),
        ),
        ("staging", _set("broker.nodes", 4), ("nodes 4 is even", "write 5")),
        ("staging", _set("broker.nodes", 1), ("nodes 1", "needs 3")),
        ("staging", _set("broker.version", "3.13"), ("millrace:broker.version", "'4.3'", "3.13")),
        ("staging", _set("broker.storage", "1Gi"), ("storage 1Gi is less than twice memory", "raise storage")),
        ("staging", _set("broker.resources.memory", "lots"), ("millrace:broker.resources.memory", "512Mi")),
        ("staging", _set("broker.resources.memory", "-1Gi"), ("millrace:broker.resources.memory", "more than nothing")),
        ("staging", _set("broker.resources.cpuLimit", "1m"), ("cpuLimit 1m is less than cpu", "leave it out")),
        ("staging", _set("broker.version", "4.2"), ("version 4.2", "builds 4.3 and 4.0 only", "choose one")),
        ("staging", _set("broker.version", "4.1"), ("version 4.1", "choose one")),
        (
            "staging",
            _set("workloads.pools.interactive.gracePeriodSeconds", 60),
            ("pools.interactive.gracePeriodSeconds is 60 s", "at least 120 s", "warm shutdown"),
        ),
        (
            "staging",
            _set("workloads.pools.bulk.timeLimitSeconds", 30),
            ("pools.bulk.timeLimitSeconds is 30 s", "at least 65 s"),
        ),
        ("staging", _set("broker.gracePeriodSeconds", 30), ("broker.gracePeriodSeconds is 30 s", "quorum")),
        ("staging", _set("timings", {"consumerTimeoutSeconds": 60}), ("consumerTimeoutSeconds", "is 60 s")),
        ("staging", _set("workloads.pools.bulk.concurrency", 0), ("workloads.pools.bulk.concurrency", "given: 0")),
        ("staging", _set("workloads.pools.interactive.concurrency", 32), ("pools.interactive", "memory", "32")),
        (
            "staging",
            _set("workloads.gateway.scaling", {"kind": "hpa-cpu", "minReplicas": 5, "maxReplicas": 2}),
            ("maxReplicas 2 is less than minReplicas 5",),
        ),
        ("staging", _set("workloads.pools", [{"name": "bulk"}]), ("millrace:workloads.pools", "dictionary")),
        ("staging", _set("workloads.pools.bulk", 3), ("millrace:workloads.pools.bulk", "given: 3")),
        ("staging", _set("workloads.pools.bulk.name", "x"), ("millrace:workloads.pools.bulk.name: nobody reads",)),
        (
            "staging",
            _set("workloads.pools.invoices", {}),
            ("workloads.pools.invoices: there is no queue invoices; declared are interactive, bulk, external",),
        ),
        (
            "staging",
            _set("workloads.pools.external.queue", "bulk"),
            ("nobody works on the queue external", "add a pool with queue: external"),
        ),
        ("staging", _set("queues", "nowhere.toml"), ("millrace:queues: ", "nowhere.toml", "No such file")),
        ("staging", _drop("cluster.kedaNamespace"), ("kedaNamespace is not set", "hpa-cpu")),
        (
            "staging",
            _set("workloads.pools.interactive.scaling.maxReplicas", 80),
            ("database.resources.memory 2Gi", "sessions", "give it", "maxReplicas", "interactive has most"),
        ),
        (
            "prod",
            _set("workloads.pools.bulk", {**_LARGE, "concurrency": 16}),
            ("database.resources.memory 8Gi", "bulk has most"),
        ),
        (
            "staging",
            _set("resultBackend.resources.memory", "64Mi"),
            ("resultBackend.resources.memory 64Mi", "clients", "give it"),
        ),
        (
            "staging",
            _set("pgbouncer.resources.memory", "32Mi"),
            ("pgbouncer.resources.memory 32Mi", "clients", "give it"),
        ),
        (
            "staging",
            _set("workloads.pools.bulk", _LARGE),
            ("broker.resources.memory 768Mi", "connections of a node", "give it", "bulk has most"),
        ),
        ("staging", _set("images.versions.app", "latest"), ("versions.app latest", "name a version")),
        ("staging", _set("database.kind", "singel"), ("millrace:database", "'singel'", "'cloudnative-pg'")),
        ("staging", _set("cluster.dns", {"pods": []}), ("cluster.dns: neither pods nor cidrs",)),
        ("staging", _set("cluster.dns", {"pods": [{}]}), ("cluster.dns: pods: labels that are empty",)),
        ("staging", _set("cluster.dns", {"cidrs": ["0.0.0.0/0"]}), ("0.0.0.0/0 is not the address", "/32")),
        ("staging", _set("cluster.dns", {"cidrs": ["169.254.20.300/32"]}), ("169.254.20.300/32", "write for example")),
        ("prod", _set("objectStore.cidrs", ["10.0.64.7/24"]), ("has host bits set", "10.0.64.0/24")),
        ("prod", _set("database.instances", 2), ("instances 2", "every write stops when one fails", "choose 3")),
        ("staging", _drop("workloads.gateway.ingress.controllerLabels"), ("ingress: name the controller's pods",)),
        (
            "staging",
            _set("workloads.gateway.ingress.controllerCidrs", ["10.0.0.0/16"]),
            ("controllerNamespace and controllerLabels", "controllerCidrs"),
        ),
        ("prod", _set("images.digests", {}), ("images.digests lacks app", "by digest")),
        ("prod", _set("images.digests", {"app": "sha256:abc"}), ("millrace:images.digests.app", "docker push")),
        ("prod", _set("resultBackend.topology", "single"), ("choose sentinel in prod",)),
        ("prod", _set("drills", value=True), ("drills true",)),
        ("prod", _set("cluster.hosts", 2), ("cluster.hosts 2 is less than broker.nodes 3",)),
        ("prod", _set("objectStore", {"kind": "volume", "storage": "1Gi"}), ("choose objectStore kind s3",)),
        ("prod", _drop("objectStore"), ("choose objectStore kind s3",)),
        ("staging", _drop("objectStore"), ("choose objectStore kind volume",)),
        (
            "prod-aws",
            _set("database.storage", "200Gi"),
            ("millrace:database: storage: infra/aws makes this server", "write database.storageGib there"),
        ),
        ("prod-aws", _set("database.backup", {"keep": 30}), ("backup: infra/aws", "write database.backupDays there")),
        ("prod-aws", _set("resultBackend.topology", "sentinel"), ("topology: infra/aws", "write cache.nodes there")),
        ("prod-aws", _set("broker.nodes", 3), ("millrace:broker: nodes: infra/aws makes this server: leave it out",)),
        ("prod-aws", _set("broker.nodez", 3), ("millrace:broker.nodez: nobody reads this key",)),
        (
            "prod-aws",
            _set("objectStore", {"kind": "volume", "storage": "1Gi"}),
            ("objectStore volume: RDS keeps its backups itself", "write database.backupDays"),
        ),
        (
            "prod-aws",
            _drop("aws"),
            ("aws is missing", "broker amazonmq, resultBackend elasticache, database rds", "name the stack"),
        ),
        ("prod-aws", _set("aws.stack", "prod"), ("millrace:aws.stack", "given: 'prod'")),
        ("prod-aws", _set("aws.cidrs", ["10.20.0.9/32"]), ("millrace:aws.cidrs", "is one address")),
        ("prod-aws", _set("aws.cidrs", []), ("millrace:aws.cidrs",)),
        ("prod-aws", _set("aws.authorities", "bundle.pem"), ("millrace:aws.authorities: no certificates in PEM",)),
        (
            "prod-aws",
            _drop("workloads.pools.interactive.scaling.pollingSeconds"),
            ("workloads.pools.interactive.scaling.pollingSeconds 10", "once a minute", "write 60 or more"),
        ),
        (
            "prod",
            _set("aws", {"stack": "a/b/c", "cidrs": ["10.0.0.0/20"], "authorities": AUTHORITY}),
            ("aws is set, and no server is AWS's: leave it out",),
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(stack: str, change: Break, words: tuple[str, ...]) -> None:
    """Path, value, way out; and that nothing was changed."""
    config = copy.deepcopy(_config(stack))
    change(config)
    message = _refused(config)
    assert "nothing was changed" in message
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"


def test_a_servers_own_certificate_is_no_authority() -> None:
    """Who pastes that would be cut off by its next renewal."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "database.example.com")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    config = copy.deepcopy(_config("prod-aws"))
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    _set("aws.authorities", AUTHORITY + pem)(config)
    assert "CN=database.example.com is no authority: take the bundle" in _refused(config)


def test_amazon_mq_takes_few_consumers_on_a_channel(tmp_path: Path) -> None:
    """The archiver has one for each queue."""
    file = tmp_path / "queues.toml"
    file.write_text("".join(f'[queue-{number}]\npurpose = "a test"\n' for number in range(11)))
    config = copy.deepcopy(_config("prod-aws"))
    config["millrace:queues"] = str(file)
    config["millrace:workloads"]["pools"] = {}
    assert "queues declares 11" in _refused(config)
    assert "Amazon MQ takes 10 consumers on one" in _refused(config)


def test_several_faults_are_said_together() -> None:
    """Whoever made two mistakes hears of both."""
    config = copy.deepcopy(_config("staging"))
    _set("broker.nodes", 4)(config)
    _set("logLevel", "LOUD")(config)
    message = _refused(config)
    assert "nodes 4 is even" in message
    assert "millrace:logLevel" in message


def test_a_foreign_namespace_is_refused() -> None:
    """`milrace:broker` would be read by nobody."""
    assert "nobody reads the namespace 'milrace'" in _refused({**_config("staging"), "milrace:broker": {}})


@pytest.mark.parametrize("key", ["kubernetes:enableSecretMutable", "kubernetes:enableConfigMapMutable"])
def test_secrets_must_be_mutable(key: str) -> None:
    """Or the provider deletes a Secret before it makes the changed one."""
    config = _config("staging")
    del config[key]
    assert f'{key}: must be "true"' in _refused(config)


def test_unknown_stack_names_those_that_exist() -> None:
    """A typo in STACK."""
    with pytest.raises(SettingsError, match="there is no stack 'stagin'; there are: prod, prod-aws, staging"):
        stack_file("stagin", ROOT)


@pytest.mark.parametrize("text", ["", "config: 3", "other: {}", "config: [", "- 1"])
def test_a_file_that_is_no_stack_file_is_said_to_be_so(tmp_path: Path, text: str) -> None:
    """Instead of a traceback."""
    path = tmp_path / "Pulumi.mine.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=str(path)):
        read_stack_file(path)
