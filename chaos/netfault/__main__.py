"""`python -m chaos.netfault VERB ...`: break the network that this process is in, until `clear`.

- `delay HOSTS MILLISECONDS`: what leaves for these hosts leaves so much later
- `lose HOSTS SHARE`: this share of all packets from and to them is dropped: 0.1
- `cut HOSTS in|out|both`: none of their packets arrives, or none leaves for them
- `half_open HOSTS`: connections that are there go dead without a word; new ones work
- `show HOSTS`: how many packets met a rule, and the longest round trip in milliseconds
- `clear`: as it was

Hosts are names or addresses, with commas between them.
"""

from __future__ import annotations

import signal
import socket
import sys

from chaos.netfault import rules
from chaos.netfault.hold import QUEUE, hold


def main(verb: str, hosts: str = "", value: str = "") -> None:
    """Do it; `delay`, `lose`, `cut`, and `half_open` then stay, so that `show` finds them."""
    if verb == "clear":
        rules.clear()
        return
    peers = sorted({address for host in hosts.split(",") for address in socket.gethostbyname_ex(host)[2]})
    if verb == "show":
        sys.stdout.write(f"{rules.met()} {rules.round_trip_milliseconds(peers):g}\n")
        return
    rules.begin()
    if verb == "delay":
        rules.hand_over(peers, QUEUE)
    elif verb == "lose":
        rules.drop(peers, "both", share=float(value))
    elif verb == "cut":
        rules.drop(peers, value)
    elif verb == "half_open":
        for peer in peers:
            for port in rules.own_ports(peer):
                rules.drop_connection(peer, port)
    else:
        raise SystemExit(f"verb {verb}: see the docstring of {__file__}.")
    rules.end_of_rules()
    if verb == "delay":
        hold(float(value))
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
