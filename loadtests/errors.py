"""Every failure of the harness itself; a class's docstring is its message, and says what to do."""

from __future__ import annotations


class HarnessError(Exception):
    """The load test could not be carried out."""

    def __init__(self, detail: str = "") -> None:
        """Say the docstring's first line, then what was seen."""
        summary = (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{summary} {detail}".strip())
        self.detail = detail


class NotReadyError(HarnessError):
    """The stack is not ready for a load test; `make up` (or `make staging`) starts it and says what is missing."""


class SecretsMissingError(HarnessError):
    """The stack's secrets are not there; `make up` creates them at its first start."""


class TargetMissingError(HarnessError):
    """It is not known how to reach the cluster; `make staging` writes it down when all is ready."""


class InputFileError(HarnessError):
    """The input file cannot be replayed; each line must be {"event_id", "type", "occurred_at", "payload"} as JSON."""


class LedgerDamagedError(HarnessError):
    """The ledger cannot be read; without it nothing can be said about this run, so repeat it."""


class GeneratorError(HarnessError):
    """The load generator did not do its work; its output stands in locust.log of the run's folder."""


class TooSlowError(HarnessError):
    """This machine is too slow for a verdict now; nothing was broken."""


class ScheduleError(HarnessError):
    """This load cannot be scheduled."""


class DocumentError(HarnessError):
    """This is not the verdict of a run; name a run's folder, for instance out/latest."""


class ObjectivesError(HarnessError):
    """The file of objectives cannot be used."""


class ComparisonError(HarnessError):
    """These two runs cannot be compared."""


class DayError(HarnessError):
    """This is not the folder of a day of drills; name one that `make drills` made, for instance out/drills/<time>."""
