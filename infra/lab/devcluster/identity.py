"""Users who may talk to the API server, with tokens, and the kubeconfig of each."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml

#: Kubernetes' own group of those whom no rule stops; the first rules have to be made by somebody.
MASTERS = "system:masters"
#: The kubeconfigs' only one.
CONTEXT = "millrace"


@dataclass(frozen=True)
class User:
    """A name, its groups and its token. A token needs no authority to sign it, and dies with the cluster."""

    name: str
    groups: tuple[str, ...] = ()
    token: str = field(default_factory=secrets.token_urlsafe, repr=False)

    @property
    def file(self) -> str:
        """What its kubeconfig is called: a name without colons, which paths and lists of them do not like."""
        return f"{self.name.rpartition(':')[2]}.kubeconfig"


def admin() -> User:
    """May do everything."""
    return User("admin", (MASTERS,))


def component(name: str) -> User:
    """One of Kubernetes' own parts; its rights are built into the API server under this name."""
    return User(f"system:{name}")


def node(name: str) -> User:
    """A kubelet: sees its own node's pods and their secrets, and no others."""
    return User(f"system:node:{name}", ("system:nodes",))


def token_file(users: Sequence[User]) -> str:
    """The API server's list: token, name, id, groups."""
    lines = (f'{user.token},{user.name},{user.name},"{",".join(user.groups)}"\n' for user in users)
    return "".join(lines)


def kubeconfig(user: User, server: str, authority: str) -> str:
    """A kubeconfig of this user; `authority` is the authority's certificate, base64."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "millrace", "cluster": {"server": server, "certificate-authority-data": authority}}],
            "users": [{"name": user.name, "user": {"token": user.token}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": "millrace", "user": user.name}}],
            "current-context": CONTEXT,
        },
        sort_keys=False,
    )
