"""Checks that others keep up: the API's schemas (kubeconform), known mistakes (checkov), IAM's words (parliament)."""
