"""RabbitMQ as Kubernetes runs it: the same files, names and user, three nodes, each version that has an image.

One file, though long: its two clusters of three nodes start once for all that is asked of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import amqp
import httpx
import pytest

from app import contract
from app.contract import Role, queue_names
from infra.local import certificates
from infra.servers.rabbitmq import definitions, users, vhost
from infra.servers.rabbitmq.cluster import VERSIONS, kubernetes_hosts
from tests.harness.rabbitmq_nodes import PORTS, Nodes
from tests.harness.waiting import PATIENCE_SECONDS, eventually

_QUORUM = {"x-queue-type": "quorum"}
_LISTENING = "cat /proc/net/tcp /proc/net/tcp6"
#: TCP_USER_TIMEOUT, in milliseconds, of each connection from or to a port.
_PATIENCE = """
[Patience || Port <- erlang:ports(), {{name, "tcp_inet"}} == erlang:port_info(Port, name),
    {{ok, {{_, Theirs}}}} <- [inet:peername(Port)], {{ok, {{_, Ours}}}} <- [inet:sockname(Port)],
    lists:member({port}, [Theirs, Ours]),
    {{ok, [{{raw, 6, 18, <<Patience:32/native>>}}]}} <- [inet:getopts(Port, [{{raw, 6, 18, 4}}])]].
"""
_FOUR_LISTED = "application:set_env(rabbit, cluster_formation, [{target_cluster_size_hint, 4}])."


@pytest.fixture(scope="module", params=VERSIONS)
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Three nodes that started at once; each test leaves them running and their queues empty."""
    folder = tmp_path_factory.mktemp(f"rabbitmq-{request.param}")
    for part in (folder, folder.parent, folder.parent.parent):
        part.chmod(0o711)
    cluster = Nodes(folder, request.param)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


def _publish(channel: Any, *bodies: str, exchange: str = contract.TASKS_EXCHANGE, key: str = "interactive") -> None:
    channel.confirm_select()
    for body in bodies:
        message = amqp.Message(body.encode(), delivery_mode=2)
        channel.basic_publish_confirm(message, exchange=exchange, routing_key=key, mandatory=True)


def _drain(nodes: Nodes, host: str, queue: str = "interactive") -> list[str]:
    """Take every message of a queue."""
    with nodes.channel(Role.WORKER, host=host) as channel:
        bodies = []
        while message := channel.basic_get(queue, no_ack=True):
            bodies.append(message.body.decode())
        return bodies


def _queue(nodes: Nodes, name: str, host: str | None = None) -> dict[str, Any]:
    with nodes.http(Role.OPERATOR, host=host) as client:
        answer: dict[str, Any] = client.get(f"/api/queues/{contract.VHOST}/{name}").raise_for_status().json()
    return answer


def _members(nodes: Nodes, host: str) -> int:
    return int(nodes.ctl(host, "rabbitmqctl", "--quiet", "eval", "length(rabbit_nodes:list_members())."))


# --- What booted


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
    eventually(lambda: _queue(nodes, "interactive").get("policy") == "interactive", what="the policy applies")


def _user_names() -> set[str]:
    return {login for role in users.permissions(contract.queues()) for login in contract.logins(role)}


def test_a_queue_without_a_type_is_a_quorum_queue_and_an_exclusive_one_is_not(nodes: Nodes) -> None:
    """The default of the vhost; Celery's control queues are exclusive and work all the same."""
    with nodes.channel(Role.OPERATOR) as channel:
        channel.queue_declare("plain", durable=True, auto_delete=False)
        assert _queue(nodes, "plain")["type"] == "quorum"
        channel.queue_delete("plain")
        channel.queue_declare("control", durable=False, exclusive=True)
        assert _queue(nodes, "control")["type"] == "classic"


# --- Who may do what


