"""What is below Kubernetes on AWS: a Pulumi project of its own, whose outputs the main program will read."""
