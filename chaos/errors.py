"""Every reason why a fault was not, or not certainly, brought about; a class's docstring is its message."""

from __future__ import annotations


class ChaosError(Exception):
    """The fault could not be brought about."""

    def __init__(self, detail: str = "") -> None:
        """Say the docstring's first line, then what was seen."""
        summary = (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{summary} {detail}".strip())
        self.detail = detail


class TargetMissingError(ChaosError):
    """The target is not running; `make up` starts the stack."""


class ManagementError(ChaosError):
    """RabbitMQ's management API does not answer as it must."""


class NoVictimError(ChaosError):
    """No node leads the busiest queue and carries a worker's connection; is there load, and are workers up?"""


class NotConfirmedError(ChaosError):
    """The node was killed, but it cannot be shown that this was felt."""


class NotHealedError(ChaosError):
    """The node was started again but did not rejoin in time; look at `make logs`."""


class QuorumLostError(ChaosError):
    """Fewer brokers were ready than a quorum needs."""


class NotSupportedError(ChaosError):
    """This cannot be done to this target."""


class DrillInterruptedError(ChaosError):
    """The drill was ended early; the node was started again."""
