"""Faults of the network between a component and another one that it names: slow, lossy, one-way, dead without a word.

A container of an image of ours (chaos/netfault) joins the network of the one that is to suffer, and breaks it from
inside.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from app import contract
from chaos.components import Member
from chaos.plan import Plan, Scene
from chaos.steps import docker, perform

_IMAGE = f"millrace-{contract.NETFAULT_NAME}:{contract.NETFAULT_VERSION}"
#: The variable that names another image, for instance that of another checkout.
IMAGE_VARIABLE = "MILLRACE_IMAGE_NETFAULT"
_RIGHTS = ("--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--security-opt", "no-new-privileges:true", "--read-only")
_PROGRAM = ("python3", "-m", "chaos.netfault")
#: Every container asks Docker's own name server.
DNS, _DNS_ADDRESS = "dns", "127.0.0.11"


def delay(member: Member, scene: Scene, *, to: str, milliseconds: int) -> Plan:
    """Packets to the other component leave so much later, so each round trip takes that much longer."""

    def lacks(round_trip: float) -> str:
        # TCP's own estimate, which takes some round trips to follow.
        return "" if round_trip >= milliseconds / 2 else f"a round trip takes {round_trip:g} ms"

    return _fault(member, scene, "delay", to, str(milliseconds), what=f"{milliseconds} ms on the way", lacks=lacks)


def lose(member: Member, scene: Scene, *, to: str, share: float) -> Plan:
    """A share of all packets between the two is lost, drawn packet by packet."""
    return _fault(member, scene, "lose", to, f"{share:g}", what=f"{share:.0%} of the packets lost")


def cut(member: Member, scene: Scene, *, to: str, direction: str) -> Plan:
    """No packet comes `in` from the other component, or none goes `out` to it; the other direction works."""
    return _fault(member, scene, "cut", to, direction, what=f"no packet {direction}")


def half_open(member: Member, scene: Scene, *, to: str) -> Plan:
    """Connections that are there go dead without a word, as when a router forgets them; new ones work."""
    return _fault(member, scene, "half_open", to, what="every connection dead without a word")


def _fault(
    member: Member,
    scene: Scene,
    verb: str,
    to: str,
    *values: str,
    what: str,
    lacks: Callable[[float], str] = lambda _round_trip: "",
) -> Plan:
    hosts = _DNS_ADDRESS if to == DNS else ",".join(peer.service for peer in scene.every(to) if peer.running)
    image = os.environ.get(IMAGE_VARIABLE, _IMAGE)
    side = f"{member.identifier}-drill"
    inside = ("--network", f"container:{member.identifier}", *_RIGHTS, image)

    def lacking() -> str:
        if scene.look(member).started_at != member.started_at:
            return f"{member.service} was started again, and its new network is whole"
        met, round_trip = perform(docker("exec", side, *_PROGRAM, "show", hosts)).split()
        return lacks(float(round_trip)) if int(met) else f"no packet between {member.service} and {to} met the fault"

    return Plan(
        what=f"{member.service} to {to}: {what}",
        inject=(docker("run", "--detach", "--name", side, *inside, verb, hosts, *values),),
        undo=(
            docker("rm", "--force", side, already="No such container"),
            # A container that does not run has no network, so there is no fault in it.
            docker("run", "--rm", *inside, "clear", already="non running container"),
        ),
        lacks=lacking,
    )
