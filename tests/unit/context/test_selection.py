from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimls.context.query import Candidate, Part, Query
from fimls.context.selection import Choice, Frozen, Place, Selection, select
from fimls.context.surroundings import surroundings
from fimls.types import Snippet
from tests.unit.context.workspaces import CURSOR, count_words, query


def candidate(
    text: str,
    score: float = 0.9,
    path: str = "a.py",
    start: int = 0,
    source: str = "imports",
    members: tuple[tuple[str, float], ...] = (),
) -> Candidate:
    """A candidate that requires a text and may have more."""
    parts = (Part(text), *(Part(*member) for member in members))
    return Candidate(path, start, score, parts, text.rpartition(" ")[2], source=source)


def a_window(text: str, score: float, path: str) -> Candidate:
    """A candidate that was found for its likeness."""
    return replace(candidate(text, score, path), is_window=True)


def choose(
    *found: Candidate, budget_tokens: int = 100, code: str = CURSOR, forbidden: str = "hunter2"
) -> Choice:
    """What is chosen, where a token is a word and one word is a secret."""
    return select(
        found,
        surroundings(query(Path("/w"), "m.py", code)),
        budget_tokens=budget_tokens,
        count_tokens=count_words,
        redact=lambda text, _path: None if forbidden in text else text,
    )


def chosen_texts(chosen: Choice) -> list[tuple[str, str]]:
    """Path and text of the snippets in prompt order."""
    return [(snippet.path, snippet.text) for snippet in chosen.selection.snippets]


def reasons(chosen: Choice) -> dict[str, str]:
    """Why each candidate was dropped."""
    return {one.name: one.reason for one in chosen.selection.considered}


def test_one_snippet_a_file_the_best_last() -> None:
    """In a file its own order is kept; among files the best comes last."""
    found = choose(
        candidate("def late", 0.6, "a.py", 50),
        candidate("def best", 0.9, "b.py"),
        candidate("def early", 0.5, "a.py", 10),
    )
    assert [("a.py", "def early\ndef late\n"), ("b.py", "def best\n")] == chosen_texts(found)


def test_order_does_not_depend_on_the_order_of_candidates() -> None:
    """The same candidates give the same bytes."""
    found = [candidate(f"def f{number}", 0.5, f"{number % 3}.py", number) for number in range(9)]
    assert chosen_texts(choose(*found)) == chosen_texts(choose(*reversed(found)))


def test_below_the_threshold() -> None:
    """A selection may be empty; its candidates are listed."""
    found = choose(candidate("def f", 0.3))
    assert () == found.selection.snippets
    assert {"f": "below threshold"} == reasons(found)


def test_budget() -> None:
    """The best candidates that fit are chosen; a path counts once for each file."""
    found = choose(
        candidate("def a b c", 0.9, "a.py", 0),  # 2 for the path, 4 for the text
        candidate("def much too long to fit in", 0.8, "b.py"),
        candidate("def d", 0.7, "a.py", 10),  # 2
        budget_tokens=8,
    )
    assert [("a.py", "def a b c\ndef d\n")] == chosen_texts(found)
    assert {"c": "", "in": "budget", "d": ""} == reasons(found)
    assert [6, 0, 2] == [one.tokens for one in found.selection.considered]


@given(
    st.lists(
        st.tuples(st.integers(1, 12), st.floats(0, 1), st.sampled_from("abc"), st.integers(0, 40)),
        max_size=30,
    ),
    st.integers(0, 60),
)
def test_the_budget_is_never_exceeded(
    drawn: list[tuple[int, float, str, int]], budget_tokens: int
) -> None:
    """Paths and texts fit the budget, whatever is found."""
    found = [
        candidate(" ".join(f"w{start}x{n}" for n in range(words)), score, f"{path}.py", start,
                  members=((f"    m{start} n", score), (f"    o{start} p", score / 2)))
        for words, score, path, start in drawn
    ]  # fmt: skip
    snippets = choose(*found, budget_tokens=budget_tokens).selection.snippets
    spent = sum(count_words(f"# {one.path}\n") + count_words(one.text) for one in snippets)
    assert spent <= budget_tokens


def test_members_are_chosen_one_by_one() -> None:
    """Members of a class that score and fit are chosen, in their order."""
    members = (("    def low", 0.1), ("    def good", 0.6), ("    def best", 0.9))
    found = choose(candidate("class A:", members=members))
    assert [("a.py", "class A:\n    def good\n    def best\n")] == chosen_texts(found)
    scarce = choose(candidate("class A:", members=members), budget_tokens=6)
    assert [("a.py", "class A:\n    def best\n")] == chosen_texts(scarce)


