"""Stands in for AWS where there is none: a provider for Pulumi's engine, and a server that speaks AWS's protocol."""
