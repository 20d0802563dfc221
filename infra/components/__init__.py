"""The parts of the deployment: one module a part, each a Pulumi component with typed arguments."""
