"""The folder of `make staging` in the checkout's state: `.millrace/kubernetes/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app import contract
from infra.local import files
from infra.local.state import State


@dataclass(frozen=True)
class Folder:
    """Paths; those of secrets are for their owner alone."""

    root: Path

    @classmethod
    def of(cls, state: State) -> Folder:
        """Below the state's root, made if it is missing."""
        found = cls(state.root / Path(contract.KUBERNETES_TARGET_FILE).parent)
        files.folder(found.root, files.PUBLIC_FOLDER)
        files.folder(found.secrets)
        return found

    @property
    def secrets(self) -> Path:
        """Keys and passwords."""
        return self.root / "secrets"

    @property
    def target(self) -> Path:
        """How load tests and drills find everything."""
        return self.root / Path(contract.KUBERNETES_TARGET_FILE).name

    @property
    def public_ca(self) -> Path:
        """Whom to trust as the gateway."""
        return self.secrets / "gateway-ca.crt"

    @property
    def internal_ca(self) -> Path:
        """Whom to trust as PostgreSQL and RabbitMQ."""
        return self.secrets / "internal-ca.crt"

    @property
    def client_key(self) -> Path:
        """Sends events and reads jobs."""
        return self.secrets / "client_api_key"

    @property
    def prometheus_key(self) -> Path:
        """Reads the gateway's metrics."""
        return self.secrets / "prometheus_api_key"

    def password(self, role: str, server: str) -> Path:
        """A person's password on a server."""
        return self.secrets / f"{role}_{server}_password"
