"""Breaks the network of a container from inside.

It runs in an image of its own (infra/images/netfault), which has Python's own library and nothing else of ours.
"""
