"""Errors that stop `make staging`, in words that say the way out."""

from __future__ import annotations


class StagingError(Exception):
    """It began and did not end; the same command goes on from there."""