_REFUSED: list[tuple[Role, str]] = [
    (Role.WORKER, "declare interactive"),
    (Role.WORKER, "declare mine"),
    (Role.WORKER, "delete interactive"),
    (Role.WORKER, "get interactive.dead"),
    (Role.WORKER, "publish tasks.dead"),
    (Role.RELAY, "get interactive"),
    (Role.RELAY, "consume interactive"),
    (Role.RELAY, "declare mine"),
    (Role.RELAY, "publish tasks.dead"),
    (Role.BEAT, "get interactive"),
    (Role.BEAT, "consume interactive"),
    (Role.BEAT, "declare mine"),
    (Role.BEAT, "delete interactive"),
    (Role.BEAT, "purge interactive"),
    (Role.BEAT, "bind interactive"),
    (Role.BEAT, "publish celery_delayed_27"),
    (Role.BEAT, "publish tasks"),
    (Role.BEAT, "publish tasks.dead"),
    (Role.BEAT, "publish "),
    (Role.ARCHIVER, "get interactive"),
    (Role.ARCHIVER, "publish tasks"),
    (Role.FLOWER, "get interactive"),
    (Role.FLOWER, "publish tasks"),
    (Role.TOPOLOGY, "declare mine"),
]


@pytest.mark.parametrize(("role", "deed"), _REFUSED)
def test_roles_may_no_more_than_they_must(nodes: Nodes, role: Role, deed: str) -> None:
    """Each role is refused what is not its work."""
    verb, _, name = deed.partition(" ")
    with nodes.channel(role) as channel, pytest.raises(amqp.AccessRefused):  # noqa: PT012 - one of them runs
        match verb:
            case "declare":
                channel.queue_declare(name, durable=True, auto_delete=False, arguments=_QUORUM)
            case "delete":
                channel.queue_delete(name)
            case "purge":
                channel.queue_purge(name)
            case "bind":
                channel.queue_bind(name, contract.TASKS_EXCHANGE, "everything")
            case "get":
                channel.basic_get(name)
            case "consume":
                channel.basic_consume(name)
            case "publish":
                _publish(channel, "x", exchange=name)


@pytest.mark.parametrize("role", [Role.RELAY, Role.WORKER])
def test_publishers_may_publish_tasks(nodes: Nodes, role: Role) -> None:
    """What they are for."""
    with nodes.channel(role) as channel:
        _publish(channel, str(role))
    assert _drain(nodes, nodes.cluster.hosts[1]) == [str(role)]


def test_a_worker_cannot_read_the_control_queue_of_another(nodes: Nodes) -> None:
    """Its name is permitted to the role; that it is exclusive keeps it to one connection."""
    name = "bulk@one.celery.pidbox.1"
    with nodes.channel(Role.WORKER) as mine, nodes.channel(Role.WORKER) as others:
        mine.queue_declare(name, durable=False, exclusive=True)
        with pytest.raises(amqp.ResourceLocked):
            others.basic_get(name)


@pytest.mark.parametrize("role", [Role.KEDA, Role.PROMETHEUS])
def test_who_asks_over_http_reads_counts_and_nothing_else(nodes: Nodes, role: Role) -> None:
    """KEDA's request is answered with the length of each work queue; no message, no change, and no AMQP at all."""
    with nodes.channel(Role.RELAY) as channel:
        _publish(channel, "1", "2", "3", key="bulk")
    with nodes.http(role, host=nodes.cluster.hosts[1]) as client:

        def holds(queue: str, messages: int) -> bool:
            answer = client.get(f"/api/queues/{contract.VHOST}/{queue}").raise_for_status().json()
            return bool(answer.get("messages") == messages)

        for queue in queue_names():
            wanted = 3 if queue == "bulk" else 0
            eventually(
                partial(holds, queue, wanted), what=f"{role} reads {wanted} messages of {queue}", every=0.5,
            )  # fmt: skip
        url = f"/api/queues/{contract.VHOST}/bulk"
        taken = client.post(f"{url}/get", json={"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"})
        refused = (
            taken,
            client.delete(f"{url}/contents"),
            client.delete(url),
            client.put(f"/api/queues/{contract.VHOST}/mine", json={"durable": True}),
            client.post(
                f"/api/exchanges/{contract.VHOST}/{contract.TASKS_EXCHANGE}/publish",
                json={"properties": {}, "routing_key": "bulk", "payload": "x", "payload_encoding": "string"},
            ),
            client.get("/api/users"),
            client.get("/api/definitions"),
            client.put(f"/api/policies/{contract.VHOST}/mine", json={"pattern": ".*", "definition": {"expires": 1}}),
        )
        assert not [answer.request.url for answer in refused if answer.is_success]
    with pytest.raises(amqp.NotAllowed), nodes.channel(role):
        pass
    assert _drain(nodes, nodes.cluster.hosts[0], "bulk") == ["1", "2", "3"]


