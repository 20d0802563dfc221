"""Services with a bug planted in them (tests/mutants), in place of the honest ones; healing the stack removes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.state import REPOSITORY
from tests.harness.containers import Machine
from tests.harness.stack import QUICK, Stack

MOUNT = {str(REPOSITORY / "tests" / "mutants"): "/mutants"}


def entrypoint(program: str) -> tuple[str, ...]:
    """Under an init, as in the image: the kernel lets no process 1 kill itself."""
    return ("tini", "--", "python", f"/mutants/{program}.py")


def plant(
    stack: Stack, service: str, program: str, *, environment: Mapping[str, str] | None = None, **options: Any
) -> Machine:
    """Start a service with the bug of a program in it."""
    return stack.replace(
        service,
        environment={**QUICK, **(environment or {})},
        mounts=MOUNT,
        options={"entrypoint": list(entrypoint(program))},
        **options,
    )
