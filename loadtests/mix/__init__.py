"""The patterns of docs/patterns beside the events: a module for each, which sends, reads back and judges.

A pattern more is a module more, and its line in `mix.py`.
"""
