"""`python -m app api-keys create | list | revoke`: the operator's side of API keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from sqlalchemy import text

from app.contract import Scope
from app.errors import ApiKeyNotFoundError
from app.gateway.api_keys import generate, hash_secret, render
from app.storage.engine import engine

api_keys = typer.Typer(help="API keys of the gateway.", no_args_is_help=True)

_INSERT = text("""
    INSERT INTO api_keys (api_key_id, secret_hash, label, scopes, requests_per_second)
    VALUES (:api_key_id, :secret_hash, :label, :scopes, :requests_per_second)
""")
_LIST = text("""
    SELECT api_key_id, label, scopes, requests_per_second, created_at, revoked_at FROM api_keys ORDER BY created_at
""")
_REVOKE = text("UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE api_key_id = :api_key_id")
#: Far above what all gateways can do; a number without end would fail in each request.
_RATE_MAX = 1_000_000.0


@api_keys.command()
def create(
    label: Annotated[str, typer.Option("--label", "--name", help="Whose key it is; for people.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; repeat for more.")],
    requests_per_second: Annotated[
        float, typer.Option(min=0.02, max=_RATE_MAX, help="The key's limit, over all gateways together.")
    ] = 2000.0,
    key_file: Annotated[
        Path | None, typer.Option(help="Write the key to this new file (mode 0600) instead of printing it.")
    ] = None,
) -> None:
    """Make a key. It is shown this once: only its hash is kept."""
    key = generate()
    descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600) if key_file is not None else None
    with engine().begin() as connection:
        connection.execute(
            _INSERT,
            {
                "api_key_id": key.api_key_id,
                "secret_hash": hash_secret(key.secret),
                "label": label,
                "scopes": sorted({item.value for item in scope}),
                "requests_per_second": requests_per_second,
            },
        )
    if descriptor is None:
        typer.echo(render(key))
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(render(key) + "\n")
    typer.echo(f"{key.api_key_id} written to {key_file}")


@api_keys.command("list")
def list_keys() -> None:
    """List all keys, the revoked ones too."""
    table = Table(Column("id", no_wrap=True), "label", "scopes", "requests/s", "created", "revoked")
    with engine().connect() as connection:
        for row in connection.execute(_LIST):
            table.add_row(
                row.api_key_id,
                Text(row.label),  # rich would take [square brackets] for its markup
                " ".join(row.scopes),
                f"{row.requests_per_second:g}",
                f"{row.created_at:%Y-%m-%d %H:%M}",
                f"{row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else "",
            )
    Console().print(table)


@api_keys.command()
def revoke(api_key_id: Annotated[str, typer.Argument(help="The middle part of the key.")]) -> None:
    """Revoke a key. Running gateways notice within six seconds (`key_cache.CACHE_SECONDS`)."""
    with engine().begin() as connection:
        if not connection.execute(_REVOKE, {"api_key_id": api_key_id}).rowcount:
            raise ApiKeyNotFoundError(f"({api_key_id})")
    typer.echo(f"{api_key_id} is revoked")
