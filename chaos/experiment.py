"""An experiment: a file of Chaos Toolkit's, read and checked before anything is broken.

The file is its own description. What Chaos Toolkit has no place for stands under `extensions`, by the name `millrace`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app import contract
from chaos.errors import ExperimentError
from chaos.faults import Wanted
from chaos.probes import WHOLE

FOLDER = Path(__file__).with_name("experiments")
RUNBOOKS = Path(__file__).parents[1] / "runbooks"
_INJECT, _TAKE_BACK = ("chaos.actions", "inject"), ("chaos.actions", "take_back")
_STAYS, _WHOLE = ("chaos.probes", "stays"), ("chaos.probes", "whole")


class Card(BaseModel):
    """What Chaos Toolkit has no place for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["millrace"]
    #: The promises that it attacks, as ARCHITECTURE.md numbers them.
    promises: tuple[Literal["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10"], ...] = Field(min_length=1)
    #: crash: something dies. gray: nothing dies. mistake: of an operator. pair: two at once.
    kind: Literal["crash", "gray", "mistake", "pair"]
    #: What pages somebody if the fault lasts, and the page of runbooks/ for it; null: nobody is told.
    alert: str | None
    runbook: str | None
    #: What else can go wrong while it runs, for the person who starts it.
    risk: str
    #: The largest share of requests that may have no 202 meanwhile.
    max_failed_share: float = Field(default=0.01, ge=0, le=1)
    #: Whether the patterns of docs/patterns run beside the events, and are judged: the rate limit, order, uploads.
    mix: bool = False
    #: Nodes of RabbitMQ that the target must have.
    nodes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One thing that breaks."""

    name: str
    title: str
    description: str
    card: Card
    faults: tuple[Wanted, ...]
    #: The queue whose leader or follower each fault means.
    queues: tuple[str, ...]
    seconds: float
    #: As Chaos Toolkit reads it.
    document: Mapping[str, Any] = field(repr=False)


def experiments(folder: Path = FOLDER) -> tuple[Experiment, ...]:
    """All of a folder, by name."""
    return tuple(read(file) for file in sorted(folder.glob("*.yaml")))


def find(name: str) -> Experiment:
    """One of ours by name, or anybody's by its path.

    Raises:
        ExperimentError: there is none.
    """
    file = Path(name) if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(path.stem for path in sorted(FOLDER.glob("*.yaml")))
        raise ExperimentError(f"There is no {file.name}; there are {known}.")
    return read(file)


def read(file: Path) -> Experiment:
    """Read and check one file.

    Raises:
        ExperimentError: says what is wrong with it.
    """
    try:
        document = yaml.safe_load(file.read_text())
        ensure_experiment_is_valid(document)
        return _checked(file.stem, document)
    except ExperimentError as error:
        raise ExperimentError(f"{file.name}: {error.detail}") from error
    except (ChaosException, ValidationError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ExperimentError(f"{file.name}: {type(error).__name__}: {error}") from error


def _checked(name: str, document: dict[str, Any]) -> Experiment:
    own = [each for each in document.get("extensions", []) if each.get("name") == "millrace"]
    if len(own) != 1:
        raise ExperimentError("extensions: there must be one of the name millrace.")
    card = Card.model_validate(own[0])
    known = card.runbook is None or (RUNBOOKS / f"{card.runbook}.md").is_file()
    if not known or card.alert != card.runbook:
        raise ExperimentError(f"runbook {card.runbook}, alert {card.alert}: runbooks/ has a page of each alert's name.")
    probes = document["steady-state-hypothesis"]["probes"]
    if not any(_calls(probe) == _WHOLE and probe["tolerance"] == WHOLE for probe in probes):
        raise ExperimentError(f"steady-state-hypothesis: chaos.probes.whole must be asked, with tolerance {WHOLE}.")
    method = document["method"]
    injections = [each["provider"]["arguments"] for each in method if _calls(each) == _INJECT]
    holds = [float(each["provider"]["arguments"]["seconds"]) for each in method if _calls(each) == _STAYS]
    if not injections or len(holds) != 1:
        raise ExperimentError("method: it needs inject, and stays once: a fault without evidence proves nothing.")
    if [_calls(each) for each in (method[-1], *document["rollbacks"])] != [_TAKE_BACK, _TAKE_BACK]:
        raise ExperimentError("method and rollbacks: both must end with take_back.")
    if early := [each for each in injections if each["deadline_seconds"] <= holds[0]]:
        raise ExperimentError(f"deadline_seconds {early[0]['deadline_seconds']}: the fault lasts {holds[0]:g} s.")
    return Experiment(
        name=name,
        title=document["title"],
        description=document["description"].strip(),
        card=card,
        faults=tuple(_wanted(each) for each in injections),
        queues=tuple(each.get("queue", contract.EVENT_QUEUE) for each in injections),
        seconds=holds[0],
        document=document,
    )


def _wanted(arguments: Mapping[str, Any]) -> Wanted:
    return Wanted(
        verb=arguments["verb"],
        component=arguments["component"],
        role=arguments.get("role", "any"),
        options=arguments.get("options", {}),
    )


def _calls(activity: Mapping[str, Any]) -> tuple[str, str]:
    provider = activity.get("provider", {})
    return str(provider.get("module")), str(provider.get("func"))
