"""The processes of a control plane: etcd, API server, controller manager, scheduler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.lab.devcluster.programs import Program

#: Where a program is; `go_tool`, or a table in a test.
Find = Callable[[str], Path]

SERVICE_NETWORK = "10.97.0.0/16"
#: The first address of the service network: the API server's own service.
SERVICE_ADDRESS = "10.97.0.1"
POD_NETWORK = "10.98.0.0/16"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"


@dataclass(frozen=True)
class Master:
    """Where a control plane listens and keeps its files."""

    root: Path
    #: The address that it listens on and is known by.
    address: str
    port: int

    @property
    def url(self) -> str:
        """The API server's."""
        return f"https://{self.address}:{self.port}"

    @property
    def names(self) -> tuple[str, ...]:
        """What the API server's certificate is good for."""
        services = (
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        )
        return (*services, "localhost", "127.0.0.1", self.address, SERVICE_ADDRESS)

    @property
    def etcd_url(self) -> str:
        """A socket in the private folder: nobody else can reach it, so that it needs no certificates."""
        return f"unix://{self.root}/etcd.sock"

    def pki(self, name: str) -> str:
        """A certificate, key or list of tokens."""
        return str(self.root / "pki" / name)


def etcd(master: Master, find: Find) -> Program:
    """Keeps all state; without syncing it to disk, because no cluster of this kind outlives its machine."""
    # It insists on telling others an address with a port; there are no others.
    itself = "http://localhost:2380"
    return Program(
        "etcd",
        (
            str(find("etcd")),
            "--name=master",
            f"--data-dir={master.root}/etcd",
            f"--listen-client-urls={master.etcd_url}",
            f"--advertise-client-urls={itself}",
            f"--listen-peer-urls=unix://{master.root}/etcd-peer.sock",
            f"--initial-advertise-peer-urls={itself}",
            f"--initial-cluster=master={itself}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
        priority=10,
    )


def api_server(master: Master, find: Find, *, serves_nodes: bool) -> Program:
    """The API. Alone it does not publish its own address, which on the loopback interface it may not."""
    return Program(
        "kube-apiserver",
        (
            str(find("kube-apiserver")),
            f"--bind-address={master.address}",
            # A loopback address cannot be advertised; this one, of a range for documentation, is never used.
            f"--advertise-address={master.address if serves_nodes else '192.0.2.1'}",
            f"--endpoint-reconciler-type={'lease' if serves_nodes else 'none'}",
            f"--secure-port={master.port}",
            f"--etcd-servers={master.etcd_url}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            f"--tls-cert-file={master.pki('apiserver.crt')}",
            f"--tls-private-key-file={master.pki('apiserver.key')}",
            f"--token-auth-file={master.pki('tokens.csv')}",
            "--authorization-mode=Node,RBAC",
            # As everywhere: who may be privileged, Pod Security decides by namespace.
            "--allow-privileged=true",
            # Beside those that are always on, of which PodSecurity, ResourceQuota and LimitRanger matter to us.
            "--enable-admission-plugins=NodeRestriction",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={master.pki('service-accounts.crt')}",
            f"--service-account-signing-key-file={master.pki('service-accounts.key')}",
            f"--kubelet-certificate-authority={master.pki('ca.crt')}",
            f"--kubelet-client-certificate={master.pki('kubelet-client.crt')}",
            f"--kubelet-client-key={master.pki('kubelet-client.key')}",
            "--kubelet-preferred-address-types=InternalIP",
            # metrics-server and KEDA answer for parts of the API; they are reached at their pods, without kube-proxy.
            "--enable-aggregator-routing=true",
            f"--proxy-client-cert-file={master.pki('front-proxy.crt')}",
            f"--proxy-client-key-file={master.pki('front-proxy.key')}",
            f"--requestheader-client-ca-file={master.pki('front-proxy-ca.crt')}",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        ),
        priority=20,
    )


def controller_manager(master: Master, find: Find) -> Program:
    """Service accounts, quotas, Deployments, endpoints, garbage."""
    configuration = master.root / f"{CONTROLLER_MANAGER}.kubeconfig"
    return Program(
        CONTROLLER_MANAGER,
        (
            str(find(CONTROLLER_MANAGER)),
            f"--kubeconfig={configuration}",
            "--leader-elect=false",
            "--secure-port=0",
            "--use-service-account-credentials=true",
            f"--root-ca-file={master.pki('ca.crt')}",
            f"--service-account-private-key-file={master.pki('service-accounts.key')}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            # A lost node counts as lost after 16 s, not 50: a cloud's own check of its machines says it sooner, too.
            "--node-monitor-period=2s",
            "--node-monitor-grace-period=16s",
        ),
        priority=30,
    )


def scheduler(master: Master, find: Find) -> Program:
    """Gives pods to nodes."""
    configuration = master.root / f"{SCHEDULER}.kubeconfig"
    return Program(
        SCHEDULER,
        (str(find(SCHEDULER)), f"--kubeconfig={configuration}", "--leader-elect=false", "--secure-port=0"),
        priority=30,
    )
