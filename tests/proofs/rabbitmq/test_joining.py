"""A node joins only with its name in the DNS and a certificate of our authority."""

from __future__ import annotations

from infra.local import certificates
from infra.servers.rabbitmq.cluster import kubernetes_hosts
from tests.harness.rabbitmq_nodes import Nodes
from tests.harness.waiting import PATIENCE_SECONDS, eventually


def _members(nodes: Nodes, host: str) -> int:
    return int(nodes.ctl(host, "rabbitmqctl", "--quiet", "eval", "length(rabbit_nodes:list_members())."))


def test_nodes_refuse_plain_distribution(nodes: Nodes) -> None:
    """A node refuses a tool that has the cookie and speaks without TLS; it answers the same tool with TLS."""
    first, second, _ = nodes.cluster.hosts
    ping = ("rabbitmqctl", "--timeout", "60", "--node", nodes.cluster.nodes[1], "ping")

    assert nodes.run(first, *ping)[0] == 0
    assert nodes.run(first, *ping, environment={"RABBITMQ_CTL_ERL_ARGS": ""})[0] != 0
    eventually(lambda: "Unexpected Message" in nodes.machines[second].logs(200), what="the node says why")


def test_a_node_with_a_certificate_of_another_authority_cannot_join(nodes: Nodes) -> None:
    """The stranger has our cookie, our settings and our CA file; only its certificate is of another authority."""
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
