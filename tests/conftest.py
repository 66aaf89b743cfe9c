"""Fixtures for all tests, and the rules that keep a green run honest."""

from __future__ import annotations

import ctypes
import ipaddress
import os
import socket
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from fimls.store import PreparedModel, Store

# Set by `make test`, which installs what its tests need: a skip is then a failure, save for a GPU.
REQUIRE_ALL = os.environ.get("FIMLS_REQUIRE_ALL") == "1"

# Before torch is imported, and for children: threads that spin while they wait for each other make
# a test of a tiny model a hundred times slower on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline: the machine is shared, and a slow example is not a wrong one.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("local", _PATIENT)
settings.register_profile("ci", _PATIENT, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first: of files that run side by side none is then left alone."""
    long = {
        item.path
        for item in items
        if item.get_closest_marker("slow") or item.get_closest_marker("weights")
    }
    items.sort(key=lambda item: item.path not in long)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failure where `make test` promised what it needs.

    It promises neither GPUs nor editors; `make test-editors` does, by FIMLS_REQUIRE_EDITORS.
    """
    report = yield
    promised = not item.get_closest_marker("gpu") and not item.get_closest_marker("editors")
    if REQUIRE_ALL and report.skipped and promised and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a file that is skipped whole, because a module that it needs is missing."""
    report = yield
    if REQUIRE_ALL and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"FIMLS_REQUIRE_ALL=1, but {report.nodeid} was skipped: {reason}"


@pytest.fixture(autouse=True, scope="session")
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Generator[None, None, None]:
    """What a server keeps of its use goes to the tests' own folder, its children's too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _libraries_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command says to libraries by the environment ends with the test."""
    monkeypatch.setenv("HF_HUB_OFFLINE", os.environ.get("HF_HUB_OFFLINE", "0"))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    """Refuse connections that would leave the machine, and fail the test; children are not seen."""
    refused: list[str] = []
    connect = socket.socket.connect

    def connect_locally(self: socket.socket, address: tuple[str, int] | str) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = str(address[0])
            if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
                refused.append(host)
                raise ConnectionRefusedError(f"tests stay on this machine, not {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_locally)
    yield
    # Here too: code under test may well catch the refusal.
    assert [] == refused, "the test tried to leave the machine"


@pytest.fixture
def permissions() -> Generator[None, None, None]:
    """File permissions hold, in this thread and for children that it starts, also for root.

    Root gives up the two capabilities that pass over them (capabilities(7)), and that programs
    which root starts get all of them back (``SECBIT_NOROOT``), until the test is over.
    """
    if os.name != "posix" or os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may do everything here")
    set_securebits, noroot, overrides = 28, 1, 1 << 1 | 1 << 2
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    held = (ctypes.c_uint32 * 6)()
    assert 0 == libc.capget(header, held)
    fewer = type(held)(*held)
    fewer[0] &= ~overrides  # of those in effect; those that are permitted come back below
    assert 0 == libc.prctl(set_securebits, noroot, 0, 0, 0)
    assert 0 == libc.capset(header, fewer)
    try:
        yield
    finally:
        assert 0 == libc.capset(header, held)
        assert 0 == libc.prctl(set_securebits, 0, 0, 0, 0)


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ``FIMLS_HOME``, for this process and its children."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("FIMLS_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def store() -> Store:
    """The person's real store: ``FIMLS_HOME``, or the user's data directory."""
    from fimls.store import Store  # here, so that tests of text and types don't wait for it

    return Store()


@pytest.fixture(scope="session")
def default_gguf(store: Store) -> Path:
    """The default model's verified GGUF; skips where it was never pulled."""
    return _pulled(store, "0.5b")


@pytest.fixture(scope="session")
def smollm2_gguf(store: Store) -> Path:
    """SmolLM2-135M's verified GGUF, a base without FIM tokens; skips where it was never pulled."""
    return _pulled(store, "smollm2")


@pytest.fixture(scope="session")
def default_model(store: Store, default_gguf: Path) -> PreparedModel:
    """The default model alone, as the openvino engine loads it; the first use converts it, and
    with the adapter that comes with fimls, which is what serves.
    """
    from fimls.store import find_model
    from fimls.store.adapters import AdapterRegistry

    del default_gguf  # asked for so that a model that was never pulled skips
    spec = find_model("0.5b")
    if adapter := AdapterRegistry(store.root).shipped(spec.sha256):
        store.prepare(spec, adapter=adapter)
    return store.prepare(spec)


@pytest.fixture(scope="session")
def smollm2_model(store: Store, smollm2_gguf: Path) -> PreparedModel:
    """SmolLM2-135M as the openvino engine loads it; the first use converts it."""
    from fimls.store import find_model

    del smollm2_gguf  # as in default_model
    return store.prepare(find_model("smollm2"))


def _pulled(store: Store, name: str) -> Path:
    from fimls.store import find_model

    spec = find_model(name)
    path = store.blob(spec)
    if path is None:
        pytest.skip(f"{spec.name} is not in the store; `make test` fetches it")
    return path


@pytest.fixture
def python_source() -> str:
    """A small module with a class, a docstring, a comment, a string and an astral character."""
    return '''\
"""Shapes."""

import math


class Circle:
    """A circle \N{BLACK CIRCLE} with a radius in metres. \N{LARGE YELLOW CIRCLE}"""

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def area(self) -> float:
        """Square metres."""
        return math.pi * self.radius**2  # \N{GREEK SMALL LETTER PI} r\N{SUPERSCRIPT TWO}
'''
