"""The stack in a cluster, as `make staging` left it: `.millrace/kubernetes/target.json` says where everything is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson

from app import contract
from loadtests.errors import NotReadyError, TargetMissingError
from loadtests.forward import Forward, Kubectl
from loadtests.target import Target, read_secret

_POSTGRESQL, _RABBITMQ = "service/postgresql", "pod/rabbitmq"
_NODES = 3
#: The generator shares its machine with a whole cluster there, and drills may stop half of it: rates are still those
#: of the schedule when a request leaves a second late, and lateness is inside every end-to-end figure.
LATENESS_BOUND_MS = 2_000.0


def read_settings(state: Path | None = None) -> Mapping[str, Any]:
    """What target.json says.

    Raises:
        TargetMissingError: `make staging` has not ended well here.
    """
    state = state or Path(os.environ.get("MILLRACE_STATE_DIR", ".millrace"))
    file = state.resolve() / contract.KUBERNETES_TARGET_FILE
    try:
        settings: Mapping[str, Any] = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise TargetMissingError(f"{file}: {error}") from error
    return settings


@contextmanager
def kubernetes_target(settings: Mapping[str, Any]) -> Iterator[Target]:
    """The cluster's stack: the gateway by its URL, PostgreSQL and the brokers through forwarded ports.

    Raises:
        NotReadyError: there is no kubectl, or it cannot forward.
    """
    kubectl = Kubectl(
        program=_program(settings), kubeconfig=settings.get("kubeconfig"), context=settings.get("context")
    )
    with ExitStack() as stack:

        def forward(resource: str, port: int) -> Forward:
            made = Forward(kubectl, contract.NAMESPACE_DATA, resource, port)
            stack.callback(made.close)
            return made

        postgresql = forward(_POSTGRESQL, contract.PORT_POSTGRESQL)
        brokers = [forward(f"{_RABBITMQ}-{node}", contract.PORT_RABBITMQ_MANAGEMENT) for node in range(_NODES)]
        for each in (postgresql, *brokers):
            each.wait()
        urls = tuple(f"https://localhost:{broker.port}" for broker in brokers)
        yield Target(
            name="kubernetes",
            gateway_url=settings["gateway_url"],
            ca_file=Path(settings["ca_file"]),
            internal_ca_file=Path(settings["internal_ca_file"]),
            api_key_file=Path(settings["api_key_file"]),
            postgresql_host="localhost",
            postgresql_port=postgresql.port,
            postgresql_password=read_secret(Path(settings["auditor_password_file"])),
            renew_postgresql=postgresql.renew,
            management_urls=urls,
            management_password=read_secret(Path(settings["operator_password_file"])),
            credentials=f"{Path(settings['api_key_file']).parent}/",
            web_urls={"Gateway": f"{settings['gateway_url']}/openapi.json"},
            chaos_arguments=("--target", "kubernetes"),
            chaos_environment={contract.MANAGEMENT_URLS_VARIABLE: " ".join(urls)},
            lateness_bound_ms=LATENESS_BOUND_MS,
            closing_note="The stack keeps running in the cluster; `make destroy` removes it.",
        )


def _program(settings: Mapping[str, Any]) -> str:
    program = settings.get("kubectl") or shutil.which("kubectl")
    if program is None or shutil.which(program) is None:
        raise NotReadyError("kubectl is neither on PATH nor where target.json says; `make staging` builds it.")
    return str(program)
