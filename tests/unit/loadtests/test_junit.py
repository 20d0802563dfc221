"""`junit.xml` says what verdict.json says."""

from __future__ import annotations

from pathlib import Path

from junitparser import Error, Failure, JUnitXml

from loadtests.junit import write_junit
from loadtests.synthetic import Request
from tests.unit.loadtests.test_artifacts import MIXED, make_document


def test_each_check_and_objective_is_a_testcase(tmp_path: Path) -> None:
    """A good run is green, but for its fault, which a replayed run's note is not."""
    content = make_document([*MIXED, Request(ran=False)])
    content["checks"] = [
        {**check, "ok": False} if check["name"] == "schedule kept" else check for check in content["checks"]
    ]
    content["checks"].append({"name": "a note", "ok": False, "weight": "NOTE", "detail": "<&>"})

    suites = {suite.name.split()[-1]: suite for suite in JUnitXml.fromfile(str(write_junit(tmp_path, content)))}

    cases = {case.name: case for suite in suites.values() for case in suite}
    assert len(cases) == len(content["checks"]) + len(content["objectives"])
    assert {case.name for case in suites["objectives"]} == {one["name"] for one in content["objectives"]}
    assert isinstance(cases["nothing lost"].result[0], Failure)
    assert isinstance(cases["schedule kept"].result[0], Error)
    assert cases["a note"].result == []
    assert cases["a note"].system_out == "<&>"
    assert (suites["invariants"].failures, suites["conduct"].errors) == (1, 1)
