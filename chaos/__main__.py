"""`python -m chaos`."""

from __future__ import annotations

from chaos.cli import app

if __name__ == "__main__":
    app()
