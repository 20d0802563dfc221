"""The folder of all that a run makes: `.millrace/`, git-ignored, one a checkout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

#: The containers' user when the stack is started by root, who owns no container. Elsewhere it is the person's own uid,
#: so that files of mode 0600 are readable on both sides.
CONTAINER_UID = 10001


def container_uid() -> int:
    """The uid that runs in every container and owns every secret."""
    return os.getuid() or CONTAINER_UID


@dataclass(frozen=True)
class State:
    """Paths below `.millrace/` (or below MILLRACE_STATE_DIR, for tests and second stacks)."""

    root: Path

    @classmethod
    def default(cls) -> State:
        """The checkout's own."""
        return cls(Path(os.environ.get("MILLRACE_STATE_DIR", REPOSITORY / ".millrace")).resolve())

    @property
    def secrets(self) -> Path:
        """One folder a role or server, mode 0700; mounted read-only into its containers."""
        return self.root / "secrets"

    @property
    def rotation(self) -> Path:
        """Generations of passwords, as `millrace:rotation` of a stack file has them; JSON, written by hand."""
        return self.root / "rotation.json"

    @property
    def config(self) -> Path:
        """Server settings without secrets."""
        return self.root / "config"

    @property
    def build(self) -> Path:
        """Build contexts."""
        return self.root / "build"

    @property
    def logs(self) -> Path:
        """What builds and compose said."""
        return self.root / "logs"

    @property
    def lock(self) -> Path:
        """Held by whoever changes the stack."""
        return self.root / "lock"

    @property
    def environment(self) -> Path:
        """Variables for compose.yaml: image tags, uid, RabbitMQ's version."""
        return self.root / "compose.env"

    @property
    def workers(self) -> Path:
        """Compose's second file: the workers of the declared queues."""
        return self.root / "compose.workers.yaml"

    @property
    def broker(self) -> Path:
        """Compose's third file: another broker than RabbitMQ, and what every process is told of it."""
        return self.root / "compose.broker.yaml"

    @property
    def timings(self) -> Path:
        """How long each step took last time: the estimates of the progress bars."""
        return self.root / "timings.json"
