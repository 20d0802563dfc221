"""The operator's command line in a container of its own: what a person runs after a mistake, `reconcile` for instance.

It is made like a process of ours that runs: same image, network and settings, but with the operator's secrets.
"""

from __future__ import annotations

from pathlib import Path

import docker
import docker.errors

from app.contract import Role
from chaos.components import Member
from chaos.errors import TargetMissingError
from chaos.steps import Step, docker as docker_step

_SECRETS = "/run/secrets/millrace"


def operate(like: Member, *words: str) -> Step:
    """A command of the operator's.

    Raises:
        TargetMissingError: the process that it shall be like is gone.
    """
    try:
        client = docker.from_env()
        try:
            found = client.containers.get(like.identifier).attrs
        finally:
            client.close()
    except docker.errors.DockerException as error:
        raise TargetMissingError(f"Docker does not tell of {like.service}: {error}") from error
    [network, *_] = found["NetworkSettings"]["Networks"]
    settings = [setting for setting in found["Config"]["Env"] if setting.startswith("MILLRACE_")]
    folders = {each["Destination"]: each["Source"] for each in found["Mounts"] if each["Type"] == "bind"}
    # The secrets of the roles lie side by side.
    folders[_SECRETS] = str(Path(folders[_SECRETS]).with_name(str(Role.OPERATOR)))
    return docker_step(
        "run", "--rm", "--network", network, "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",  # noqa: S108 - inside
        *(word for setting in settings for word in ("--env", setting)),
        *(word for inside, outside in folders.items() for word in ("--volume", f"{outside}:{inside}:ro")),
        found["Config"]["Image"], *words,
    )  # fmt: skip
