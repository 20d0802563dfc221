"""The connection table against the cluster: each pair and port is tried, and what comes about is compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

from infra.connections import Connection, components, connections
from infra.settings.stack import Stack
from tests.harness.kubernetes.ends import End, neighbours_of, strangers
from tests.harness.kubernetes.kubectl import Kubectl
from tests.harness.kubernetes.outside import DNS

#: Sources that try at once: each is a kubectl, a shell's worth of work and some seconds of waiting.
AT_ONCE = 6
#: For a pair that is denied nothing comes back: this is how long that is believed, and longer where it is a surprise.
PATIENCE_SECONDS = 3
SECOND_LOOK_SECONDS = 12
#: All connections at once in one process. Perl, because it is in every image (Debian's own tools need it).
_CONNECT = r"""
use strict; use Socket; use IO::Select; use Fcntl;
my ($patience, %name) = (shift);
my $waiting = IO::Select->new;
while (<STDIN>) {
    chomp; my ($address, $port) = split / /;
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    fcntl($socket, F_SETFL, O_NONBLOCK) or die "fcntl: $!";
    next unless connect($socket, pack_sockaddr_in($port, inet_aton($address))) or $!{EINPROGRESS};
    $name{fileno $socket} = $_; $waiting->add($socket);
}
my $end = time + $patience;
while ($waiting->count and time < $end) {
    for my $socket ($waiting->can_write(0.2)) {
        print $name{fileno $socket}, "\n" unless unpack "i", getsockopt($socket, SOL_SOCKET, SO_ERROR);
        $waiting->remove($socket); close $socket;
    }
}
print "done\n";
"""

Place = tuple[str, int]


@dataclass(frozen=True, order=True)
class Attempt:
    """A connection that was tried."""

    source: str
    target: str
    port: int
    address: str
    expected: bool
    seen: bool
    #: Whether somebody would have answered, as far as we know.
    answered: bool

    def __str__(self) -> str:
        """For a failure's list."""
        said = "must be possible and is not" if self.expected else "must be denied and is possible"
        return f"{self.source} -> {self.target} ({self.address}) port {self.port}: {said}"


def source_names(stack: Stack) -> tuple[str, ...]:
    """Whoever tries: every kind of pod, every neighbour of the table, the strangers."""
    ours = (one.name for one in components(stack))
    neighbours = (one.name for one in neighbours_of(stack))
    return (*ours, *neighbours, *(one.name for one in strangers(stack)))


def reached(kubectl: Kubectl, source: End, places: Iterable[Place], patience_seconds: int) -> frozenset[Place]:
    """Those places that a pod can open a connection to."""
    asked = "".join(f"{address} {port}\n" for address, port in sorted(set(places)))
    command = ("perl", "-e", _CONNECT, str(patience_seconds))
    code, said = kubectl.execute(source.namespace, source.pod, source.container, *command, input=asked)
    *lines, last = said.splitlines() or [""]
    assert (code, last) == (0, "done"), f"{source.label} could not try: exit code {code}, {said[-300:]}"
    return frozenset((address, int(port)) for address, port in (line.split() for line in lines))


@dataclass(frozen=True)
class Matrix:
    """What was tried, and what came of it."""

    attempts: tuple[Attempt, ...]

    @classmethod
    def probed(cls, kubectl: Kubectl, stack: Stack, ends: tuple[End, ...]) -> Matrix:
        """Every source, one pod of each kind, to every end on each of its ports."""
        first: dict[str, End] = {}
        for end in ends:
            if end.pod:
                first.setdefault(end.name, end)
        return cls.probed_from(kubectl, stack, tuple(first.values()), ends)

    @classmethod
    def probed_from(cls, kubectl: Kubectl, stack: Stack, sources: tuple[End, ...], ends: tuple[End, ...]) -> Matrix:
        """The same of some sources."""
        table = connections(stack)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            seen = list(pool.map(lambda source: _tried(kubectl, table, source, ends), sources))
        known = {(end.address, port) for end in ends for port in end.listening} | set(chain.from_iterable(seen))
        return cls(
            tuple(
                Attempt(
                    source.name, target.label, port, target.address,
                    expected=allowed(table, source, target, port),
                    seen=(target.address, port) in open_places,
                    answered=(target.address, port) in known,
                )
                for source, open_places in zip(sources, seen, strict=True)
                for target, port in _pairs(source, ends)
                if source.ours or target.ours
            )
        )  # fmt: skip

    def differences(self, source_name: str | None = None) -> tuple[Attempt, ...]:
        """Where the cluster is not the table."""
        wrong = (one for one in self.attempts if one.expected != one.seen)
        return tuple(sorted(one for one in wrong if source_name in (None, one.source)))

    def summary(self) -> str:
        """How much was proved."""
        count = Counter("allowed" if one.expected else "denied" if one.answered else "nobody" for one in self.attempts)
        said = (
            f"{len(self.attempts)} tried",
            f"{count['allowed']} allowed",
            f"{count['denied']} denied where somebody listens",
            f"{count['nobody']} denied where nobody is known to",
            f"{len(self.differences())} differ from the table",
        )
        return f"connections: {'; '.join(said)}"


def allowed(table: Iterable[Connection], source: End, target: End, port: int) -> bool:
    """What the table says; and every pod of ours may ask DNS."""
    if source.ours and target.name == DNS and port == 53:
        return True
    names = (source.name, target.name)
    return any((one.source.name, one.destination.name) == names and port in one.ports for one in table)


def _pairs(source: End, ends: Iterable[End]) -> Iterable[tuple[End, int]]:
    """A pod's way to itself leaves it never, so that no policy sees it."""
    return ((target, port) for target in ends if target.address != source.address for port in target.ports)


def _tried(kubectl: Kubectl, table: tuple[Connection, ...], source: End, ends: tuple[End, ...]) -> frozenset[Place]:
    """On a busy machine an answer may be late: what should have come about gets a second look."""
    pairs = list(_pairs(source, ends))
    seen = reached(kubectl, source, ((target.address, port) for target, port in pairs), PATIENCE_SECONDS)
    missing = {
        (target.address, port) for target, port in pairs if allowed(table, source, target, port)
    } - seen  # fmt: skip
    return seen | (reached(kubectl, source, missing, SECOND_LOOK_SECONDS) if missing else frozenset())
