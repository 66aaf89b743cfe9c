"""Two reports that others read: of a replay of keystrokes, and of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.snapshots.stored import PATIENT, as_text, compare, run, without

SHOP = '''\
"""A shop."""

from taxes import tax


def total(prices, rate):
    """Add up."""
    subtotal = sum(prices)
    if not subtotal:
        return 0
    return subtotal * rate


def taxed(value):
    rate = tax(value)
    value = value * rate
    return value
'''
TAXES = '''\
"""Taxes."""


def tax(value):
    """A fifth of what costs much."""
    if value > 100:
        return 1.2
    return 1


def untaxed(value):
    rate = tax(value)
    return value / rate
'''
RULES = [
    {"after": "sub", "insert": "total = sum(prices)\n    if not"},
    {"after": "rate = ", "insert": "tax(value)"},
    {"after": "return v", "insert": "oid"},
    {"after": "if ", "insert": ["value > 100:\n        return 0", "not value:"]},
]
# What the clock, the machine and the installed version decide.
NOT_KEPT = frozenset(
    {
        "fimls",
        "machine",
        "memory",
        "memory_series",
        "elapsed_s",
        "engine_ms",
        "engine_ms_per_typed_character",
        "engine_ms_per_saved_character",
        "latency_ms",
        "item_latency_ms",
        "times",
        "scripted_file",
    }
)


@pytest.fixture
def engine(tmp_path: Path) -> list[str]:
    """Options that play the rules, without a deadline, so that a busy machine says the same."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps(RULES), encoding="utf-8")
    return ["--engine", "scripted", "--set", f"scripted_file={script}", *PATIENT]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder of two files."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.py").write_text(SHOP, encoding="utf-8")
    (folder / "taxes.py").write_text(TAXES, encoding="utf-8")
    return folder


def report_in(folder: Path) -> str:
    """The report that a command left, without what isn't kept."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return as_text(without(report, NOT_KEPT))


def test_replay(tmp_path: Path, shop: Path, engine: list[str]) -> None:
    """Typed at the waiting pace, the folder gives the stored report.

    Nothing is generated ahead, which reaches as far as the clock lets it.
    """
    out = tmp_path / "out"
    options = ["--seed", "1", "--pace", "wait", "--set", "ahead=false", "-o", str(out), *engine]
    run(tmp_path, "-m", "fimls", "bench", "keystrokes", str(shop), *options)
    compare("keystrokes.json", report_in(out))


def test_evaluation(tmp_path: Path, shop: Path, engine: list[str]) -> None:
    """Holes in the folder give the stored report."""
    pytest.importorskip("pyarrow")  # of the extra `train`, as all of an evaluation
    out = tmp_path / "out"
    options = ["--per-kind", "4", "--jobs", "1", "--adapter", "none", "-o", str(out), *engine]
    run(tmp_path, "-m", "fimls", "eval", f"spans:{shop}", *options)
    compare("evaluation.json", report_in(out))
