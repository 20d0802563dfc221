"""Checks of rendered manifests that others keep up: the API's schemas (kubeconform) and known mistakes (checkov)."""
