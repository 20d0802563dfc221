"""The pack, started as Pulumi's language host starts it and asked as the engine asks it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2 as messages, analyzer_pb2_grpc
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

import infra.policy
from infra.policy.manifests import group, kind, name
from infra.policy.registry import RULES
from tests.unit.infra.policy.cases import GOOD
from tests.unit.infra.policy.stack import Manifest, changed, without

PACK = Path(infra.policy.__file__).parent
#: How the wire marks a secret (pulumi_policy.deserialize).
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
SECONDS = 240


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[bytes]]:
    """`python -u -m pulumi.policy ENGINE PACK` in the pack's folder, with nothing of ours on the path."""
    stack = {"PULUMI_PROJECT": "millrace", "PULUMI_STACK": "prod", "PULUMI_DRY_RUN": "true"}
    settings = {"PULUMI_CONFIG": '{"millrace:environment": "prod"}'}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    started = subprocess.Popen(
        [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(PACK)],
        cwd=PACK,
        env=environment | stack | settings,
        stdout=subprocess.PIPE,
    )
    with started:
        yield started
        started.terminate()


@pytest.fixture(scope="module")
def channel(process: subprocess.Popen[bytes]) -> Iterator[grpc.Channel]:
    """A connection to the port that the pack prints."""
    assert process.stdout
    port = int(process.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel


@pytest.fixture
def analyzer(channel: grpc.Channel) -> Any:
    """The pack, as the engine sees it."""
    return analyzer_pb2_grpc.AnalyzerStub(channel)


def pulumi_type(manifest: Manifest) -> str:
    """As pulumi_kubernetes names it."""
    version = manifest["apiVersion"] if group(manifest) else f"core/{manifest['apiVersion']}"
    return f"kubernetes:{version}:{kind(manifest)}"


def urn(manifest: Manifest, place: int) -> str:
    """As the engine names it."""
    return f"urn:pulumi:prod::millrace::{pulumi_type(manifest)}::{place}-{name(manifest)}"


def struct(value: Manifest) -> struct_pb2.Struct:
    """As it goes over the wire."""
    properties = struct_pb2.Struct()
    properties.update(value)
    return properties


def ask(analyzer: Any, manifests: list[Manifest]) -> list[tuple[str, str]]:
    """All that the engine would ask about this stack; the policies that object, with the URN's end."""
    objections = []
    resources = []
    for place, manifest in enumerate(manifests):
        identity: dict[str, Any] = {"type": pulumi_type(manifest), "urn": urn(manifest, place), "name": name(manifest)}
        request = messages.AnalyzeRequest(properties=struct(manifest), **identity)
        response = analyzer.Analyze(request, timeout=SECONDS)
        objections += [(item, identity["urn"]) for item in response.diagnostics]
        # What a provider returns holds what the cluster filled in.
        filled = manifest | {"status": {}}
        if kind(manifest) == "Deployment":
            filled |= {"spec": {"replicas": 7} | manifest["spec"]}
        resources.append(messages.AnalyzerResource(properties=struct(filled), **identity))
    response = analyzer.AnalyzeStack(messages.AnalyzeStackRequest(resources=resources), timeout=SECONDS)
    objections += [(item, item.urn) for item in response.diagnostics]
    return [(item.policyName, where.rpartition("-")[2] + " " + item.message) for item, where in objections]


def test_the_engine_learns_every_rule(analyzer: Any) -> None:
    """As mandatory policies, under their own names."""
    info = analyzer.GetAnalyzerInfo(empty_pb2.Empty(), timeout=SECONDS)
    assert info.name == "millrace"
    assert [policy.name for policy in info.policies] == [rule.name for rule in RULES]
    assert {policy.enforcementLevel for policy in info.policies} == {messages.MANDATORY}


def test_a_good_stack_passes(analyzer: Any) -> None:
    """Although the cluster filled in the replicas that a scaler owns."""
    assert ask(analyzer, GOOD) == []


@pytest.mark.parametrize(
    ("rule", "manifests"),
    [
        ("image-digest", changed("relay", "spec/template/spec/containers/0/image", "app:0.1.0")),
        ("no-capabilities", changed("relay", "spec/template/spec/containers/0/securityContext/capabilities", None)),
        ("scaler-owns-replicas", changed("gateway", "spec/replicas", 2)),
        ("disruption-possible", changed("broker-budget", "spec/maxUnavailable", 0)),
        ("network-default-deny", without("deny")),
    ],
)
def test_a_bad_stack_is_refused(analyzer: Any, rule: str, manifests: list[Manifest]) -> None:
    """By rules of both kinds: of a resource, and of the stack."""
    assert {name for name, _ in ask(analyzer, manifests)} == {rule}


def test_a_secret_of_the_program_may_hold_data_and_is_never_said(analyzer: Any) -> None:
    """The engine encrypts it; a render has none."""
    marked = SECRET | {"value": "hunter2"}
    assert ask(analyzer, changed("passwords", "stringData", {"password": marked})) == []
    literal = changed("relay", "spec/template/spec/containers/0/env/0", {"name": "PASSWORD", "value": marked})
    [(rule, said)] = ask(analyzer, literal)
    assert rule == "no-literal-secrets"
    assert "hunter2" not in said


def test_what_a_preview_cannot_know_is_no_violation(analyzer: Any) -> None:
    """The image's tag may come from a build that has not run; the update asks again."""
    assert ask(analyzer, changed("relay", "spec/template/spec/containers/0/image", UNKNOWN_STRING_VALUE)) == []
    assert ask(analyzer, changed("broker", "spec/replicas", UNKNOWN_STRING_VALUE)) == []


def test_other_providers_are_none_of_its_business(analyzer: Any) -> None:
    """Passwords, for one."""
    identity: dict[str, Any] = {
        "type": "random:index/randomPassword:RandomPassword",
        "urn": "urn:pulumi:prod::m::t::x",
        "name": "x",
    }
    request = messages.AnalyzeRequest(properties=struct({"length": 32, "password": "hunter2"}), **identity)
    assert not analyzer.Analyze(request, timeout=SECONDS).diagnostics


def test_no_module_of_the_pack_shadows_another(process: subprocess.Popen[bytes]) -> None:
    """Pulumi puts infra/policy first on the path: a module `secrets.py` there would be everybody's `secrets`."""
    assert process.poll() is None
    ours = {path.stem for path in PACK.iterdir() if path.suffix == ".py" or path.is_dir()} - {"__main__", "__init__"}
    assert not ours & (set(sys.stdlib_module_names) | set(metadata.packages_distributions()))


def test_the_pack_runs_in_the_repositorys_environment() -> None:
    """The one in which `infra` is installed; Pulumi resolves the path from the pack's folder."""
    options = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text())["runtime"]["options"]
    assert (PACK / options["virtualenv"]).resolve() == PACK.parents[1] / ".venv"