def test_prometheus_reads_metrics(nodes: Nodes) -> None:
    """With its password, and nobody without. A queue is told of by the node that leads it."""

    def told() -> bool:
        parameters = {"family": "queue_coarse_metrics", "vhost": contract.VHOST}
        text = ""
        for host in nodes.cluster.hosts:
            with nodes.http(Role.PROMETHEUS, port=contract.PORT_RABBITMQ_METRICS, host=host) as client:
                text += client.get("/metrics/detailed", params=parameters).raise_for_status().text
        return all(f'queue="{queue}"' in text for queue in queue_names())

    eventually(told, what="the nodes tell of every work queue", every=0.5)
    for host in nodes.cluster.hosts:
        with nodes.http(None, port=contract.PORT_RABBITMQ_METRICS, host=host) as client:
            assert client.get("/metrics").status_code == httpx.codes.UNAUTHORIZED


def test_nobody_is_in_a_foreign_vhost(nodes: Nodes) -> None:
    """Another vhost is closed to every role, the operator's included, until somebody grants it."""
    with nodes.http(Role.OPERATOR) as client:
        client.put("/api/vhosts/foreign", json={}).raise_for_status()
        # RabbitMQ grants it to whoever made it.
        client.delete("/api/permissions/foreign/operator")
    try:
        for role in sorted(users.permissions(contract.queues())):
            with pytest.raises(amqp.NotAllowed), nodes.channel(role, vhost="foreign"):
                pass
    finally:
        with nodes.http(Role.OPERATOR) as client:
            client.delete("/api/vhosts/foreign").raise_for_status()


@pytest.mark.parametrize(
    ("user", "password"),
    [("guest", "guest"), ("worker", "wrong"), ("operator", ""), ("", ""), (contract.login(Role.WORKER, 2), "")],
)
def test_strangers_are_refused(nodes: Nodes, user: str, password: str) -> None:
    """No guest, no empty password, no name of nobody, no login that waits for a rotation: over AMQP and over HTTP."""
    with pytest.raises((amqp.AccessRefused, OSError)), nodes.channel(user, password=password):
        pass
    with nodes.http(None) as client:
        assert client.get("/api/overview", auth=(user, password)).status_code == httpx.codes.UNAUTHORIZED


# --- TLS between nodes


def test_nodes_refuse_plain_distribution(nodes: Nodes) -> None:
    """Whoever has the cookie and speaks without TLS is not let in; with TLS the same command is."""
    first, second, _ = nodes.cluster.hosts
    ping = ("rabbitmqctl", "--timeout", "60", "--node", nodes.cluster.nodes[1], "ping")

    assert nodes.run(first, *ping)[0] == 0
    assert nodes.run(first, *ping, environment={"RABBITMQ_CTL_ERL_ARGS": ""})[0] != 0
    eventually(lambda: "Unexpected Message" in nodes.machines[second].logs(200), what="the node says why")


