"""One node: the settings of its programs, and how they are started in namespaces of their own."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from infra.lab.devcluster.layout import DNS_ADDRESS, DOMAIN, Node
from infra.lab.devcluster.masters import POD_NETWORK, Find
from infra.lab.devcluster.programs import Program

PAUSE_IMAGE = "millrace.dev/pause:1"
#: The kubelet writes these for the whole machine. In a node it finds, and keeps, what it wants in files of its own.
KERNEL_SETTINGS: Mapping[str, str] = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
CALICO_USER = "calico"


def containerd_settings(node: Node) -> str:
    """Containerd's. Its root is in the node's own /var/lib, its state in the node's own /run."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]

[grpc]
address = "{node.containerd}"

[{cri}]
sandbox_image = "{PAUSE_IMAGE}"
# A lower score than ours needs CAP_SYS_RESOURCE, which not every root has.
restrict_oom_score_adj = true

[{cri}.containerd]
snapshotter = "overlayfs"

[{cri}.cni]
bin_dir = "{node.cluster}/cni"
conf_dir = "{node.root}/cni"
"""


def kubelet_settings(node: Node) -> str:
    """The kubelet's."""
    pki = node.cluster / "pki"
    return _yaml(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki / f"{node.name}.crt"),
            "tlsPrivateKeyFile": str(pki / f"{node.name}.key"),
            "address": node.address,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{node.cgroup}",
            "clusterDNS": [DNS_ADDRESS],
            "clusterDomain": DOMAIN,
            "containerRuntimeEndpoint": f"unix://{node.containerd}",
            # The last Kubernetes that runs on version 1 of control groups, when it is told to.
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            # Names outside the cluster are not for pods.
            "resolvConf": "",
            # The disk is the host's, who has other uses for it.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "volumePluginDir": "/var/lib/kubelet/plugins-of-volumes",
            "nodeStatusUpdateFrequency": "4s",
            # Renewed after a quarter of it; see the controller manager, which misses five of them.
            "nodeLeaseDurationSeconds": 12,
        }
    )


def kube_proxy_settings(node: Node) -> str:
    """kube-proxy's. Connection tracking has limits for the whole machine, which are not ours to set."""
    return _yaml(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clientConnection": {"kubeconfig": str(node.cluster / "kube-proxy.kubeconfig")},
            "hostnameOverride": node.name,
            "clusterCIDR": POD_NETWORK,
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "oomScoreAdj": 0,
        }
    )


def cni_settings(node: Node) -> str:
    """How a pod gets its interface and address."""
    calico = {
        "type": "calico",
        "datastore_type": "kubernetes",
        "nodename": node.name,
        # Calico's own pod would leave a file with it.
        "nodename_file_optional": True,
        "mtu": 1500,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": node.pods}]], "dataDir": "/var/lib/cni"},
        "policy": {"type": "k8s"},
        "kubernetes": {"kubeconfig": str(node.cluster / f"{CALICO_USER}.kubeconfig")},
        "log_file_path": "/var/log/calico-cni.log",
    }
    return json.dumps({"name": "millrace", "cniVersion": "0.3.1", "plugins": [calico]}, indent=1)


def start_script(node: Node, supervisor: str) -> str:
    """The node's first process: gives it folders of its own, forgets the host's mounts, and becomes its supervisor."""
    own = f"{node.root}/kernel"
    kernel = "\n".join(f"mount --bind {own}/{name} /proc/sys/{name}" for name in KERNEL_SETTINGS)
    return f"""#!/bin/sh
# Made by infra/lab/devcluster. Runs as the first process of {node.name}, in namespaces of its own.
set -eu
# What others have mounted (Docker's containers above all) must not be kept busy from here.
awk '{{ print $5 }}' /proc/self/mountinfo | sort -r | while read -r point; do
    case $point in
    / | /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | {node.cluster} | {node.cluster}/*) ;;
    *) umount --lazy "$point" 2>/dev/null || true ;; # it went with the one below it
    esac
done
mount --bind {node.root}/lib /var/lib
mount --bind {node.root}/log /var/log
mount -t tmpfs tmpfs /run
mkdir -p /run/lock
{kernel}
# Volumes mounted by one container are seen by others that ask for it; the host sees none of them.
mount --make-rshared /
for group in /sys/fs/cgroup/{node.cgroup}/system /sys/fs/cgroup/*/{node.cgroup}/system; do
    [ -e "$group/cgroup.procs" ] && echo 0 > "$group/cgroup.procs"
done
exec {supervisor}
"""


def start_command(node: Node) -> tuple[str, ...]:
    """Enters the node's network, and makes the namespaces that end with its first process."""
    unshare = ("unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc")
    return ("nsenter", f"--net={node.network}", "--", *unshare, "sh", f"{node.root}/start.sh")


def files(node: Node, supervisor: tuple[str, ...]) -> dict[str, str]:
    """Name below the node's root, and content."""
    return {
        "start.sh": start_script(node, shlex.join(supervisor)),
        "containerd.toml": containerd_settings(node),
        "kubelet.yaml": kubelet_settings(node),
        "kube-proxy.yaml": kube_proxy_settings(node),
        "cni/10-millrace.conflist": cni_settings(node),
        **{f"kernel/{name}": f"{value}\n" for name, value in KERNEL_SETTINGS.items()},
    }


def programs(node: Node, find: Find, *, iptables: str) -> tuple[Program, ...]:
    """What runs in the node; `iptables` is the kind that the host's command is: NFT or Legacy."""
    felix = {
        "FELIX_DATASTORETYPE": "kubernetes",
        "KUBECONFIG": str(node.cluster / f"{CALICO_USER}.kubeconfig"),
        "FELIX_FELIXHOSTNAME": node.name,
        "FELIX_IPTABLESBACKEND": iptables,
        "FELIX_IPV6SUPPORT": "false",
        "FELIX_LOGFILEPATH": "none",
        "FELIX_LOGSEVERITYSYS": "none",
        "FELIX_LOGSEVERITYSCREEN": "Warning",
        # Otherwise it guesses from all interfaces, and ends itself whenever the guess changes.
        "FELIX_MTUIFACEPATTERN": "eth0",
        "FELIX_USAGEREPORTINGENABLED": "false",
        # It would change forwarding for the whole machine's interfaces; the node's are set when it is made.
        "FELIX_BPFENABLED": "false",
    }
    return (
        Program("containerd", ("containerd", f"--config={node.root}/containerd.toml"), priority=10),
        Program(
            "kubelet",
            (
                str(find("kubelet")),
                f"--config={node.root}/kubelet.yaml",
                f"--kubeconfig={node.cluster}/{node.name}.kubeconfig",
                f"--hostname-override={node.name}",
                f"--node-ip={node.address}",
            ),
            priority=20,
        ),
        Program("kube-proxy", (str(find("kube-proxy")), f"--config={node.root}/kube-proxy.yaml"), priority=20),
        Program("calico-felix", (str(find("calico-felix")),), priority=20, environment=felix),
    )


def _yaml(settings: dict[str, Any]) -> str:
    return yaml.safe_dump(settings, sort_keys=False)
