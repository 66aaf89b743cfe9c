from __future__ import annotations

import time
from dataclasses import replace

import pytest

from fimls.context.freezing import Choice, Frozen, Place
from fimls.context.query import Selection
from fimls.types import Snippet

HERE = Place(before=100, after=200, definition="f")


def choice(
    text: str, score: float = 0.8, place: Place = HERE, others: dict[str, float] | None = None
) -> Choice:
    """A choice of one piece; others: what else could be used, and its worth."""
    pieces = {("a.py", text): score, **{("a.py", key): one for key, one in (others or {}).items()}}
    return Choice(Selection((Snippet("a.py", text),)), place, frozenset({("a.py", text)}), pieces)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be moved by hand."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_typing_in_one_place_holds(clock: list[float]) -> None:
    """A hundred keystrokes, some of them new lines, change nothing."""
    frozen = Frozen(choice("def f"), 256)
    for line in range(100):
        clock[0] += 0.2
        frozen.active()
        assert frozen.holds(Place(100 + line, 200), 256)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place(110, 190), True),
        (Place(121, 179), False),
        (Place(70, 230), False),
        (Place(100, 400), True),  # lines were typed or pasted behind the cursor
    ],
)
def test_moving_away(place: Place, expected: bool) -> None:  # noqa: FBT001  a parameter
    """More than 20 lines away is another place; lines that are added or removed move nothing."""
    assert expected is Frozen(choice("def f"), 256).holds(place, 256)


def test_a_new_place_gets_a_new_choice() -> None:
    """In another definition, even one that isn't better."""
    frozen = Frozen(choice("def f"), 256)
    far = choice("def g", 0.5, Place(150, 150, "g"))
    frozen.offer(far, 256)
    assert far == frozen.choice


def test_a_long_definition_keeps_its_choice() -> None:
    """Far away in the same definition the old choice stays, and counts for the new place."""
    old = choice("def f")
    frozen = Frozen(old, 256)
    place = Place(150, 150, "f")
    frozen.offer(choice("def g", 0.8, place, others={"def f": 0.7}), 256)
    assert old.selection is frozen.choice.selection
    assert frozen.holds(place, 256)


def test_idle(clock: list[float]) -> None:
    """After three seconds the next request looks again, and takes only what is clearly better."""
    old = choice("def f")
    frozen = Frozen(old, 256)
    clock[0] += 3.5
    frozen.active()
    assert not frozen.holds(HERE, 256)
    frozen.offer(choice("def g", 0.9, others={"def f": 0.8}), 256)
    assert old.selection is frozen.choice.selection
    assert frozen.holds(HERE, 256)
    clock[0] += 3.5
    frozen.active()
    better = choice("def g", 0.9, others={"def f": 0.1})
    frozen.offer(better, 256)
    assert better == frozen.choice


def test_an_edit_elsewhere() -> None:
    """Another document's edit makes one look again; what it shows must still be there."""
    old = choice("def f")
    frozen = Frozen(old, 256)
    frozen.touched.add("b.py")
    assert not frozen.holds(HERE, 256)
    frozen.offer(choice("def f"), 256)
    assert old.selection is frozen.choice.selection
    frozen.touched.add("a.py")
    edited = choice("def f(more)", 0.8)
    frozen.offer(edited, 256)
    assert edited == frozen.choice


def test_another_budget() -> None:
    """What was chosen for another budget doesn't hold."""
    frozen = Frozen(choice("def f"), 256)
    assert not frozen.holds(HERE, 128)
    frozen.offer(replace(choice("def g"), place=HERE), 128)
    assert "def g" == frozen.choice.selection.snippets[0].text
    assert frozen.holds(HERE, 128)
