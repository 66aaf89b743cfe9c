"""A pytest plugin: runs chosen tests, notes what became of each and which functions it called.

Runs in the sandbox under the repository's own interpreter (Python 3.8 or later). The environment
names two files, its request and its answer. The last test is ours and must fail: a session in which
it passes has been tampered with.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

TRAP = "fimls::trap"
_DROPPED = ("--cov", "--no-cov", "--numprocesses", "--dist")


_asked: dict[str, Any] = json.loads(Path(os.environ.pop("FIMLS_REQUEST")).read_text("utf-8"))
_answer = Path(os.environ.pop("FIMLS_ANSWER")).open("w", encoding="utf-8")  # noqa: SIM115 - open until the session ends
_root = f"{Path.cwd()}/"
_states: dict[str, dict[str, Any]] = {}
_called: set[CodeType] = set()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Leave out what the project's settings add to measure coverage or to use more processes."""
    kept = []
    skip = False
    for argument in args:
        if not skip and argument == "-n":
            skip = True
        elif not skip and not argument.startswith(_DROPPED) and not _workers(argument):
            kept.append(argument)
        else:
            skip = False
    args[:] = kept
    if hasattr(early_config.known_args_namespace, "cov_source"):
        early_config.known_args_namespace.cov_source = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Keep what was asked for, and put the trap last."""
    if _asked["tests"] is not None:
        wanted = set(_asked["tests"])
        dropped = [item for item in items if item.nodeid not in wanted]
        items[:] = [item for item in items if item.nodeid in wanted]
        config.hook.pytest_deselected(items=dropped)
    if _asked["reversed"]:
        items.reverse()
    items.append(_Trap.from_parent(session, name="trap", nodeid=TRAP))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End a test that takes too long, and watch which functions it calls."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, _asked["test_s"])
    if _asked["traced"]:
        _called.clear()
        threading.settrace(_trace)
        sys.settrace(_trace)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if _asked["traced"]:
            sys.settrace(None)
            threading.settrace(None)
            places = {_place(code) for code in list(_called)}
            _write({"test": item.nodeid, "called": sorted(filter(None, places))})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a test's state: the worst of its phases, and why it failed."""
    state = _states.setdefault(report.nodeid, {"test": report.nodeid, "state": "passed"})
    state["duration_s"] = state.get("duration_s", 0.0) + report.duration
    if report.failed and state["state"] != "failed":
        state["state"] = "failed"
        state["detail"] = report.longreprtext[-2000:]
    elif report.skipped and state["state"] == "passed":
        state["state"] = "skipped"
    if report.when == "teardown":
        _write(_states.pop(report.nodeid))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Note what couldn't be collected."""
    if report.failed:
        detail = report.longreprtext[-2000:]
        _write({"test": report.nodeid, "state": "failed", "detail": detail})


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """After the first failure of a judged answer nothing more has to be known."""
    bent = (pytest.skip.Exception, pytest.xfail.Exception)
    failed = call.excinfo is not None and not call.excinfo.errisinstance(bent)
    if _asked["stops"] and failed and not isinstance(item, _Trap):
        item.session.shouldstop = "failed"


def pytest_sessionfinish() -> None:
    """Sign the answer."""
    _write({"nonce": _asked["nonce"]})
    _answer.flush()


class _Trap(pytest.Item):
    def runtest(self) -> None:
        raise AssertionError("this test always fails")

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, TRAP


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError("the test takes too long")


def _trace(frame: FrameType, _event: str, _argument: object) -> None:
    _called.add(frame.f_code)


def _place(code: CodeType) -> tuple[str, int] | None:
    """Return a function's file and first line, decorators included; None outside the tree."""
    if not code.co_filename.startswith(_root) or code.co_name == "<module>":
        return None
    return code.co_filename[len(_root) :], code.co_firstlineno


def _workers(argument: str) -> bool:
    count = argument[2:].lstrip("=")
    return argument.startswith("-n") and (count.isdigit() or count in {"auto", "logical", "max"})


def _write(record: dict[str, Any]) -> None:
    _answer.write(json.dumps(record) + "\n")
