"""The rules, a module a theme."""

from __future__ import annotations
