"""`python -m loadtests`."""

from __future__ import annotations

from loadtests.cli import app

if __name__ == "__main__":
    app()
