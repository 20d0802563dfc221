"""The supervisor's settings."""

from __future__ import annotations

import configparser
import shlex
from pathlib import Path

from supervisor.options import dict_of_key_value_pairs

from infra.lab.devcluster.programs import Program, settings


def _parsed(*programs: Program) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(settings(programs, Path("/root folder")))
    return parser


def test_a_command_arrives_word_by_word() -> None:
    """The supervisor splits it as a shell would, after it has expanded its own signs."""
    command = ("/bin/program", "--text=two words", "--share=50%")
    line = _parsed(Program("one", command, 1))["program:one"]["command"]
    assert tuple(shlex.split(line % {}))[-3:] == command


def test_a_child_dies_with_its_supervisor() -> None:
    """Otherwise it would run on, and nobody would start it again or end it."""
    line = _parsed(Program("one", ("/bin/program",), 1))["program:one"]["command"]
    assert shlex.split(line)[:3] == ["setpriv", "--pdeathsig", "KILL"]


def test_an_environment_arrives() -> None:
    """Commas and quotes have a meaning for the supervisor."""
    wanted = {"A": "1,2", "B": "a b"}
    line = _parsed(Program("one", ("x",), 1, wanted))["program:one"]["environment"]
    assert dict_of_key_value_pairs(line) == wanted


def test_only_the_owner_may_give_orders() -> None:
    """Whoever reaches the socket can run what he likes."""
    assert _parsed()["unix_http_server"]["chmod"] == "0600"
