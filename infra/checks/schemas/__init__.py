"""JSON schemas of Kubernetes and of the CRDs that we use, made from pinned Go modules."""

from __future__ import annotations

from infra.checks.schemas.store import crd_documents, schema_location

__all__ = ["crd_documents", "schema_location"]
