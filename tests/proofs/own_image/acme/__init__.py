"""Somebody's package of tasks, in an image built on ours."""