def test_a_class_without_a_member_says_nothing() -> None:
    """The head of a class alone isn't worth its tokens, unless there is nothing else."""
    found = choose(candidate("class A:", members=(("    def low", 0.1),)))
    assert {"A:": "no member needed"} == reasons(found)
    assert [("a.py", "class A:\n")] == chosen_texts(choose(candidate("class A:")))


def test_what_the_window_shows_is_not_repeated() -> None:
    """A signature in the window isn't repeated, however it is broken into lines."""
    code = f"def f(\n    a: int,\n    b: int,\n) -> None:\n    pass\n{CURSOR}"
    found = choose(
        candidate("def f(a: int, b: int,) -> None: ..."), candidate("def g", start=9), code=code
    )
    assert [("a.py", "def g\n")] == chosen_texts(found)
    assert "duplicate of shown code" in reasons(found).values()


def test_what_lies_outside_the_window_is_no_duplicate() -> None:
    """The file has it, but the prompt doesn't show it."""
    code = f"def f(a): ...\n{'x' * 50}{CURSOR}"
    asked = query(Path("/w"), "m.py", code, shown_chars=20)
    found = select(
        [candidate("def f(a): ...")],
        surroundings(asked),
        budget_tokens=100,
        count_tokens=count_words,
        redact=lambda text, _path: text,
    )
    assert 1 == len(found.selection.snippets)


def test_windows_repeat_neither_the_code_nor_each_other() -> None:
    """At most two windows are chosen, unlike the shown code and unlike each other."""
    code = f"alpha = beta(gamma)\ndelta = epsilon\n{CURSOR}"
    one = "one = two(three)\nfour = five\n"
    found = choose(
        a_window("alpha = beta(gamma)\ndelta = epsilon", 0.9, "a.py"),
        a_window(one, 0.8, "b.py"),
        a_window(one.replace("five", "six"), 0.7, "c.py"),
        a_window("other = words(here)", 0.6, "d.py"),
        a_window("and_more = of(them)", 0.5, "e.py"),
        code=code,
    )
    assert ["d.py", "b.py"] == [snippet.path for snippet in found.selection.snippets]
    assert ["", "duplicate of another snippet", "", "enough windows"] == [
        one.reason for one in found.selection.considered
    ][1:]


def test_several_sources_find_the_same() -> None:
    """A definition that several sources find is chosen once, with the best score."""
    found = choose(candidate("def f", 0.5), candidate("def f", 0.8, source="names"))
    assert [("a.py", "def f\n")] == chosen_texts(found)
    assert ["names"] == [snippet.source for snippet in found.selection.snippets]


def test_secrets() -> None:
    """Candidates and members with secrets aren't sent."""
    members = (("    password = hunter2", 0.9), ("    limit = 3", 0.8))
    found = choose(candidate("key = hunter2", path="b.py"), candidate("class A", members=members))
    assert [] == chosen_texts(found)
    assert {"secret"} == set(reasons(found).values())
    lesser = (("    limit = 3", 0.9), ("    password = hunter2", 0.8))
    found = choose(candidate("class A", members=lesser))
    assert [("a.py", "class A\n    limit = 3\n")] == chosen_texts(found)


def test_worth_names_every_piece() -> None:
    """The worth of all usable pieces is kept, so that choices can be compared."""
    found = choose(
        candidate("class A:", members=(("    def f", 0.7),)), candidate("def g", 0.2, "b.py")
    )
    assert {("a.py", "class A:"): 0.7, ("a.py", "    def f"): 0.7} == found.worth
    assert frozenset(found.worth) == found.used


def test_shown_range() -> None:
    """The window in the file's own offsets."""
    asked = Query(Path("/w"), "m.py", "python", "abcdef", "ghijkl", (4, 3))
    assert ("efghi", (4, 9)) == (asked.shown_text, asked.shown_range)


HERE = Place(before=100, after=200, definition="f")


def choice(
    text: str, score: float = 0.8, place: Place = HERE, others: dict[str, float] | None = None
) -> Choice:
    """A choice of one piece; others: what else could be used, and its worth."""
    pieces = {("a.py", text): score, **{("a.py", key): one for key, one in (others or {}).items()}}
    return Choice(Selection((Snippet("a.py", text),)), place, frozenset({("a.py", text)}), pieces)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, set by the test."""
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
    """More than 20 lines away is another place; adding or removing lines isn't a move."""
    assert expected is Frozen(choice("def f"), 256).holds(place, 256)


def test_a_new_place_gets_a_new_choice() -> None:
    """In another definition, even a worse choice is taken."""
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
    """An edit of another document causes a search; snippets that no longer exist are replaced."""
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
    """A choice for another budget doesn't hold."""
    frozen = Frozen(choice("def f"), 256)
    assert not frozen.holds(HERE, 128)
    frozen.offer(replace(choice("def g"), place=HERE), 128)
    assert "def g" == frozen.choice.selection.snippets[0].text
    assert frozen.holds(HERE, 128)
