"""A stack's program, ready to be run on mocks: its settings are read and valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.render.manifests import Manifest, manifests
from infra.render.recorder import record
from infra.settings import load
from infra.settings.stack import Stack

#: Where the stack files are.
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Program:
    """One stack. Its `config` is what Pulumi would hand over, its `settings` what the program makes of it."""

    stack: str
    config: Mapping[str, str] = field(repr=False)
    settings: Stack

    @classmethod
    def of(cls, stack: str, file: Path | None = None) -> Program:
        """Read the stack's own file, or another one.

        Raises:
            SettingsError: there is no such stack, or its settings are refused; nothing has run.
        """
        path = file or load.stack_file(stack, REPOSITORY)
        try:
            config = load.read_stack_file(path)
        except (OSError, UnicodeDecodeError) as error:
            raise load.SettingsError(f"{path}: cannot be read: {error}") from error
        return cls(stack, config, load.parse(config, path.name))

    def manifests(self, password: Callable[[str], str], *, with_secrets: bool = False) -> tuple[Manifest, ...]:
        """Run it. `password` gives each generated value by its logical name."""
        return manifests(record(self.config, self.stack, password), with_secrets=with_secrets)

    def references(self) -> tuple[Manifest, ...]:
        """Run it without a single secret value: Secrets have their names and the names of their keys."""
        return self.manifests(lambda name: f"(generated: {name})")
