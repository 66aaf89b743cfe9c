from __future__ import annotations

import pytest

from fimls.feedback import kept_share


def test_unchanged_text_is_kept_whole_wherever_edits_moved_it() -> None:
    """Lines that were added above don't count against it."""
    assert 1.0 == kept_share("return a + b", "# a new line\n" * 20 + "    return a + b\n", 4)


def test_deleted_text_is_not_kept() -> None:
    """What is gone is gone, whatever else stands there."""
    assert kept_share("return self.width * self.height", "def area(self):\n    pass\n", 20) < 0.5


def test_edited_text_is_kept_in_part() -> None:
    """A small edit leaves most of it."""
    share = kept_share("return self.width * self.height", "return self.width * self.depth", 0)
    assert share == pytest.approx(0.85, abs=0.12)


def test_a_far_copy_does_not_count() -> None:
    """Only the neighbourhood is searched: the same text elsewhere is somebody else's."""
    assert kept_share("return a + b", "x" * 10_000 + "return a + b", 0) < 0.5
