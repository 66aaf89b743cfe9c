"""What is counted of a function: shown, right, wrong, saved; and the server's own account."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

from training.evaluation.typing.client import Client, RequestFailedError
from training.evaluation.typing.explainer import Explainer
from training.evaluation.typing.looks import Look, Outcome, Suggestion
from training.evaluation.typing.plan import LOCAL, Function, Task
from training.evaluation.typing.rhythm import Key
from training.evaluation.typing.tally import Tally

BODY = "\n    alpha = beta\n    return alpha"


def task() -> Task:
    """A task with a body of two lines."""
    keys = tuple(Key(1.0) for _ in BODY)
    function = Function("f", 7, 7 + len(BODY), "    ")
    return Task("p/m.py:1:f", 0, "m.py", "python", function, LOCAL, (), BODY, keys)


def look(typed: int, *texts: str, on_track: bool = True, version: int = 1) -> Look:
    """A look that was answered with texts after ``typed`` characters of the body."""
    return Look(
        request_id=1,
        uri="file:///m.py",
        version=version,
        offset=7 + typed,
        before=BODY[:typed] if on_track else BODY[:typed] + "q",
        typed=typed,
        on_track=on_track,
        outcome=Outcome.ANSWERED,
        latency_ms=12.0,
        suggestions=tuple(Suggestion(text) for text in texts),
    )


def shown(tally: Tally) -> tuple[int, int, int]:
    """Distinct suggestions, and their right and wrong characters."""
    row = tally.row()
    return row["suggestions"], row["right_characters"], row["wrong_characters"]


def test_shown_characters_are_right_or_wrong() -> None:
    """A suggestion is right up to where the body says something else."""
    tally = Tally(task())
    tally.looked(look(5, "alpha = gamma"))
    assert (1, 8, 5) == shown(tally)
    assert tally.worst is not None
    assert ("alpha = gamma", 5) == (tally.worst["shown"], tally.worst["wrong_characters"])


def test_what_is_left_of_a_suggestion_is_the_same_one() -> None:
    """Typing along it shows nothing new."""
    tally = Tally(task())
    for typed in (5, 6, 7):
        tally.looked(look(typed, "alpha = gamma"[typed - 5 :]))
    assert (1, 8, 5) == shown(tally)


def test_of_a_grown_suggestion_the_growth_counts() -> None:
    """A later answer that goes on further shows only its new end."""
    tally = Tally(task())
    tally.looked(look(5, "alpha"))
    tally.looked(look(6, "lpha = beta"))
    assert (1, 12, 0) == shown(tally)


def test_another_suggestion_counts_whole() -> None:
    """It begins with the same characters, but it is read anew."""
    tally = Tally(task())
    tally.looked(look(5, "alpha = x"))
    tally.looked(look(6, "lpha = y"))
    assert (2, 8 + 7, 1 + 1) == shown(tally)


def test_nothing_is_right_after_a_slip() -> None:
    """What is shown after a wrong character is wrong, and no example."""
    tally = Tally(task())
    tally.looked(look(5, "alpha", on_track=False))
    assert (1, 0, 5) == shown(tally)
    assert tally.worst is None


def test_indentation_is_not_saved() -> None:
    """Accepted text counts without the white space that the editor would have set."""
    tally = Tally(task())
    accepted = look(13, "beta\n    return alpha")
    tally.looked(accepted)
    tally.took(accepted, len("beta\n    return alpha"))
    row = tally.row()
    assert len("beta\nreturn alpha") == row["saved_characters"]
    assert len("\nalpha = beta\nreturn alpha") == row["characters"]
    assert 1 == row["accepted_whole"]


def test_words_that_could_be_taken() -> None:
    """Whole words of a suggestion that goes wrong later would have been saved by word."""
    tally = Tally(task())
    tally.looked(look(5, "alpha = betray"))
    row = tally.row()
    assert (0, len("alpha = ")) == (row["saved_characters"], row["saved_by_word_characters"])


class Server:
    """Answers ``fimls.why`` with what it is given; each call's ``since`` is kept."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.since: list[int] = []

    async def command(self, name: str, argument: dict[str, Any]) -> Any:
        """Answer the next call."""
        assert "fimls.why" == name
        self.since.append(argument["since"])
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return answer


def explanation(number: int, version: int, **more: Any) -> dict[str, Any]:
    """What a server says of a request."""
    parts = [{"kind": "suffix", "tokens": 40, "ids": [1] * 40}]
    parts.append({"kind": "prefix", "tokens": 40, "ids": [2] * 40})
    return {
        "id": number,
        "uri": "file:///m.py",
        "version": version,
        "offset": 12,
        "answered_by": "engine",
        "suppressed": None,
        "prompt": {"tokens": 80, "reused": 32, "computed": 48, "parts": parts},
        "stages_ms": {"engine": 200.0},
        "generated_tokens": 9,
        **more,
    }


def explained(server: Server, *looks: Look) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Let a server explain looks; return the function's row and the recorded lines."""
    record, tally = io.StringIO(), Tally(task())

    async def explain() -> None:
        client: Client = server  # type: ignore[assignment]  # it only runs a command
        explainer = Explainer(client, record)
        for one in looks:
            tally.looked(one)
            explainer.expect(one, task(), tally)
            await explainer.fetch()
        await explainer.finish()

    asyncio.run(explain())
    return tally.row(), [json.loads(line) for line in record.getvalue().splitlines()]


def test_explanations_find_their_looks() -> None:
    """By document, version and offset; engine time, prompts and the split latencies follow."""
    cached = explanation(2, 2, answered_by="cache", prompt=None, stages_ms={}, generated_tokens=0)
    server = Server([explanation(1, 1)], [explanation(1, 1), cached])
    row, lines = explained(server, look(5, "alpha"), look(5, "alpha", version=2))
    assert {"cache": 1, "engine": 1} == row["answered_by"]
    assert {"cache": [12.0], "engine": [12.0]} == row["latency_ms"]
    assert {"cache": [12.0], "engine": [12.0]} == row["item_latency_ms"]
    assert (200.0, 9, [[80, 48]]) == (row["engine_ms"], row["generated_tokens"], row["prompts"])
    assert (80, 80) == (row["modelled_as_sent"], row["modelled_prefix_first"])
    assert [BODY[5:]] * 2 == [line["truth"] for line in lines]
    assert ["engine", "cache"] == [line["explanation"]["answered_by"] for line in lines]
    assert "ids" not in lines[0]["explanation"]["prompt"]["parts"][0]


def test_reasons_are_counted() -> None:
    """Why nothing was shown comes from the explanation."""
    server = Server([explanation(1, 1, suppressed="gate: unlikely")])
    row, _ = explained(server, look(5))
    assert {"gate: unlikely": 1} == row["suppressed"]


def test_a_server_without_explanations_is_asked_once() -> None:
    """Its answers count all the same, as unknown."""
    server = Server(RequestFailedError(-32601, "unknown command"))
    row, lines = explained(server, look(5, "alpha"), look(5, "alpha", version=2))
    assert [0] == server.since
    assert {"unknown": 2} == row["answered_by"]
    assert [["alpha"]] * 2 == [line["offered"] for line in lines]
