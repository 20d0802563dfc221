"""Load, and the proof: a generator whose intents are on disk before they are sent, and an oracle over them.

It speaks to Millrace as an outsider would: HTTPS to the gateway, SQL as a read-only auditor, RabbitMQ's management API.
"""
