"""No value of a Secret appears in anything that a person or a log sees."""

from __future__ import annotations

import base64
import subprocess
import sys
from typing import Any

import pytest

from infra import naming
from infra.components.passwords import SERVERS
from infra.deploy import generated
from infra.deploy.errors import RefusedError
from infra.deploy.objects import Ref, encoded
from infra.render.program import REPOSITORY
from tests.proofs.api_server.deployment import Deployment

MARK = "MarkedSecretValue"
APP = naming.NAMESPACE_APP


def _marked(name: str) -> str:
    return (MARK + "".join(letter for letter in name if letter.isalpha())).ljust(43, "x")


def _mark_generated_passwords(deployment: Deployment) -> None:
    space = {"name": APP, "labels": {naming.LABEL_STACK: "staging"}}
    deployment.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": space}, "test")
    names = [naming.password(role, server) for role, servers in SERVERS.items() for server in servers]
    metadata = {"name": generated.NAME, "namespace": APP}
    data = {name: encoded(_marked(name)) for name in names}
    deployment.cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}, "test")


def test_a_marked_secret_is_nowhere_but_in_secrets(empty: Deployment) -> None:
    """Every generated password is a marked one; looked at: all outputs, files, and objects that are no Secrets."""
    deployment = empty
    _mark_generated_passwords(deployment)
    outputs = [
        deployment.run(*words, "--engine", "direct")[1]
        for words in (
            ("preview", "staging"),
            ("up", "staging", "--no-wait"),
            ("up", "staging", "--wait-seconds", "1"),
            ("preview", "staging", "--json"),
        )
    ]
    assert _marked("relay-rabbitmq") == deployment.passwords()[f"{APP}/relay-passwords"]["rabbitmq_password"]

    # A password that was changed by hand: its Secret differs, and neither value is said.
    secret = deployment.read(Ref("v1", "Secret", APP, "relay-passwords"))
    secret["data"]["rabbitmq_password"] = encoded(f"{MARK}OtherValue")
    deployment.cluster.replace(secret, "somebody")
    again = (("preview", "staging"), ("preview", "staging", "--force"), ("up", "staging", "--no-wait", "--force"))
    outputs += [deployment.run(*words, "--engine", "direct")[1] for words in again]
    assert "belongs to" in outputs[-3]
    assert "data.rabbitmq_password: (secret) -> (secret)" in outputs[-2]

    out = deployment.folder / "out"
    command = [sys.executable, "-m", "infra.render", "staging", str(out)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    written = [path.read_text() for path in deployment.folder.rglob("*") if path.is_file()]
    elsewhere = [str(one) for ref, one in deployment.state().items() if ref.kind != "Secret"]
    assert _leaks([*outputs, *written, *elsewhere]) == []


@pytest.mark.parametrize("value", [{"inner": f"{MARK} in a map"}, [f"{MARK} in a list"], 12345678901234])
def test_an_api_server_that_quotes_a_secret_is_not_quoted(deployment: Deployment, value: Any) -> None:
    """This one quotes a value of a wrong shape, as Go writes it."""
    metadata = {"name": "wrong", "namespace": "default"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": value}}
    with pytest.raises(RefusedError, match=r"expected string(?s:.*)\(secret\)") as refused:
        deployment.cluster.apply(body)
    said = f"{refused.value} {refused.value!r} {refused.value.causes}"
    assert MARK not in said
    assert "12345678901234" not in said


def _leaks(texts: list[str]) -> list[str]:
    # Base64 of the mark at each of the three places at which it may begin.
    forms = [MARK, *(base64.b64encode(b"x" * shift + MARK.encode()).decode()[4:-4] for shift in range(3))]
    return [text for text in texts if any(form in text for form in forms)]
