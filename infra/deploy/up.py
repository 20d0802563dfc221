"""Deploys: asks first, then applies wave by wave, waits for each, and removes what is not wanted any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from infra.deploy import generated, plan
from infra.deploy.cluster import Cluster
from infra.deploy.errors import DeployError, NothingChangedError, RefusedError
from infra.deploy.objects import Ref, stored_form
from infra.deploy.plan import Action, Step
from infra.deploy.progress import Progress
from infra.deploy.readiness import WATCHED
from infra.deploy.waiting import until_gone, until_ready
from infra.render.manifests import Manifest
from infra.render.program import Program

#: For a person who waits, until the machine knows better.
USUAL_WAVE_SECONDS = 5
USUAL_WAIT_SECONDS = 60
REMOVAL_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """How to deploy."""

    #: Take fields from whoever has them.
    force: bool = False
    #: Wait until each wave is ready.
    wait: bool = True
    wait_seconds: float = 900
    prune_protected: bool = False
    #: Although there are Secrets of an earlier deployment, whose values are lost.
    new_passwords: bool = False


class _Values:
    """Values from the cluster; made up where there is none yet. Remembers what was asked for."""

    def __init__(self, kept: Mapping[str, str]) -> None:
        self._made = dict(kept)
        self.asked: set[str] = set()

    def __call__(self, name: str) -> str:
        self.asked.add(name)
        return self._made.setdefault(name, generated.new())


@dataclass(frozen=True)
class Preview:
    """What a deployment would do."""

    steps: tuple[Step, ...]
    #: Logical names of all generated values, and of those that do not exist yet.
    passwords: frozenset[str]
    new_passwords: frozenset[str]
    #: With the values of Secrets, which are not shown.
    manifests: tuple[Manifest, ...]


def preview(cluster: Cluster, program: Program, wishes: Wishes) -> Preview:
    """Find out, and change nothing.

    Raises:
        NothingChangedError: it would be refused.
    """
    stack = program.settings.environment
    kept = generated.read(cluster)
    values = _Values(kept or {})
    manifests = program.manifests(values, with_secrets=True)
    plan.require_kinds(cluster, manifests)
    plan.require_place(cluster, manifests, stack)
    if kept is None and not wishes.new_passwords:
        _require_no_secrets(cluster, manifests)
    steps = plan.steps(cluster, manifests, force=wishes.force)
    surplus = plan.surplus(plan.ours(cluster, stack), manifests, protected=wishes.prune_protected)
    pruned = tuple(Step(one.ref, Action.PRUNE) for one in surplus)
    return Preview(
        steps=(*steps, *pruned),
        passwords=frozenset(values.asked),
        new_passwords=frozenset(values.asked - set(kept or {})),
        manifests=manifests,
    )


def up(cluster: Cluster, program: Program, wishes: Wishes, progress: Progress) -> tuple[Step, ...]:
    """Do it. May be interrupted and repeated at any point.

    Raises:
        NothingChangedError: it is refused.
        DeployError: something has failed, or has not become ready.
    """
    stack = program.settings.environment
    with progress.step("ask the API server what would change", 5):
        foreseen = preview(cluster, program, wishes)
    with progress.step("namespaces and passwords", 2):
        # The passwords are kept in one of them.
        spaces = [one for one in foreseen.manifests if one.kind == "Namespace"]
        first = {step.ref: step for step in (apply(cluster, one, force=wishes.force) for one in spaces)}
        for step in first.values():
            progress.did(step)
        values = generated.ensure(cluster, foreseen.passwords, stack)
        manifests = foreseen.manifests
        if foreseen.new_passwords:
            # Made up for the preview; another deployment may have been faster in generating them.
            manifests = program.manifests(values.__getitem__, with_secrets=True)
    done: dict[Ref, Step] = {}
    for wave, members in groupby(manifests, key=lambda one: one.wave):
        part = list(members)
        refs = [Ref.of(one.body) for one in part]
        kinds = ", ".join(sorted({one.kind for one in part}))
        waits = wishes.wait and any(ref.kind in WATCHED for ref in refs)
        with progress.step(f"wave {wave}: {kinds}", USUAL_WAIT_SECONDS if waits else USUAL_WAVE_SECONDS) as note:
            for manifest in part:
                step = apply(cluster, manifest, force=wishes.force)
                done[step.ref] = step
                progress.did(step)
            if waits:
                until_ready(cluster, refs, wishes.wait_seconds, note, values.values())
    with progress.step("remove what is not wanted any more", 2):
        pruned = _prune(cluster, stack, manifests, wishes, progress)
    return (*(first.get(ref, step) for ref, step in done.items()), *pruned)


def apply(cluster: Cluster, manifest: Manifest, *, force: bool) -> Step:
    """One object."""
    body = stored_form(manifest)
    ref = Ref.of(body)
    live = cluster.read(ref)
    replaced = live is not None and plan.failed_job(live)
    if live is not None and replaced:
        cluster.delete(ref, live["metadata"]["uid"])
        if until_gone(cluster, [ref], REMOVAL_SECONDS, lambda _: None):
            raise DeployError(f"{ref} failed earlier and does not go away; deploy again when it is gone")
        live = None
    try:
        step = plan.compared(live, cluster.apply(body, force=force))
    except RefusedError as error:
        raise DeployError("\n".join(plan.explained(error))) from None
    return Step(ref, Action.REPLACE) if replaced else step


def _require_no_secrets(cluster: Cluster, manifests: Sequence[Manifest]) -> None:
    found = [ref for ref in (Ref.of(one.body) for one in manifests if one.kind == "Secret") if cluster.read(ref)]
    if found:
        raise NothingChangedError(
            f"{found[0]} is there and {generated.REF} is not: Pulumi deployed this stack, or its passwords were lost.\n"
            "New ones would lock everybody out of the volumes that were kept. Nothing was changed: deploy with the "
            "Pulumi CLI, put the Secret back, or say --new-passwords"
        )


def _prune(
    cluster: Cluster, stack: str, manifests: Sequence[Manifest], wishes: Wishes, progress: Progress
) -> list[Step]:
    done = []
    for one in plan.surplus(plan.ours(cluster, stack), manifests, protected=wishes.prune_protected):
        cluster.delete(one.ref, one.uid)
        done.append(Step(one.ref, Action.PRUNE))
        progress.did(done[-1])
    return done
