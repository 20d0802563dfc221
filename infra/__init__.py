"""Everything that runs Millrace: Pulumi programs, images, server settings, the local stack, alerts."""
