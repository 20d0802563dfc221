"""Faults of one RabbitMQ node that nobody dies of: its alarms, and a partition from the other nodes."""

from __future__ import annotations

from chaos.cluster import NODE_PREFIX
from chaos.components import Member
from chaos.errors import NotSupportedError
from chaos.plan import Plan, Scene
from chaos.steps import Step, docker, perform

#: The debian wrapper on the PATH insists on the user `rabbitmq`; this is what it wraps.
_RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
#: Bytes: less than any node uses, and more than any disk has free.
_TOO_LITTLE_MEMORY, _TOO_MUCH_DISK = 1_000_000, 10**18
#: A cookie that no cluster has.
_WRONG_COOKIE = "parted_by_a_drill"


def rabbitmqctl(member: Member, *words: str) -> Step:
    """A command beside a node."""
    return docker("exec", member.identifier, _RABBITMQCTL, *words)


def evaluate(member: Member, erlang: str) -> Step:
    """Evaluate an expression on the node."""
    return rabbitmqctl(member, "eval", erlang)


def memory_alarm(member: Member, scene: Scene) -> Plan:
    """The node believes that its memory is used up: the whole cluster holds publishers back."""
    before = perform(evaluate(member, "vm_memory_monitor:get_vm_memory_high_watermark()."))
    setting = "vm_memory_monitor:set_vm_memory_high_watermark({})."
    return Plan(
        what=f"memory alarm on {member.service}",
        inject=(evaluate(member, setting.format(f"{{absolute, {_TOO_LITTLE_MEMORY}}}")),),
        undo=(evaluate(member, setting.format(before)),),
        lacks=lambda: _alarm_lacks(member, scene, "memory"),
    )


def disk_alarm(member: Member, scene: Scene) -> Plan:
    """The node believes that its disk is nearly full: the whole cluster holds publishers back."""
    before = perform(evaluate(member, "rabbit_disk_monitor:get_disk_free_limit()."))
    setting = "rabbit_disk_monitor:set_disk_free_limit({})."
    return Plan(
        what=f"disk alarm on {member.service}",
        inject=(evaluate(member, setting.format(_TOO_MUCH_DISK)),),
        undo=(evaluate(member, setting.format(before)),),
        lacks=lambda: _alarm_lacks(member, scene, "disk"),
    )


def _alarm_lacks(member: Member, scene: Scene, kind: str) -> str:
    alarm = f"{node_of(member)}: {kind}"
    return "" if alarm in scene.management.alarms() else f"there is no alarm {alarm}"


def partition(member: Member, scene: Scene) -> Plan:
    """Part the node from the other nodes, and from no client.

    It refuses the others by their cookie, which Erlang compares at each connection, and ends the connections that are
    there. Containers of one network cannot be parted from some of it without root on their host.

    Raises:
        NotSupportedError: there is no other node.
    """
    node = node_of(member)
    others = [name for name in scene.management.nodes() if name != node]
    if not others:
        raise NotSupportedError("A partition needs a second RabbitMQ node.")
    cut = f"[begin erlang:set_cookie(N, {_WRONG_COOKIE}), erlang:disconnect_node(N) end || N <- {_list(others)}]."
    join = f"[erlang:set_cookie(N, erlang:get_cookie()) || N <- {_list(others)}]."

    def lacks() -> str:
        return f"every node sees {node} run" if scene.management.running(node) else ""

    return Plan(
        what=f"part {member.service} from the other nodes",
        inject=(evaluate(member, cut),),
        undo=(evaluate(member, join),),
        lacks=lacks,
    )


def node_of(member: Member) -> str:
    """What the cluster calls the node."""
    return f"{NODE_PREFIX}{member.service}"


def _list(names: list[str]) -> str:
    quoted = ", ".join(f"'{name}'" for name in names)
    return f"[{quoted}]"
