from __future__ import annotations

from collections.abc import Iterator

import pytest

from training.evaluation.execution import Limits, Sandbox, protection

SMALL = Limits(
    cpu_s=2,
    wall_s=30.0,
    memory_bytes=256 << 20,
    processes=24,
    file_bytes=1 << 20,
    output_bytes=1 << 20,
)


@pytest.fixture(scope="module", params=["bubblewrap", "fallback", "bare"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox behind each kind of walls; ``bare`` has Landlock and the filter alone."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "bubblewrap" and protection.bubblewrap() is None:
            pytest.skip("no bubblewrap that works here")
        if request.param != "bubblewrap":
            patch.setattr(protection, "bubblewrap", lambda: None)
        if request.param == "bare":
            patch.setattr(protection, "unshare", tuple)
        with Sandbox(disk_bytes=32 << 20) as opened:
            opened.run_program("")  # it starts while the walls are so
            yield opened


@pytest.fixture
def limits() -> Limits:
    """What hostile programs get."""
    return SMALL
