"""Every page of docs/: its commands, the settings that it names, its links and paths. Runbooks are in test_pages.py."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.local.state import REPOSITORY
from tests.harness import documents
from tests.unit.infra.runbooks.objects import Objects
from tests.unit.infra.runbooks.words import DOCUMENTED, problems
from tests.unit.infra.stacks import Rendered

SCHEMA = json.loads((REPOSITORY / "infra/settings/stack.schema.json").read_text())
TOP = {key.removeprefix("millrace:"): node for key, node in SCHEMA["properties"]["config"]["properties"].items()}


@pytest.fixture(scope="module")
def objects(both: dict[str, Rendered]) -> Objects:
    """What any of our stacks has."""
    return Objects(tuple(both.values()))


def _steps(node: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """Where a setting's name leads to from here; a key of somebody's own leads to what all of them have."""
    for choice in (*node.get("oneOf", ()), *node.get("anyOf", ())):
        yield from _steps(choice, name)
    if reference := node.get("$ref"):
        yield from _steps(SCHEMA["$defs"][reference.rpartition("/")[2]], name)
    if name in node.get("properties", {}):
        yield node["properties"][name]
    elif isinstance(more := node.get("additionalProperties"), Mapping):
        yield more
    elif node.get("type") == "object" and "properties" not in node:
        yield {"type": "object"}


def _exists(path: str) -> bool:
    first, *others = path.split(".")
    nodes = [TOP[first]] if first in TOP else []
    for name in others:
        nodes = [found for node in nodes for found in _steps(node, name)]
    return bool(nodes)


PAGES = documents.pages()
BY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


@BY_PAGE
def test_commands_name_what_exists(page: Path, objects: Objects) -> None:
    """Targets, variables, suites, modules, options, stacks, pods: a page is followed word by word."""
    found = [
        f"{one}: {problem}"
        for one in documents.commands(page)
        for problem in problems(one.text, objects, pulumi_verbs=DOCUMENTED)
    ]
    assert not found


@BY_PAGE
def test_settings_exist(page: Path) -> None:
    """By the schema that editors complete them with. What does not begin with a setting's name is something else."""
    named = [one for one in documents.settings(page) if one.text.split(".")[0] in TOP]
    assert not [str(one) for one in named if not _exists(one.text)]


@BY_PAGE
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    """To a file, and to a heading of it."""
    wrong = [str(one) for one in documents.paths(page) if not (REPOSITORY / one.text).exists()]
    for one in documents.links(page):
        path, _, anchor = one.text.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in documents.anchors(target)):
            wrong.append(str(one))
    assert not wrong


def test_the_pages_have_what_is_looked_for() -> None:
    """A reader that finds nothing would let everything pass."""
    deployment = REPOSITORY / "docs/deployment.md"
    commands = {one.text for one in documents.commands(deployment)}

    assert {"pulumi up -s staging --policy-pack infra/policy", "pulumi destroy -s staging", "make preview"} <= commands
    assert all(shlex.split(one) for one in commands)
    assert {"cluster.context", "cluster.dns.cidrs", "rotation.worker"} <= {
        one.text for one in documents.settings(deployment)
    }
    assert "rabbitmq.md#another-version" in {one.text for one in documents.links(deployment)}
    assert not _exists("cluster.contexts")
    assert not _exists("images.version.app")


@pytest.mark.parametrize(
    "command",
    [
        "make stagin",
        "make proof SUITE=e2e_node",
        "make push STACKS=prod",
        "make drill NAME=worker_kild",
        "pulumi preview -s staging --policy-pack infra/policies",
        "pulumi refrsh -s prod",
        "pulumi stack init stagin",
        "pulumi config set --stack prod-aws --path 'millrace:aw.authorities' < aws.pem",
        "pulumi stack init staging --secret-provider=passphrase",
        ".venv/bin/python -m loadtests demo --no-falt",
        ".venv/bin/python -m chaos --target kubernetes drian node-2",
        "python -m infra.policies DIR",
        "kubectl -n millrace-data scale statefulset rabbit --replicas 4",
        "kubectl -n millrace-data exec -i postgresql-9 -c postgres -- psql -d millrace",
        "locust -f loadtests/scenario --headless",
        "docker run millrace",
    ],
)
def test_a_planted_mistake_is_seen(command: str, objects: Objects) -> None:
    """Mistakes that a rename or a typing error leaves behind."""
    assert list(problems(command, objects, pulumi_verbs=DOCUMENTED))
