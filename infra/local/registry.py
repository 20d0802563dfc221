"""A registry of images, as Docker reaches it: with Docker's logins, and the authorities that Docker trusts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from subprocess import CompletedProcess

from infra.local import process

_NAME = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$")
_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})", re.IGNORECASE)
#: What a registry says of an image that it lacks. Some say the same of one that they hide from this login; then the
#: push shows which of both it is.
_ABSENT = (
    *("not found", "manifest unknown", "name unknown", "does not exist"),
    *("no basic auth", "unauthorized", "authentication required", "denied"),
)
#: What Docker says, and what to do about it; `{host}` is the registry's.
_WAYS_OUT = (
    (("x509", "certificate"), "Docker does not trust it: put its authority into /etc/docker/certs.d/{host}/ca.crt"),
    (("to https client",), "it speaks plain HTTP, which Docker takes from this machine (localhost, 127.0.0.1) only"),
    (
        ("no basic auth", "unauthorized", "authentication required", "denied"),
        "log in, as the user who pushes: docker login {host}; that account must be allowed to push there",
    ),
    (("name unknown", "does not exist"), "it makes no repositories by itself: make one for each image first"),
    (("refused", "no such host", "timeout", "unreachable"), "nobody answers there: is the address right?"),
)


class RegistryError(Exception):
    """A registry did not take or give an image; the stack file is as it was."""


@dataclass(frozen=True)
class Registry:
    """The prefix of the images' names, such as `registry.example.com/millrace`."""

    prefix: str

    def __post_init__(self) -> None:
        """Refuse what can be no prefix.

        Raises:
            RegistryError: it has a scheme, a tag or a slash at its end.
        """
        if not _NAME.match(self.prefix):
            raise RegistryError(
                f"{self.prefix!r} is no registry: write host/path in small letters, without https:// and without a "
                "slash at the end, such as registry.example.com/millrace"
            )

    def reference(self, image: str, version: str) -> str:
        """An image's name in it."""
        return f"{self.prefix}/millrace-{image}:{version}"

    def digest(self, reference: str) -> str | None:
        """The digest under which it has the image; None if it has not.

        Docker asks, because Docker alone has the logins and authorities. Layers that are here are not downloaded again.

        Raises:
            RegistryError: it cannot be asked.
        """
        done = process.run("docker", "pull", reference)
        if done.returncode and any(word in done.stderr.lower() for word in _ABSENT):
            return None
        return self._digest(reference, done)

    def push(self, local: str, reference: str) -> str:
        """Give it an image of Docker's; the digest that it has there.

        Raises:
            RegistryError: it did not take it.
        """
        process.run("docker", "tag", local, reference, check=True)
        return self._digest(reference, process.run("docker", "push", reference))

    def _digest(self, reference: str, done: CompletedProcess[str]) -> str:
        found = _DIGEST.search(done.stdout)
        if done.returncode == 0 and found:
            return found[1]
        said = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        host = self.prefix.partition("/")[0]
        ways = (way.format(host=host) for words, way in _WAYS_OUT if any(word in said.lower() for word in words))
        way = next(ways, "the reason is Docker's; nothing was written to the stack file")
        raise RegistryError(f"{reference}: {said}\n{host}: {way}")
