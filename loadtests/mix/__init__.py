"""The patterns of docs/patterns beside the events: a module for each, which sends, reads back and judges.

To add a pattern, write a module and add its line in `mix.py`.
"""
