"""The system's programs that a cluster needs, and the Debian packages that bring them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from infra.lab.devcluster.shell import run
from infra.lab.devcluster.waiting import DevclusterError
from infra.local.progress import Steps

PACKAGES: Mapping[str, str] = {
    "awk": "mawk",
    "conntrack": "conntrack",
    "containerd": "docker.io",
    "ctr": "docker.io",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "ipset": "ipset",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "runc": "docker.io",
    "setpriv": "util-linux",
    "setsid": "util-linux",
    "sysctl": "procps",
    "unshare": "util-linux",
}
#: Debian starts the services of what it installs; these are wanted as programs alone.
SERVICES: Mapping[str, str] = {"haproxy": "haproxy.service"}
_UNITS = Path("/etc/systemd/system")
_INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends")


def missing() -> tuple[str, ...]:
    """Programs that are not there."""
    return tuple(program for program in PACKAGES if shutil.which(program) is None)


def need_root() -> None:
    """Refuse at once what the kernel would refuse later.

    Raises:
        DevclusterError: we are not root.
    """
    if os.geteuid() != 0:
        raise DevclusterError("a cluster needs root: its nodes are network, mount and process namespaces")


def ensure(steps: Steps) -> None:
    """Install what is missing, where that can be done.

    Raises:
        DevclusterError: it cannot; says what is missing.
    """
    need_root()
    if not (programs := missing()):
        return
    packages = sorted({PACKAGES[program] for program in programs})
    if shutil.which("apt-get") is None:
        raise DevclusterError(
            f"these programs are missing: {', '.join(programs)}. Debian has them in {', '.join(packages)}"
        )
    with steps.step(f"install {', '.join(packages)}", 15):
        mask([SERVICES[program] for program in programs if program in SERVICES])
        run("apt-get", "update")
        run("env", "DEBIAN_FRONTEND=noninteractive", *_INSTALL, *packages)


def mask(services: Iterable[str], units: Path = _UNITS) -> None:
    """As `systemctl mask`, before the package is there: neither its installation nor a boot starts the service."""
    for service in services:
        unit = units / service
        if not (unit.exists() or unit.is_symlink()):
            unit.parent.mkdir(parents=True, exist_ok=True)
            unit.symlink_to(os.devnull)
