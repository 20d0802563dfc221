"""Faults on purpose, each with its proof and its way back. An outsider: it speaks to Docker and to RabbitMQ's API."""
