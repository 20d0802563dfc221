"""One run from the gate to the verdict: load, a fault in its middle, drain, reconcile."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests import trial
from loadtests.artifacts import Run, document, gateway_errors, link_latest, write_document
from loadtests.brokers import AnyBroker, opened
from loadtests.collector import clock_offset_seconds, collect, snapshot_accounts
from loadtests.console import Display
from loadtests.drill import Drill
from loadtests.environment import describe, memory_warning
from loadtests.errors import GeneratorError, ScheduleError
from loadtests.failures import by_second, write_failures
from loadtests.gate import left, require_ready, wait_until_drained
from loadtests.generator import Generator, users_for
from loadtests.history import Outcome
from loadtests.job_answers import ask_gateway
from loadtests.junit import write_junit
from loadtests.latency import measure
from loadtests.ledger import read_ledger
from loadtests.mix.mix import Mix, patterns
from loadtests.objective_file import Bounds, ObjectiveFile
from loadtests.objectives import Figures, assess
from loadtests.options import FAULT_AT, Options
from loadtests.plan import Plan
from loadtests.reconcile import reconcile
from loadtests.report import write_report
from loadtests.session import Session
from loadtests.source import ReplayedEvents
from loadtests.target import Target
from loadtests.timeline import draw, executed_a_second, longest_stall, passages, recovery_seconds
from loadtests.verdict import Conduct, decide, judge


def run_demo(options: Options, target: Target, display: Display) -> dict[str, Any]:
    """Carry a run out and return what verdict.json says.

    Raises:
        HarnessError: the run could not begin; nothing was broken.
    """
    run = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    bounds = _checked(options, run, display)
    folder = options.out.resolve() / run
    folder.mkdir(parents=True)
    _ = target.api_key  # said now if it is missing
    lateness_bound_ms = options.lateness_bound_ms or target.lateness_bound_ms
    with (
        closing(opened(target)) as management,
        Session(target) as session,
        patterns(wanted=options.mix) as chosen,
        closing(Mix(chosen, target, run, seconds=options.schedule.seconds)) as mix,
    ):
        with display.step("The stack is healthy and empty"):
            require_ready(target, session, management, nodes=target.broker_nodes)
        if options.share is not None:
            trial_plan = _plan(options, target, folder, f"{run}-trial")
            options = _tried(options, options.share, trial_plan, target, session, management, display)
        accounts_before = session.read(snapshot_accounts)
        offset = session.read(clock_offset_seconds)
        environment = session.read(lambda connection: describe(connection, management, target.name))

        plan = _plan(options, target, folder, run)
        plan.write(folder / "plan.json")
        drill = _drill(folder, target) if options.fault else None
        generator_error, started_at, load_ended_at = _load(plan, folder, drill, mix, options, display)
        fault = None
        if drill is not None:
            with display.step("What was killed is back"):
                fault = drill.finish()

        history = read_ledger(folder / "ledger")
        accepted = sum(1 for _ in history.effects(Outcome.ACCEPTED))
        drain_began = time.time()
        with display.drain() as show:
            drained = wait_until_drained(
                lambda: left(session, management, since=started_at, accepted=accepted),
                deadline_seconds=options.drain_seconds,
                show=lambda now_left: show(now_left, accepted),
            )
        drain_seconds = time.time() - drain_began
        with display.step("Every accepted event against every effect"):
            seen = session.read(
                lambda connection: collect(connection, history, since=started_at, accounts_before=accounts_before)
            )
            seen = replace(seen, job_answers=ask_gateway(target, history))
            mixed = mix.judge(session)
    accounting = reconcile(history, seen)
    latencies = measure(history, seen)
    ways = passages(history, seen)
    timeline, stall = draw(history, ways, started_at), longest_stall(ways, started_at)
    injected_at = fault.injected_at if fault is not None else None
    recovered = None if injected_at is None else recovery_seconds(ways, started_at=started_at, injected_at=injected_at)
    checks = judge(
        accounting,
        latencies,
        Conduct(
            fault_wanted=options.fault,
            fault=fault,
            drained=drained,
            clock_offset_seconds=offset,
            generator_error=generator_error,
            lateness_bound_ms=lateness_bound_ms,
            max_failed_share=options.max_failed_share,
            mixed=mixed,
            replayed=options.input_file is not None,
        ),
    )
    figures = Figures(
        accounting=accounting,
        latencies=latencies,
        executed_in_time=sum(way.stored_at <= load_ended_at for way in ways),
        executed_events_per_second=executed_a_second(accounting.executed, timeline),
        stall_seconds=stall.seconds,
        recovery_seconds=recovered,
        fault_injected=injected_at is not None,
    )
    content = document(
        Run(
            run=run,
            started_at=started_at,
            load_ended_at=load_ended_at,
            ended_at=time.time(),
            verdict=decide(checks),
            checks=checks,
            objectives=assess(figures, bounds),
            accounting=accounting,
            latencies=latencies,
            timeline=timeline,
            stall=stall,
            recovery_seconds=recovered,
            fault=fault,
            drain_seconds=drain_seconds,
            gateway_errors=gateway_errors(history),
            failed_by_second=by_second(history, started_at),
            mixed=mixed,
            options=options.as_data(),
            environment=environment,
            reproduce=options.command(),
            lateness_bound_ms=lateness_bound_ms,
        )
    )
    write_failures(folder, history, started_at)
    _write(folder, content)
    return content


def _checked(options: Options, run: str, display: Display) -> Bounds:
    """Say what cannot be asked for before anything starts; returns what is aimed at."""
    if options.until is not None and options.until.exists():
        raise ScheduleError(f"--until: {options.until} is there already, so that the load would end at once.")
    schedule = options.schedule
    if warning := memory_warning(schedule.events_per_second * schedule.seconds):
        display.console.print(warning, style="yellow")
    if options.input_file is not None:
        ReplayedEvents.from_file(options.input_file, run=run)
    return ObjectiveFile.read(options.objectives).bounds(fault=options.fault)


def _write(folder: Path, content: dict[str, Any]) -> None:
    write_document(folder, content)
    write_junit(folder, content)
    write_report(folder, content)
    link_latest(folder)


def _tried(
    options: Options,
    share: float,
    plan: Plan,
    target: Target,
    session: Session,
    management: AnyBroker,
    display: Display,
) -> Options:
    """The same options, at the rate that the machine allows just now."""
    most = options.schedule
    with display.step(f"A trial of {trial.SECONDS:g} s: what is sustained"):
        sustained = trial.sustained_rate(target, session, management, plan)
    rate = trial.rate_for(sustained, share=share, most=most.events_per_second)
    display.console.print(
        f"  {sustained:,.0f} events/s; the load is {share:g} of that, at most {most.events_per_second:,.0f}: "
        f"{rate:,.0f} events/s"
    )
    return options.at(rate, sustained=sustained)


def _plan(options: Options, target: Target, folder: Path, run: str) -> Plan:
    return Plan(
        run=run,
        gateway_url=target.gateway_url,
        ca_file=str(target.ca_file),
        api_key_file=str(target.api_key_file),
        ledger=str(folder / "ledger"),
        started_file=str(folder / "started"),
        users=users_for(options.schedule),
        schedule=options.schedule,
        input_file=str(options.input_file.resolve()) if options.input_file else None,
    )


def _drill(folder: Path, target: Target) -> Drill:
    return Drill(
        folder / "fault.jsonl",
        folder / "chaos.log",
        fault=target.fault,
        arguments=target.chaos_arguments,
        environment=target.chaos_environment,
    )


def _told_to_end(options: Options) -> bool:
    """Whether the load shall end before its schedule does. An orphan has another parent."""
    gone = options.parent is not None and os.getppid() != options.parent
    return gone or (options.until is not None and options.until.exists())


def _load(
    plan: Plan, folder: Path, drill: Drill | None, mix: Mix, options: Options, display: Display
) -> tuple[str | None, float, float]:
    """Run the generator until its schedule's end or until it is told to end, with the drill in its middle.

    Both are ended if this is interrupted.
    """
    generator = Generator(plan, folder / "plan.json", folder / "locust.log")
    try:
        started_at = generator.wait_for_start()
        mix.start()
        if drill is not None:
            drill.start_in(started_at + FAULT_AT * plan.schedule.seconds - time.time())
        with display.load(plan.schedule.requests, plan.schedule.seconds, started_at) as show:

            def tick() -> None:
                if _told_to_end(options):
                    generator.finish()
                show(generator.answered, drill.seen if drill else None)

            error = generator.wait(tick)
        mix.finish()
    except BaseException:
        generator.stop()
        if drill is not None:
            drill.abort()
        raise
    ended_at = min(time.time(), started_at + plan.schedule.seconds)
    if error is not None and not (folder / "ledger").is_dir():
        raise GeneratorError(error)
    return error, started_at, ended_at
