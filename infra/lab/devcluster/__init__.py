"""A real Kubernetes without a container registry: built from pinned Go modules, run as ordinary processes."""
