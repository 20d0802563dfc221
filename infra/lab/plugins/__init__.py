"""Stand-ins for the plugins of Pulumi that no Go module holds, and the folder where the engine finds all of them."""
