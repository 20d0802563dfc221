"""Volumes and where containers see them: scratch in memory, folders of settings and secrets. Builders; no resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pulumi_kubernetes.core import v1 as core

from infra import naming

#: Where every image of ours looks for its secrets.
SECRETS_PATH = "/run/secrets/millrace"
CONFIG_PATH = "/etc/millrace"
#: Readable by the group, which is the pod's; a password is nobody else's business.
SECRET_FILE_MODE = 0o440
SCRATCH_SIZE = "64Mi"


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files of one Secret or ConfigMap in a folder of a pod: key to path; all of them, by their keys, without."""

    secret: str = ""
    config_map: str = ""
    paths: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def source(self) -> core.VolumeProjectionArgs:
        """As a projected volume writes it."""
        items = [core.KeyToPathArgs(key=key, path=path) for key, path in self.paths.items()] or None
        if self.secret:
            return core.VolumeProjectionArgs(secret=core.SecretProjectionArgs(name=self.secret, items=items))
        return core.VolumeProjectionArgs(config_map=core.ConfigMapProjectionArgs(name=self.config_map, items=items))


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume and where a container sees it. Exactly one source."""

    name: str
    path: str
    #: None where the pod has the volume anyway (a StatefulSet's claim).
    source: core.VolumeArgs | None
    read_only: bool = False

    @property
    def mount(self) -> core.VolumeMountArgs:
        """As a container writes it."""
        return core.VolumeMountArgs(name=self.name, mount_path=self.path, read_only=self.read_only)


def scratch(path: str = "/tmp") -> Volume:  # noqa: S108 - a tmpfs of the pod's own
    """The only writable place of a container that keeps nothing: in memory, and counted."""
    name = path.strip("/").replace("/", "-")
    memory = core.EmptyDirVolumeSourceArgs(medium="Memory", size_limit=SCRATCH_SIZE)
    return Volume(name=name, path=path, source=core.VolumeArgs(name=name, empty_dir=memory))


def spool(path: str, size_limit: str) -> Volume:
    """A folder on the node's disk for files that a process writes and reads once; it is deleted with the pod."""
    name = path.strip("/").replace("/", "-")
    disk = core.EmptyDirVolumeSourceArgs(size_limit=size_limit)
    return Volume(name=name, path=path, source=core.VolumeArgs(name=name, empty_dir=disk))


def folder(path: str, *parts: Files, name: str) -> Volume:
    """One folder made of several Secrets and ConfigMaps: certificates from cert-manager, passwords from us."""
    return Volume(
        name=name,
        path=path,
        read_only=True,
        source=core.VolumeArgs(
            name=name,
            projected=core.ProjectedVolumeSourceArgs(
                default_mode=SECRET_FILE_MODE, sources=[part.source for part in parts]
            ),
        ),
    )


def secrets(*parts: Files, certified: str | None = None, trusted: Files | None = None) -> Volume:
    """The folder where every image of ours looks for what is secret: whom to trust, and `parts`.

    `certified`: the component whose certificate and key are in it too. `trusted`: the `ca.crt` of who trusts others
    than our authority.
    """
    # Not the `ca.crt` beside the certificate: that is the one authority that signed it, and two are trusted meanwhile.
    tls = [trusted or Files(secret=naming.tls_secret(naming.AUTHORITY), paths={"ca.crt": "ca.crt"})]
    if certified is not None:
        paths = {"tls.crt": "tls.crt", "tls.key": "tls.key"}
        tls.append(Files(secret=naming.tls_secret(certified), paths=paths))
    return folder(SECRETS_PATH, *tls, *parts, name="secrets")


def config(config_map: str, *keys: str) -> Volume:
    """The folder where every image of ours looks for its settings; all of the ConfigMap without `keys`."""
    return folder(CONFIG_PATH, Files(config_map=config_map, paths={key: key for key in keys}), name="config")
