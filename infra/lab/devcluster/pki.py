"""The files that prove who is who: an authority, certificates, tokens, kubeconfigs. All of them private."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from infra.authority import Pair
from infra.lab.devcluster.identity import User, kubeconfig, token_file
from infra.lab.devcluster.masters import Master
from infra.local.certificates import make_authority, make_leaf

KUBELET_CLIENT = "kube-apiserver-kubelet-client"


def private(path: Path, content: str | bytes) -> Path:
    """Write a file that only its owner can read, from its first byte on."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_pair(folder: Path, name: str, pair: Pair) -> None:
    """A certificate and its key."""
    private(folder / f"{name}.crt", pair.certificate)
    private(folder / f"{name}.key", pair.key)


def write(master: Master, users: Sequence[User]) -> Pair:
    """Everything the control plane needs, and a kubeconfig for each user; returns the authority."""
    folder = master.root / "pki"
    authority, front_proxy = make_authority(), make_authority()
    private(folder / "ca.crt", authority.certificate)
    # An authority of its own: whoever it vouches for may speak in anybody's name.
    private(folder / "front-proxy-ca.crt", front_proxy.certificate)
    write_pair(folder, "front-proxy", make_leaf(front_proxy, ("front-proxy",)))
    write_pair(folder, "apiserver", make_leaf(authority, master.names))
    write_pair(folder, "kubelet-client", make_leaf(authority, (KUBELET_CLIENT,)))
    write_pair(folder, "service-accounts", make_leaf(authority, ("service-accounts",)))
    private(folder / "tokens.csv", token_file(users))
    bundle = base64.b64encode(authority.certificate).decode()
    for user in users:
        private(master.root / user.file, kubeconfig(user, master.url, bundle))
    return authority
