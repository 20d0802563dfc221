"""What breaks a network: the rules that it makes, and what it reads from the kernel."""

from __future__ import annotations

import struct

import pytest

from chaos.netfault import __main__ as program, rules
from chaos.netfault.hold import packets

LISTED = """Chain MILLRACE-DRILL-{} (1 references)
    pkts      bytes target     prot opt in     out     source               destination
      12      840 DROP       0    --  *      *       0.0.0.0/0            10.0.0.2
       {}      120 DROP       0    --  *      *       10.0.0.2             0.0.0.0/0
"""
ESTABLISHED = """0 0 10.0.0.9:51000 10.0.0.2:5432 cubic rto:204 rtt:201.4/3.9 ato:40
0 0 10.0.0.9:51002 10.0.0.2:5432 cubic rto:204 rtt:0.3/0.1 ato:40
"""


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands of a run, which nothing carries out."""
    commands: list[str] = []

    def run(*command: str, **_: bool) -> str:
        commands.append(" ".join(command).removeprefix("iptables --wait "))
        if command[0] == "ss":
            return ESTABLISHED
        if "--list" not in command:
            return ""
        return LISTED.format("IN", 3) if command[3].endswith("-IN") else LISTED.format("OUT", 4)

    monkeypatch.setattr(rules, "_run", run)
    monkeypatch.setattr(program.signal, "pause", lambda: None)
    monkeypatch.setattr(program, "hold", lambda milliseconds: commands.append(f"hold {milliseconds:g}"))
    monkeypatch.setattr(program.socket, "gethostbyname_ex", lambda host: (host, [], ["10.0.0.2"]))
    return commands


IN, OUT = "MILLRACE-DRILL-IN", "MILLRACE-DRILL-OUT"
BEGIN = [f"--new-chain {IN}", f"--new-chain {OUT}"]
END = [f"--insert INPUT --jump {IN}", f"--insert OUTPUT --jump {OUT}"]
ADD = "--append MILLRACE-DRILL"


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (("cut", "db", "out"), [f"{ADD}-OUT --destination 10.0.0.2 --jump DROP"]),
        (("cut", "db", "in"), [f"{ADD}-IN --source 10.0.0.2 --jump DROP"]),
        (
            ("lose", "db", "0.05"),
            [
                f"{ADD}-{end} 10.0.0.2 --match statistic --mode random --probability 0.05 --jump DROP"
                for end in ("IN --source", "OUT --destination")
            ],
        ),
    ],
)
def test_packets_are_dropped(ran: list[str], words: tuple[str, ...], made: list[str]) -> None:
    """All rules are there before the first packet meets one."""
    program.main(*words)
    assert ran == [*BEGIN, *made, *END]


def test_connections_that_are_there_go_dead(ran: list[str]) -> None:
    """Both ways, and no other."""
    program.main("half_open", "db")
    dropped = [rule for rule in ran if rule.startswith(ADD)]
    assert len(dropped) == 4
    assert dropped[0] == f"{ADD}-OUT --destination 10.0.0.2 --protocol tcp --source-port 51000 --jump DROP"
    assert dropped[3] == f"{ADD}-IN --source 10.0.0.2 --protocol tcp --destination-port 51002 --jump DROP"


def test_packets_are_held_back_by_a_program(ran: list[str]) -> None:
    """If it ends, they go at once."""
    program.main("delay", "db", "200")
    assert ran == [
        *BEGIN, f"{ADD}-OUT --destination 10.0.0.2 --jump NFQUEUE --queue-num 1 --queue-bypass", *END, "hold 200",
    ]  # fmt: skip


@pytest.mark.usefixtures("ran")
def test_evidence_is_what_was_met_and_how_long_the_way_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Of all rules, and of the longest way."""
    program.main("show", "db")
    assert capsys.readouterr().out == "31 201.4\n"


def test_what_is_not_there_is_no_error_on_the_way_back() -> None:
    """The way back may be gone twice."""
    assert rules._run("false", there=False) == ""
    with pytest.raises(SystemExit, match="false: "):
        rules._run("false")


def test_the_kernel_numbers_its_packets() -> None:
    """Several in one answer; what is no packet is left out."""

    def message(kind: int, number: int) -> bytes:
        header = struct.pack(">IHB", number, 0x0800, 3)
        body = struct.pack(">BBH", 2, 0, 1) + struct.pack("=HH", 4 + len(header), 1) + header + bytes(1)
        return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body

    received = message(0x300, 7) + message(2, 8) + message(0x300, 9)
    assert packets(received) == [struct.pack(">I", 7), struct.pack(">I", 9)]
