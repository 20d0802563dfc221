"""RabbitMQ's settings and definitions, the same for compose and for Kubernetes: a `Cluster` goes in, files come out."""
