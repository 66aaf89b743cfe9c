"""What is logged, and where."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fimls.server.logs import log_loop_error, set_level

ROTATION = """
import logging, os, sys
from pathlib import Path
from fimls.server import listener
listener._LOG_BYTES = 300
listener._log_to_file(Path(sys.argv[1]))
for number in range(9):
    logging.warning("line %d, %s", number, "x" * 20)
    os.write(2, b"raw %d\\n" % number)
"""


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    loggers = logging.getLogger(), logging.getLogger("fimls")
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("error", (False, False, False)),
        ("warning", (False, False, True)),
        ("info", (False, True, True)),
        ("debug", (True, True, True)),
    ],
)
def test_levels(name: str, expected: tuple[bool, bool, bool]) -> None:
    """The setting is for what fimls logs; libraries never log less than warnings."""
    set_level(name)
    levels = (logging.DEBUG, logging.INFO, logging.WARNING)
    ours, another = logging.getLogger("fimls.completer"), logging.getLogger("a_library")
    assert expected == tuple(map(ours.isEnabledFor, levels))
    assert (False, False, expected[2]) == tuple(map(another.isEnabledFor, levels))


def test_the_file_is_limited(tmp_path: Path) -> None:
    """It is renamed when it is full; standard error goes along; what is a month old is deleted."""
    path = tmp_path / "log" / "server-1.log"
    forgotten = path.with_name("server-0.log")
    path.parent.mkdir()
    forgotten.touch()
    os.utime(forgotten, (0, 0))
    subprocess.run([sys.executable, "-c", ROTATION, path], check=True)
    old = path.with_name("server-1.log.1")
    assert [path, old] == sorted(path.parent.iterdir())
    assert "raw 8\n" == path.read_text(encoding="utf-8").splitlines(keepends=True)[-1]
    for file in (path, old):
        assert 0o600 == file.stat().st_mode & 0o777
        assert file.stat().st_size < 400


async def test_an_error_that_nobody_handled(caplog: pytest.LogCaptureFixture) -> None:
    """Its type is logged, not its text, which may quote a document."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_loop_error)
    loop.call_soon(lambda: int("code_of_a_document"))
    await asyncio.sleep(0)
    assert "ValueError" in caplog.text
    assert "code_of_a_document" not in caplog.text
