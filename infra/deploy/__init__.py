"""What `pulumi up`, `preview` and `destroy` do, without the Pulumi CLI: the same program, applied server-side."""
