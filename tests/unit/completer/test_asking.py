from __future__ import annotations

import pytest

from fimls.completer.steady import SteadySuffixes

BELOW = "\n\n    def next(self):\n        return 1\n"


@pytest.mark.parametrize("start", [")", "\n    )", "\n        }\n    )", '"', "  ", ","])
def test_closers_leave_it_as_it_is(start: str) -> None:
    """Closers and blank space that come and go in front don't change what is shown."""
    suffixes = SteadySuffixes()
    assert BELOW == suffixes.steady("a", BELOW)
    assert BELOW == suffixes.steady("a", start + BELOW)
    assert BELOW == suffixes.steady("a", BELOW)


@pytest.mark.parametrize(
    "other", ["\n    x = 1" + BELOW, "\n\n    def other(self): ...\n", "", " " * 300 + BELOW]
)
def test_other_code_is_shown(other: str) -> None:
    """Another place, or an edit of the code below, is shown as it is."""
    suffixes = SteadySuffixes()
    suffixes.steady("a", BELOW)
    assert other == suffixes.steady("a", other)


def test_documents_are_apart() -> None:
    """Each document has a suffix of its own, until it is closed."""
    suffixes = SteadySuffixes()
    suffixes.steady("a", BELOW)
    assert ")" + BELOW == suffixes.steady("b", ")" + BELOW)
    suffixes.forget("a")
    assert ")" + BELOW == suffixes.steady("a", ")" + BELOW)
