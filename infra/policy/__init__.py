"""The rules that every stack is held to: over rendered manifests, and as Pulumi's policy pack."""

from __future__ import annotations
