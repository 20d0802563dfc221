"""Every page of runbooks/: its sections, and every command: its syntax, and that whatever it names exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from app import contract
from infra.local import folders
from infra.local.state import REPOSITORY
from infra.observability import alerts, targets
from tests.harness import runbooks
from tests.harness.runbooks import SECTIONS
from tests.unit.infra.runbooks.objects import Objects
from tests.unit.infra.runbooks.words import problems
from tests.unit.infra.stacks import Rendered

PAGES = runbooks.pages()
QUEUES = contract.read_queues(contract.DEFAULT_QUEUES_FILE)


@pytest.fixture(scope="module")
def objects(both: dict[str, Rendered]) -> Objects:
    """What any of our stacks has."""
    return Objects(tuple(both.values()))


def _alerts(target: targets.Target) -> set[str]:
    return {rule["alert"] for group in alerts.rule_groups(target, QUEUES) for rule in group["rules"]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_sections(page: Path) -> None:
    """Each page has the same five sections under the alert's name."""
    assert runbooks.headings(page.read_text()) == [page.stem, *SECTIONS]


def test_each_page_has_an_alert_and_speaks_to_its_targets(both: dict[str, Rendered]) -> None:
    """It has diagnosis and verification for each target that has the alert."""
    local = _alerts(targets.compose(folders.RABBITMQ_NODES, QUEUES))
    clustered = set().union(*(_alerts(targets.kubernetes(one.stack)) for one in both.values()))

    assert {page.stem for page in PAGES} == local | clustered
    for page in PAGES:
        spoken = {(one.section, one.place) for one in runbooks.commands(page)}
        for place, known in (("compose", local), ("kubernetes", clustered)):
            if page.stem in known:
                assert {("Diagnosis", place), ("Verification", place)} <= spoken, page.stem
            else:
                assert place not in {where for _, where in spoken}, page.stem


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_name_what_exists(page: Path, objects: Objects) -> None:
    """The shell can parse them, and each target, module, option, service, pod and label exists."""
    own = list(runbooks.commands(page))
    script = "\n".join(one.text for one in own)

    checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert not [f"{one}: {problem}" for one in own for problem in problems(one.text, objects)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files(page: Path) -> None:
    """Links to other pages, and paths of documents, exist."""
    text = page.read_text()
    named = [page.parent / path for path in re.findall(r"\]\(([^)#]+)\)", text)]
    named += [REPOSITORY / path for path in re.findall(r"\b(docs/[\w./-]+\.md|app/[\w/.-]+\.toml)", text)]

    assert not [path for path in named if not path.is_file()]


@pytest.mark.parametrize(
    "command",
    [
        "docker exec millrace_rabbitmq-1_1 rabbitmqctl cluster_status",
        "make operat RUN='dead-letters list'",
        "make operate RUN='dead-letters lst'",
        "make operate RUN='dead-letters replay --que bulk'",
        "make operate STACK=stagin RUN='dead-letters list'",
        "pulumi up -s stagin",
        "pulumi destroy -s staging",
        "make compose RUN='exec -T rabbitmq-4 rabbitmqctl version'",
        "make compose RUN='exec -T redis rabbitmqctl version'",
        ".venv/bin/python -m infra.local logs --nofollow relay-1",
        ".venv/bin/python -m infra.local logs relay-3",
        "kubectl -n milrace get pods",
        "kubectl -n millrace logs -l app.kubernetes.io/name=relais",
        "kubectl -n millrace exec deployment/beet -- python -S -m app.telemetry.probe",
        "kubectl -n millrace exec deployment/beat -- python -S -m app.telemetry.prob",
        "kubectl -n millrace-data exec rabbitmq-3 -c rabbitmq -- rabbitmqctl version",
        "kubectl -n millrace-data exec rabbitmq-0 -c broker -- rabbitmqctl version",
        "kubectl -n millrace create job --from=cronjob/retain by-hand",
        "kubectl -n millrace get scaledobject",
    ],
)
def test_a_planted_mistake_is_seen(command: str, objects: Objects) -> None:
    """Mistakes that a rename or a typing error leaves behind."""
    assert list(problems(command, objects))
