"""`junit.xml` beside verdict.json: one testcase for each check and each objective, for CI systems that show tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from loadtests.verdict import Weight

JUNIT_FILE = "junit.xml"


def write_junit(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write junit.xml into the run's folder."""
    path = folder / JUNIT_FILE
    junit(content).write(str(path), pretty=True)
    return path


def junit(content: Mapping[str, Any]) -> JUnitXml:
    """Three suites. A broken invariant and a missed objective are failures; what makes a run VOID is an error.

    A note decides nothing, so it is green whatever it says.
    """
    suites = {name: TestSuite(f"{content['run']} {name}") for name in ("invariants", "objectives", "conduct")}
    for check in content["checks"]:
        suite = "conduct" if check["weight"] == Weight.VOID else "invariants"
        bad: type[Failure | Error] = Error if check["weight"] == Weight.VOID else Failure
        suites[suite].add_testcase(_case(suite, check, None if check["ok"] or check["weight"] == Weight.NOTE else bad))
    for objective in content["objectives"]:
        suites["objectives"].add_testcase(_case("objectives", objective, None if objective["met"] else Failure))
    xml = JUnitXml("millrace")
    for one in suites.values():
        one.add_property("verdict", content["verdict"])
        xml.add_testsuite(one)
    return xml


def _case(suite: str, one: Mapping[str, Any], bad: type[Failure | Error] | None) -> TestCase:
    case = TestCase(one["name"], classname=f"millrace.{suite}")
    case.system_out = one["detail"]
    if bad is not None:
        case.result = [bad(one["detail"])]
    return case
