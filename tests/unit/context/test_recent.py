from __future__ import annotations

import difflib

import pytest

from fimls.context.query import Region
from fimls.context.recent import Visits, regions

TEN = "".join(f"line {number}\n" for number in range(10))


def test_the_latest_come_first_and_edits_before_visits() -> None:
    """What was edited says more than what was only opened; the document itself is left out."""
    visits = Visits()
    for path in ("a.py", "b.py", "c.py"):
        visits.opened(path, TEN)
    visits.changed("a.py", TEN.replace("line 5", "line five"))
    expected = (Region("a.py", 5, 6), Region("a.py", 0, 11), Region("b.py", 0, 11))
    assert expected == regions(visits.latest(but="c.py"))


def test_edits_in_several_places() -> None:
    """Each is a region; near ones are one."""
    visits = Visits()
    visits.opened("a.py", TEN * 3)
    visits.changed("a.py", "new\n" + TEN.replace("line 2", "two") + TEN + TEN + "end\n")
    found = regions(visits.latest(but=""))
    assert (Region("a.py", 0, 4), Region("a.py", 31, 32)) == found[:2]


def test_closed_documents_are_forgotten() -> None:
    """So are edits that were undone."""
    visits = Visits()
    visits.opened("a.py", TEN)
    visits.changed("a.py", TEN + "x")
    visits.closed("a.py")
    visits.changed("b.py", TEN)
    visits.changed("b.py", TEN + "x")
    visits.changed("b.py", TEN)
    assert (Region("b.py", 0, 11),) == regions(visits.latest(but=""))


def test_a_file_that_was_written_anew_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everything differs, everything is the region; difflib, which would take minutes, isn't
    asked.
    """
    monkeypatch.setattr(difflib, "SequenceMatcher", None)
    visits = Visits()
    visits.opened("a.py", "".join(f"a{number}\n" for number in range(20_000)))
    visits.changed("a.py", "".join(f"b{number}\n" for number in range(20_000)))
    assert Region("a.py", 0, 20_000) == regions(visits.latest(but=""))[0]