def test_a_node_with_a_certificate_of_another_authority_cannot_join(nodes: Nodes) -> None:
    """It has our cookie, our settings and our CA file, and a certificate that somebody else signed."""
    stranger = kubernetes_hosts("rabbitmq-nodes", "millrace-data", replicas=4)[3]
    machine = nodes.create(stranger, authority=certificates.make_authority())
    try:
        machine.start()
        eventually(
            lambda: any("Unknown CA" in nodes.machines[host].logs(300) for host in nodes.cluster.hosts),
            what="a node refuses the stranger's certificate", every=0.5,
        )  # fmt: skip
        assert nodes.run(stranger, "millrace-started")[0] != 0
        # Its tools prove themselves with the same certificate.
        ping = ("rabbitmqctl", "--timeout", "60", "--node", nodes.cluster.nodes[0], "ping")
        assert nodes.run(stranger, *ping)[0] != 0
        assert _members(nodes, nodes.cluster.hosts[0]) == 3
    finally:
        nodes.machines.pop(stranger).remove()


# --- Start and stop


def test_a_name_that_is_not_in_the_dns_is_waited_for(nodes: Nodes) -> None:
    """A pod finds itself in /etc/hosts before the others find it; so it asks the DNS, and gives up in bounded time."""
    lost = "rabbitmq-9.rabbitmq-nodes.millrace-data.svc.cluster.local"
    environment = {"RABBITMQ_NODENAME": f"rabbit@{lost}", "MILLRACE_DNS_WAIT_SECONDS": "1"}
    script = f"getent hosts {lost} && HOME=/tmp exec millrace-entrypoint"
    first = nodes.machines[nodes.cluster.hosts[0]]
    hosts = nodes.state.root / "hosts"
    hosts.write_text(f"127.0.0.1 {lost}\n")
    docker = first.docker
    assert docker.client is not None
    assert docker.image is not None
    assert docker.id is not None
    container = docker.client.containers.run(
        docker.image,
        entrypoint=["sh", "-c", script],
        environment={**first.environment, **environment},
        network=docker.attrs["HostConfig"]["NetworkMode"],
        volumes_from=[docker.id],
        volumes={str(hosts): {"bind": "/etc/hosts", "mode": "ro"}},
        labels=docker.labels,
        detach=True,
    )
    try:
        assert container.wait(timeout=PATIENCE_SECONDS)["StatusCode"] == 1
        assert f"{lost} is not in the DNS" in container.logs().decode()
    finally:
        container.remove(force=True, v=True)


def test_started_only_when_the_cluster_is_whole(nodes: Nodes) -> None:
    """The startup probe fails on a node that knows of fewer nodes than there shall be, and passes with one down."""
    first, _, third = nodes.cluster.hosts
    before = nodes.ctl(first, "rabbitmqctl", "--quiet", "eval", "application:get_env(rabbit, cluster_formation).")

    nodes.ctl(first, "rabbitmqctl", "eval", _FOUR_LISTED)
    assert nodes.run(first, "millrace-healthy")[0] == 0
    assert nodes.run(first, "millrace-started")[0] != 0
    restored = before.removeprefix("{ok,").removesuffix("}")
    nodes.ctl(first, "rabbitmqctl", "eval", f"application:set_env(rabbit, cluster_formation, {restored}).")
    nodes.machines[third].stop(timeout=30)
    try:
        assert nodes.run(first, "millrace-started")[0] == 0
    finally:
        nodes.machines[third].start_again()
        nodes.wait(third)


def test_stop_waits_for_a_quorum_that_can_spare_the_node(nodes: Nodes) -> None:
    """With all up a node is drained at once; with one down it waits to its bound, says so, and goes on."""
    first, second, third = nodes.cluster.hosts

    at_once = _said(nodes.ctl(first, "millrace-stop", "300", "300"))
    assert at_once == ["every queue can spare this node", "drained"]
    assert nodes.run(first, "millrace-healthy")[0] != 0, "a drained node still serves"
    nodes.ctl(first, "rabbitmq-upgrade", "revive")
    nodes.wait(first)

    nodes.machines[third].kill()
    try:
        waited, drained = _said(nodes.ctl(second, "millrace-stop", "8", "10"))
        assert waited.startswith("some queue cannot spare this node (or could not be asked) after 8 s")
        # 4.0 can drain while a node is dead, 4.3 took over a minute; neither may keep the pod.
        assert drained.startswith(("drained", "not drained after 10 s"))
    finally:
        nodes.machines[third].start_again()
        nodes.wait(third)
        # As it goes on in Kubernetes. `revive` would not do: a drain that was given up goes on inside the node.
        nodes.restart(second)


