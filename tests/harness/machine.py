"""The traces that a cluster could leave on a machine. What Docker makes and removes for others does not count.

`python -m tests.harness.machine` remembers the machine as it is before a cluster starts; tests/proofs/cluster_down
compares when it is gone.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from infra.lab.devcluster import processes
from infra.lab.devcluster.cluster import Cluster
from infra.lab.devcluster.layout import CGROUP, ROOT
from infra.local.state import State

FILE = State.default().root / "machine.json"

#: Docker's names of bridges, cables, chains; where it mounts; its groups.
DOCKER = re.compile(r"docker|DOCKER|\bbr-[0-9a-f]{12}\b|\bveth[0-9a-f]{7}\b|POSTROUTING -s (\S+) -d \1 ")
#: Of the whole machine; a kubelet on the bare host changes the first four, kube-proxy and Docker the others.
SETTINGS = (
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.panic",
    "kernel.keys.root_maxkeys",
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.route_localnet",
    "net.bridge.bridge-nf-call-iptables",
    "net.netfilter.nf_conntrack_max",
)


@dataclass(frozen=True)
class Machine:
    """The state of the machine in which a cluster would show."""

    links: frozenset[str]
    network_namespaces: frozenset[str]
    routes: frozenset[str]
    rules: frozenset[str]
    mounts: frozenset[str]
    control_groups: frozenset[str]
    settings: frozenset[str]
    processes: frozenset[str]
    files: frozenset[str]

    def difference(self, other: Machine) -> dict[str, list[str]]:
        """List by kind what only this machine has (+) and what only the other one has (-); empty if they are equal."""
        both = ((field.name, getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return {
            name: [*(f"+ {each}" for each in sorted(mine - theirs)), *(f"- {each}" for each in sorted(theirs - mine))]
            for name, mine, theirs in both
            if mine != theirs
        }


def remember() -> None:
    """Write it down, unless a cluster is there: then what was written before it started still holds.

    A cluster whose supervisor does not answer is there, too. CI once remembered one and found it missing at the end.
    What a killed cluster left without a memory of the machine goes first; `up` would remove it, too.
    """
    if FILE.is_file() and ROOT.exists():
        return
    if ROOT.exists() and not Cluster().runs:
        take_down()
    if not ROOT.exists():
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(asdict(now()), default=sorted, indent=1))


def take_down() -> None:
    """Remove the cluster as `make cluster-down` does."""
    words = (sys.executable, "-m", "infra.lab.devcluster", "down")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def remembered() -> Machine:
    """As it was before the cluster."""
    return Machine(**{name: frozenset(lines) for name, lines in json.loads(FILE.read_text()).items()})


def now() -> Machine:
    """As it is."""
    return Machine(
        links=_lines("ip", "-oneline", "-brief", "link", column=0),
        network_namespaces=_lines("ip", "netns"),
        routes=_lines("ip", "route"),
        rules=frozenset(re.sub(r"\[\d+:\d+\]", "", rule) for rule in _lines("iptables-save") if rule[0] != "#"),
        mounts=_kept(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        control_groups=_lines("find", "/sys/fs/cgroup", "-type", "d"),
        settings=_lines("sysctl", *SETTINGS),
        # Also what has no mark: containers begin with an environment of their own, and their keepers name the folder.
        processes=frozenset(map(str, processes.marked(ROOT)))
        | _lines("pgrep", "--full", "--list-full", f"shim.*{ROOT}"),
        files=frozenset(map(str, [ROOT] if ROOT.exists() else [])),
    )


def _ours(control_group: str) -> bool:
    """Whether a cluster's program may have made it. Others on the machine make and end theirs all the time."""
    return not {CGROUP, "kubepods", "k8s.io"}.isdisjoint(control_group.split("/"))


def _lines(*command: str, column: int | None = None) -> frozenset[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (line for line in done.stdout.splitlines() if line)
    return _kept(line if column is None else line.split()[column].partition("@")[0] for line in lines)


def _kept(lines: object) -> frozenset[str]:
    return frozenset(line for line in lines if not DOCKER.search(line))  # type: ignore[attr-defined]


if __name__ == "__main__":
    remember()
