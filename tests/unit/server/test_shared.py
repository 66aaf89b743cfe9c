"""Where the server that editors share listens."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

from fimls.server.shared import NotSharedError, address

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a server is shared on POSIX systems")


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where sockets are, in a folder with a name short enough for them."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "fimls"
        monkeypatch.setattr(platformdirs, "user_runtime_path", lambda _: place)
        yield place


def test_only_what_settings_and_places_differ_in(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows differ in much of their environment; that makes no other server."""
    first = address({"model": "a"})
    assert runtime == first.parent
    monkeypatch.setenv("XDG_ACTIVATION_TOKEN", "of this window")
    assert first == address({"model": "a"})
    assert first != address({"model": "b"})
    monkeypatch.setenv("FIMLS_HOME", "/elsewhere")
    assert first != address({"model": "a"})


def test_the_folder_is_its_owners(runtime: Path) -> None:
    """Nobody else may enter it, also where it was there before."""
    runtime.mkdir(mode=0o755)
    address({})
    assert 0o700 == runtime.stat().st_mode & 0o777


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root gives folders away")
@pytest.mark.parametrize("whose", ["fimls", "."])
def test_somebody_elses_folder(runtime: Path, whose: str) -> None:
    """A server isn't looked for where somebody else could have put one."""
    runtime.mkdir()
    os.chown(runtime.parent / whose, 12_345, -1)
    with pytest.raises(NotSharedError, match="can't be listened at"):
        address({})
