"""Waits until containers do what they are there for: each one's own health check, run at once and not every 10 s."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from infra.local import process
from infra.local.compose import Compose, Container, tail


class NotReadyError(Exception):
    """A container did not become healthy in time; its last words follow."""


POLL_SECONDS = 0.5
#: A container that came back this often by itself is not slow, it is broken.
HOPELESS_RESTARTS = 4


def _health_command(name: str) -> list[str]:
    text = process.run("docker", "inspect", "--format", "{{json .Config.Healthcheck}}", name, check=True).stdout
    check = json.loads(text) or {}
    test: list[str] = check.get("Test", [])
    return test[1:] if test[:1] == ["CMD"] else []


def healthy(container: Container) -> bool:
    """Ask the container now. One without a health check is healthy when it runs."""
    if container.state != "running":
        return False
    return container.status == "healthy" or _check(container)[0]


def _check(container: Container) -> tuple[bool, str]:
    """Whether its own health check is content, and what it says."""
    command = _health_command(container.name)
    if not command:
        return True, ""
    found = process.run("docker", "exec", container.name, *command)
    return found.returncode == 0, (found.stdout + found.stderr).strip()


def _complaint(missing: Sequence[Container]) -> str:
    return "\n\n".join(f"{c.service} ({_state(c)}):\n{tail(c.name)}" for c in missing)


def _state(container: Container) -> str:
    if container.state != "running":
        return f"{container.state}, exit code {container.exit_code}"
    return ", ".join(part for part in ("running", _check(container)[1]) if part)


def wait_healthy(
    compose: Compose,
    services: Sequence[str],
    timeout: float,
    note: Callable[[str], None] = lambda _: None,
) -> None:
    """Return when all are healthy.

    Raises:
        NotReadyError: not all were in time.
    """
    started = time.monotonic()
    deadline = started + timeout
    waiting = set(services)
    while True:
        present = {c.service: c for c in compose.containers() if c.service in waiting}
        waiting -= {name for name, container in present.items() if healthy(container)}
        if not waiting:
            return
        note("waiting for " + ", ".join(sorted(waiting)))
        hopeless = any(c.restarts >= HOPELESS_RESTARTS for c in present.values() if c.service in waiting)
        if hopeless or time.monotonic() > deadline:
            missing = [present[name] for name in sorted(waiting) if name in present]
            seconds = time.monotonic() - started
            msg = f"not healthy after {seconds:.0f} s: {', '.join(sorted(waiting))}\n{_complaint(missing)}"
            raise NotReadyError(msg)
        time.sleep(POLL_SECONDS)


def wait_done(compose: Compose, service: str, timeout: float) -> None:
    """Return when a one-shot container has ended well.

    Raises:
        NotReadyError: it failed, or did not end in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        container = next((c for c in compose.containers() if c.service == service), None)
        if container and container.state == "exited":
            if container.exit_code == 0:
                return
            raise NotReadyError(f"`{service}` failed:\n{_complaint([container])}")
        if time.monotonic() > deadline:
            raise NotReadyError(
                f"`{service}` did not end in {timeout:.0f} s:\n{_complaint([container] if container else [])}"
            )
        time.sleep(POLL_SECONDS)