def _said(output: str) -> list[str]:
    """What the script said itself: the shell and the tools write in between, on another stream."""
    prefix = "millrace-stop: "
    return [line.removeprefix(prefix) for line in output.splitlines() if line.startswith(prefix)]


def test_stop_is_skipped_when_marked(nodes: Nodes) -> None:
    """While the whole cluster is removed nobody waits for anybody: the node is neither asked nor drained."""
    first = nodes.cluster.hosts[0]
    nodes.mount(first, "pod-info", {"skip-prestop-checks": "true"})
    try:
        assert nodes.ctl(first, "millrace-stop", "60", "60") == "millrace-stop: skipped, as marked"
        assert nodes.run(first, "millrace-healthy")[0] == 0
    finally:
        nodes.mount(first, "pod-info", {"skip-prestop-checks": ""})


def test_killing_a_leader_loses_no_confirmed_message(nodes: Nodes) -> None:
    """What was confirmed before and after a kill -9 of the queue's leader is there, while the node stays dead."""
    leader = _queue(nodes, "interactive")["leader"].removeprefix("rabbit@")
    other = next(host for host in nodes.cluster.hosts if host != leader)
    before = [f"before {i}" for i in range(200)]
    after = [f"after {i}" for i in range(50)]
    try:
        with nodes.channel(Role.RELAY, host=other) as channel:
            _publish(channel, *before)
            nodes.machines[leader].kill()
            _publish(channel, *after)
        eventually(
            lambda: _queue(nodes, "interactive", other)["leader"] != f"rabbit@{leader}",
            what="another leader", every=0.5,
        )  # fmt: skip
        assert sorted(_drain(nodes, other)) == sorted(before + after)
        assert not nodes.machines[leader].running
    finally:
        nodes.machines[leader].start_again()
        nodes.wait(leader)


# --- Definitions that change


def test_changed_definitions_are_imported_at_the_next_start(nodes: Nodes) -> None:
    """A node that starts with changed files imports them for all; with unchanged ones it leaves alone what is there."""
    first, second, third = nodes.cluster.hosts
    delivery_limit = 7
    name = f"{definitions.FOLDER}/{definitions.VHOST_FILE}"
    rotated = nodes.definitions(relay="a new password of the relay's")
    document = json.loads(rotated[name])
    changed = next(policy for policy in document["policies"] if policy["name"] == "interactive")
    with nodes.channel(Role.RELAY) as channel:
        _publish(channel, "kept")

    # By hand, unchanged files: a restart does not undo what the operator did.
    with nodes.http(Role.OPERATOR) as client:
        body = {key: changed[key] for key in ("pattern", "apply-to", "priority")}
        definition = {**changed["definition"], "delivery-limit": 5}
        client.put("/api/policies/millrace/interactive", json={**body, "definition": definition}).raise_for_status()
    nodes.restart(third)
    assert _delivery_limit(nodes, second) == 5

    # Changed files, one node restarted: all nodes know, the messages stay, the old password is refused.
    changed["definition"]["delivery-limit"] = delivery_limit
    for host in nodes.cluster.hosts:
        nodes.mount(host, "secrets", {**rotated, name: json.dumps(document)})
    nodes.restart(third)
    assert _delivery_limit(nodes, second) == delivery_limit
    with nodes.channel(Role.RELAY, host=first, password="a new password of the relay's") as channel:
        _publish(channel, "with the new password")
    with pytest.raises((amqp.AccessRefused, OSError)), nodes.channel(Role.RELAY, host=first):
        pass
    assert _drain(nodes, first) == ["kept", "with the new password"]


def _delivery_limit(nodes: Nodes, host: str) -> int:
    with nodes.http(Role.OPERATOR, host=host) as client:
        policy = client.get("/api/policies/millrace/interactive").raise_for_status().json()
    return int(policy["definition"]["delivery-limit"])
