"""Three nodes boot into one cluster that listens with TLS only and has the definitions of the deployment."""

from __future__ import annotations

import json

from app import contract
from app.contract import Role, queue_names
from infra.servers.rabbitmq import users, vhost
from tests.harness.rabbitmq_nodes import PORTS, Nodes
from tests.harness.waiting import eventually
from tests.proofs.rabbitmq.messages import queue

_LISTENING = "cat /proc/net/tcp /proc/net/tcp6"
#: TCP_USER_TIMEOUT, in milliseconds, of each connection from or to a port.
_PATIENCE = """
[Patience || Port <- erlang:ports(), {{name, "tcp_inet"}} == erlang:port_info(Port, name),
    {{ok, {{_, Theirs}}}} <- [inet:peername(Port)], {{ok, {{_, Ours}}}} <- [inet:sockname(Port)],
    lists:member({port}, [Theirs, Ours]),
    {{ok, [{{raw, 6, 18, <<Patience:32/native>>}}]}} <- [inet:getopts(Port, [{{raw, 6, 18, 4}}])]].
"""


def test_three_nodes_form_one_cluster(nodes: Nodes) -> None:
    """All three know of three, with long names, on a read-only root, as the image's user and without capabilities."""
    for host in nodes.cluster.hosts:
        status = json.loads(nodes.ctl(host, "rabbitmqctl", "--quiet", "cluster_status", "--formatter", "json"))
        assert sorted(status["running_nodes"]) == sorted(nodes.cluster.nodes)
        assert not status["alarms"]
        assert nodes.run(host, "touch", "/usr/forbidden")[0] != 0
        proc = dict(line.split(":\t", 1) for line in nodes.ctl(host, "cat", "/proc/1/status").splitlines())
        assert "0" not in proc["Uid"].split()
        assert int(proc["CapEff"], 16) == 0


def test_who_confirms_nothing_is_given_up_soon(nodes: Nodes) -> None:
    """A node's connections to two others, made or accepted, this tool's, and a client's."""

    def patience(host: str, port: int) -> list[int]:
        said = nodes.ctl(host, "rabbitmqctl", "--quiet", "eval", _PATIENCE.format(port=port))
        return list(json.loads(said))

    milliseconds = contract.SERVER_PEER_LOST_SECONDS * 1000
    for host in nodes.cluster.hosts:
        assert patience(host, contract.PORT_ERLANG_DISTRIBUTION) == [milliseconds] * 3
        with nodes.channel(Role.WORKER, host=host):
            assert milliseconds in patience(host, contract.PORT_AMQPS)


def test_only_tls_listens(nodes: Nodes) -> None:
    """Open are epmd, the port between nodes, and three TLS ports: no 5672, no 15672, no 15692, nothing else."""
    for host in nodes.cluster.hosts:
        rows = [line.split() for line in nodes.ctl(host, "sh", "-c", _LISTENING).splitlines()]
        listening = [row[1].split(":") for row in rows if row[3] == "0A"]
        # Docker's own DNS listens on 127.0.0.11, in hexadecimal from behind.
        assert {int(port, 16) for address, port in listening if address != "0B00007F"} == {*PORTS, 4369, 25672}


def test_definitions_are_imported(nodes: Nodes) -> None:
    """The vhost, its limits and policies, and a user a role; neither guest nor the default vhost."""
    with nodes.http(Role.OPERATOR) as client:
        made = {user["name"]: user for user in client.get("/api/users").json()}
        assert made.keys() == _user_names()
        assert made["worker"]["limits"] == {"max-connections": 1000}
        (entry,) = client.get("/api/vhosts").json()
        assert (entry["name"], entry["default_queue_type"]) == (contract.VHOST, "quorum")
        (limits,) = client.get("/api/vhost-limits").json()
        assert limits["value"] == {"max-connections": vhost.CONNECTIONS, "max-queues": vhost.QUEUES}
        policies = {policy["name"] for policy in client.get("/api/policies").json()}
        assert policies == {*queue_names(), *(contract.dead_letter_queue(queue) for queue in queue_names())}
    eventually(lambda: queue(nodes, "interactive").get("policy") == "interactive", what="the policy applies")


def _user_names() -> set[str]:
    return {login for role in users.permissions(contract.queues()) for login in contract.logins(role)}


def test_a_queue_without_a_type_is_a_quorum_queue_and_an_exclusive_one_is_not(nodes: Nodes) -> None:
    """The default of the vhost; Celery's control queues are exclusive and work all the same."""
    with nodes.channel(Role.OPERATOR) as channel:
        channel.queue_declare("plain", durable=True, auto_delete=False)
        assert queue(nodes, "plain")["type"] == "quorum"
        channel.queue_delete("plain")
        channel.queue_declare("control", durable=False, exclusive=True)
        assert queue(nodes, "control")["type"] == "classic"
