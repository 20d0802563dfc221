"""The Pulumi project for the AWS resources that Kubernetes needs. The main program does not read its outputs yet."""
