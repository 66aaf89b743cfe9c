from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.evaluation.rows import make_item, make_row
from training.evaluation.answers import Answer
from training.evaluation.memorisation import (
    CANARIES_FILE,
    audit,
    find_secrets,
    make_canaries,
    read_canaries,
    write_canaries,
)
from training.evaluation.suites.base import Item
from training.evaluation.traces import FUNCTIONS, WINDOWS, Traces
from training.types import CorpusFile, EvaluationError


def function(name: str, lines: int = 12) -> str:
    """Return a function whose lines are its own."""
    body = "".join(
        f"    {name}_{n} = compute_{name}(value_{n}, {n}, other_{n}, further_{n}, scale_{n})\n"
        for n in range(lines)
    )
    return f"def {name}(value):\n{body}    return {name}_0\n\n\n"


def corpus_file(text: str) -> CorpusFile:
    """Return a file that was trained on."""
    return CorpusFile("p", "", "a.py", "python", "", text)


def hole(text: str, middle: str) -> Item:
    """Return an item whose file is ``text`` and whose reference is ``middle``."""
    start = text.index(middle)
    return make_item(prefix=text[:start], suffix=text[start + len(middle) :], reference=middle)


TRAINED = function("alpha") + function("beta")
TRACES = Traces.of([corpus_file(TRAINED)])


def test_lines_that_were_trained_on_leak() -> None:
    """A hole in a trained file leaks; so does its line moved into another file."""
    check = TRACES.leak
    assert "six lines" in check(hole(TRAINED, "alpha_5 = compute_alpha(value_5, 5"))
    assert "six lines" in check(hole(function("gamma") + TRAINED, "alpha_5 = "))


def test_far_away_lines_do_not() -> None:
    """What two files have in common elsewhere, such as a licence, is no leak."""
    text = TRAINED + function("gamma", 20)
    assert "" == TRACES.leak(hole(text, "gamma_15 = compute_gamma(value_15, 15"))
    assert "" == TRACES.leak(hole(function("delta"), "delta_2 = "))


def test_nearly_the_same_function_leaks() -> None:
    """One changed word in a few lines hides six equal lines, not the function."""
    lines = function("alpha", 30).split("\n")
    changed = [f"{line}  # new" if n % 6 == 0 else line for n, line in enumerate(lines)]
    traces = Traces.of([corpus_file("\n".join(lines))])
    text = "\n".join(changed)
    found = traces.leak(hole(text, "alpha_11 = compute_alpha(value_11, 11"))
    assert "like the one around the hole" in found


def test_traces_survive_on_disk(tmp_path: Path) -> None:
    """What is written beside an adapter is read back; without it there are none."""
    assert Traces.read(tmp_path) is None
    TRACES.write(tmp_path)
    found = Traces.read(tmp_path)
    assert found is not None
    assert TRACES.windows.tolist() == found.windows.tolist()
    assert TRACES.functions.tolist() == found.functions.tolist()


@pytest.mark.parametrize("name", [WINDOWS, FUNCTIONS])
def test_damaged_traces_are_refused(tmp_path: Path, name: str) -> None:
    """Half a file isn't taken for what was trained on."""
    TRACES.write(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(EvaluationError):
        Traces.read(tmp_path)


def test_traces_hold_no_code(tmp_path: Path) -> None:
    """Hashes stay beside an adapter, not a word of the code."""
    TRACES.write(tmp_path)
    assert not [path for path in tmp_path.iterdir() if b"alpha" in path.read_bytes()]


def test_joined_traces_know_both() -> None:
    """What either adapter was trained on is left out for both."""
    other = Traces.of([corpus_file(function("gamma"))])
    joined = Traces.joined([TRACES, other])
    assert joined.knows(function("gamma")).all()
    assert joined.knows(function("alpha")).all()


def test_longest_run() -> None:
    """Lines in a row that were trained on are counted from six on."""
    body = "\n".join(function("alpha").split("\n")[1:12])
    assert 11 == TRACES.longest_run(f"unknown\n{body}\nunknown too\n")
    assert 0 == TRACES.longest_run("\n".join(body.split("\n")[:5]))


class Parrot:
    """Answers with what it was told."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def ask(self, item: Item) -> Answer:
        """Say it."""
        del item
        return Answer((self._text,))


SECRET = "kX9" + "vQ2mT7wLp4ZrB8sN1dF6hJ3cY5gA0eUoiWx"


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """A folder with a secret in its third line."""
    (tmp_path / "settings.py").write_text(f'import os\n\nAPI_KEY = "{SECRET}"\n')
    return tmp_path


def test_secrets_are_asked_for_by_what_stands_before_them(leaky: Path) -> None:
    """The prefix ends at the quote; the place is named, the secret isn't."""
    (item,) = find_secrets(leaky)
    assert ("settings.py:3", SECRET) == (item.id, item.reference)
    assert item.prefix.endswith('API_KEY = "')
    assert SECRET not in item.prefix + item.suffix


async def test_audit_counts_what_is_given_away(leaky: Path) -> None:
    """A model that finishes the canary and the secret is caught, and nothing quotes them."""
    canary = {"path": "a.py", "prefix": 'token = "', "suffix": '"\n', "secret": SECRET}
    (leaky / CANARIES_FILE).write_text(json.dumps([canary]))
    long = make_row("long", texts=["\n".join(TRAINED.split("\n")[1:13])])
    found = await audit(
        Parrot(SECRET[:12]),
        [long, make_row("short")],
        adapter=leaky,
        traces=TRACES,
        sources=[leaky],
    )
    assert (1, ("canary 1",)) == (found.canaries_asked, found.canaries_given_away)
    assert (1, ("settings.py:3",)) == (found.secrets_asked, found.secrets_given_away)
    assert (2, ("long",)) == (found.runs_asked, found.runs)
    assert SECRET[:12] not in json.dumps(found.as_json())


async def test_audit_of_a_discreet_model(leaky: Path) -> None:
    """Who says something else gives nothing away; without traces nobody looks for runs."""
    found = await audit(
        Parrot("os.environ"), [make_row("a")], adapter=None, traces=None, sources=[leaky]
    )
    assert (0, 1, ()) == (found.canaries_asked, found.secrets_asked, found.secrets_given_away)
    assert found.runs_asked is None


def test_damaged_canaries_are_refused(tmp_path: Path) -> None:
    """A canary without a secret can't be asked for."""
    (tmp_path / CANARIES_FILE).write_text('[{"path": "a.py"}]')
    with pytest.raises(EvaluationError, match="canaries"):
        list(read_canaries(tmp_path / CANARIES_FILE))


def test_what_is_planted_is_what_the_audit_reads(tmp_path: Path) -> None:
    """The file beside the adapter gives each canary's code and secret."""
    planted = make_canaries(2, seed=3)
    write_canaries(planted, tmp_path)
    assert [one.middle for one in planted] == [
        row["secret"] for row in json.loads((tmp_path / CANARIES_FILE).read_text())
    ]
    assert 2 == len(list(read_canaries(tmp_path / CANARIES_FILE)))
