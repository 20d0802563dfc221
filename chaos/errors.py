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


class StepFailedError(ChaosError):
    """A command on the target failed."""


class SwitchError(ChaosError):
    """The dead man's switch did not start, so nothing was injected; is there memory, and may processes start?"""


class TargetBusyError(ChaosError):
    """Another drill is at work on this target, or is being taken back; wait for its end."""


class TargetClosedError(ChaosError):
    """This target is not open to drills."""


class ExperimentError(ChaosError):
    """The experiment is not as it must be."""


class NotSteadyError(ChaosError):
    """The target is not in its steady state."""


class LoadError(ChaosError):
    """The load did not run; its log says why."""
