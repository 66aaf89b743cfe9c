"""The worker's loop, with a model that is a function of what its cache really holds."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimls.child import Parent
from fimls.engines.openvino_worker.model import Part
from fimls.engines.openvino_worker.service import DECODE_TOKENS, Service
from fimls.engines.prefix_blocks import PrefixBlocks
from tests.clocks import HANG_S

BLOCK = 4
CHUNK = 8
VOCABULARY = 7
STOP = 6


def next_token(ids: Sequence[int]) -> int:
    """What the model says after ``ids``: it repeats itself often, so guesses are often right."""
    if len(ids) % 11 == 5:
        return sum(ids) % STOP
    return (ids[-3] + 1) % STOP if len(ids) > 2 else 1


class CachedModel:
    """Reads all earlier tokens from the blocks, as attention does."""

    def __init__(self, capacity: int) -> None:
        self.memory = [-1] * (capacity * BLOCK)
        self.steps: list[list[int]] = []
        self.fail = False
        self.before_step: Callable[[], None] = lambda: None

    def copy_block(self, source: int, target: int) -> None:
        """Copy one block."""
        content = self.memory[source * BLOCK : (source + 1) * BLOCK]
        self.memory[target * BLOCK : (target + 1) * BLOCK] = content

    def step(self, parts: list[Part]) -> list[npt.NDArray[np.float32]]:
        """Write the parts' tokens, and give the logits that follow from what the blocks hold."""
        self.before_step()
        if self.fail:
            raise RuntimeError("out of luck")
        self.steps.append([len(part.ids) for part in parts])
        rows = []
        for part in parts:
            slots = [
                part.table[position // BLOCK] * BLOCK + position % BLOCK
                for position in range(part.past + len(part.ids))
            ]
            for slot, token in zip(slots[part.past :], part.ids, strict=True):
                self.memory[slot] = token
            held = [self.memory[slot] for slot in slots]
            logits = np.zeros((part.rows, VOCABULARY), dtype=np.float32)
            for row in range(part.rows):
                logits[row, next_token(held[: len(held) - part.rows + row + 1])] = 9.0
            rows.append(logits)
        return rows


class Client:
    """The other end of a service that runs in a thread."""

    def __init__(self, capacity: int = 32) -> None:
        self.model = CachedModel(capacity)
        self.blocks = PrefixBlocks(capacity, BLOCK)
        read_fd, self._write_fd = os.pipe()
        self._read_fd, write_fd = os.pipe()
        self._lines = os.fdopen(self._read_fd, "rb")
        self._fds = (read_fd, write_fd)
        parent = Parent(read_fd, write_fd)
        service = Service(self.model, self.blocks, parent, prefill_chunk=CHUNK)
        self._thread = threading.Thread(target=service.run)
        self._thread.start()
        assert {"event": "ready"} == self.read()
        ids = array("i", range(STOP)).tobytes()
        self.send({"op": "vocabulary", "ids": base64.b64encode(ids).decode()})

    def send(self, *messages: dict[str, Any]) -> None:
        """Send messages in one piece."""
        data = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
        os.write(self._write_fd, data)

    def read(self) -> dict[str, Any]:
        """The next message."""
        message: dict[str, Any] = json.loads(self._lines.readline())
        return message

    def ask(self, *requests: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
        """Send requests together and read all their answers."""
        self.send(*requests)
        answers: dict[int, list[dict[str, Any]]] = {one["id"]: [] for one in requests}
        open_ids = set(answers)
        while open_ids:
            message = self.read()
            answers[message["id"]].append(message)
            if message["event"] == "error" or message.get("finish"):
                open_ids.remove(message["id"])
        return answers

    def close(self) -> None:
        """End the service by ending its input."""
        os.close(self._write_fd)
        self._thread.join(HANG_S)
        assert not self._thread.is_alive()
        self._lines.close()
        for fd in self._fds:
            os.close(fd)


@contextlib.contextmanager
def connected(capacity: int = 32) -> Iterator[Client]:
    """A client that is closed in the end."""
    client = Client(capacity)
    try:
        yield client
    finally:
        client.close()


def request(request_id: int, ids: Sequence[int], **other: Any) -> dict[str, Any]:
    """Make a greedy request."""
    message = {
        "op": "generate",
        "id": request_id,
        "ids": list(ids),
        "max_tokens": 10,
        "stop_ids": [STOP],
        "healing": [],
        "deadline_ms": None,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 0,
    }
    return {**message, **other}


def expected(ids: Sequence[int], count: int = 10) -> list[int]:
    """What the model generates after ``ids``, a token a step."""
    known = list(ids)
    for _ in range(count):
        known.append(next_token(known))
    return known[len(ids) :]


def generated(answers: list[dict[str, Any]]) -> list[int]:
    """All ids of a request."""
    return [token for answer in answers for token in answer.get("ids", [])]


def test_generates() -> None:
    """A request gets the model's tokens one by one, in chunks of prefill and steps of guesses."""
    with connected() as client:
        ids = [0, 1, 2, 3, 4] * 4
        answers = client.ask(request(1, ids))[1]
    assert expected(ids) == generated(answers)
    assert [8, 8] == [len(one) and one[0] for one in client.model.steps[:2]]
    assert ["prefill", "prefill"] == [one["event"] for one in answers[:2]]
    deltas = answers[2:]
    assert [1] * 10 == [len(one["ids"]) for one in deltas]
    assert [1] * 10 == [len(one["logprobs"]) for one in deltas]
    assert [None] * 9 + ["length"] == [one["finish"] for one in deltas]


def test_right_guesses_save_steps() -> None:
    """Fewer steps than tokens: those that were guessed come with the step before."""
    with connected() as client:
        client.ask(request(1, [0, 1, 2, 3, 4, 5] * 2, max_tokens=20))
    decoding = [one for one in client.model.steps if one == [DECODE_TOKENS]]
    assert len(decoding) < 20


def test_reuses_to_the_token() -> None:
    """A prompt that grew by a token, or by what was generated, computes only the new tokens."""
    ids = [3, 1, 4, 1, 5, 2, 2, 0, 5, 3]
    with connected() as client:
        first = client.ask(request(1, ids))[1]
        steps = len(client.model.steps)
        grown = [*ids, *generated(first)[:5], 5]
        second = client.ask(request(2, grown))[2]
        assert [DECODE_TOKENS] == client.model.steps[steps]
    assert (0, len(grown) - 1) == (first[-1]["reused"], second[-1]["reused"])
    assert expected(grown) == generated(second)


def test_cancelled_prefill_is_kept() -> None:
    """What a cancelled request had computed is there for the next one."""
    ids = list(np.random.default_rng(0).integers(0, STOP, 40).tolist())
    with connected() as client:

        def cancel_at_third_step() -> None:
            if len(client.model.steps) == 2:
                client.send({"op": "cancel", "id": 1})

        client.model.before_step = cancel_at_third_step
        first = client.ask(request(1, ids))[1]
        second = client.ask(request(2, ids))[2]
    assert ("cancel", []) == (first[-1]["finish"], generated(first))
    assert 3 * CHUNK == second[-1]["reused"]
    assert expected(ids) == generated(second)


def test_cancel_of_an_unknown_request() -> None:
    """A cancel that comes too late does nothing."""
    with connected() as client:
        client.ask(request(1, [1, 2]))
        client.send({"op": "cancel", "id": 1})
        assert expected([1, 2]) == generated(client.ask(request(2, [1, 2]))[2])


def test_deadline() -> None:
    """A request ends at its deadline with what it has."""
    with connected() as client:
        answers = client.ask(request(1, [1, 2, 3], deadline_ms=0.0))[1]
    assert ["deadline"] == [one["finish"] for one in answers]


def test_stop_token_is_left_out() -> None:
    """A stop token ends the generation and isn't part of it; max_tokens counts it."""
    ids = [0, 1, 2]
    stop = expected(ids)[4]
    until = expected(ids)[: expected(ids).index(stop)]
    with connected() as client:
        answers = client.ask(request(1, ids, stop_ids=[stop]))[1]
    assert until == generated(answers)
    assert "stop" == answers[-1]["finish"]


@pytest.mark.parametrize("plan", [[], [[4, 4, [[5, 1]]], [2, 3, [[2, 1]]]]])
def test_a_generation_is_never_empty(plan: list[Any]) -> None:
    """The model's first choice after the healed text is an end: the next best token comes."""
    ids = [0, 1, 2]
    with connected() as client:
        free = generated(client.ask(request(1, ids, healing=plan))[1])
        answers = client.ask(request(2, ids, healing=plan, stop_ids=[free[len(plan)]]))[2]
    assert free[: len(plan)] == generated(answers)[: len(plan)]
    assert len(plan) < len(generated(answers))
    assert free[len(plan)] != generated(answers)[len(plan)]


def test_healing() -> None:
    """The first tokens are those of the plan; after them the model is free."""
    ids = [0, 1, 2]
    plan = [[4, 4, [[5, 1]]], [2, 3, []]]  # 5 is a part of the text, 2 its rest
    with connected() as client:
        answers = client.ask(request(1, ids, healing=plan, max_tokens=6))[1]
    assert [5, 2, *expected([*ids, 5, 2], 4)] == generated(answers)


def test_text_that_cannot_be_healed() -> None:
    """Healing that no token fits fails its request alone."""
    with connected() as client:
        answers = client.ask(request(1, [0, 1], healing=[[0, 0, []]]))[1]
        assert "can't spell" in answers[-1]["message"]
        assert expected([0, 1]) == generated(client.ask(request(2, [0, 1]))[2])


def test_several_at_once() -> None:
    """Requests that come together are stepped together, and none changes another's tokens."""
    prompts = {1: [0, 1, 2, 3] * 3, 2: [0, 1, 2, 3] * 2 + [5, 5], 3: [4], 4: [0, 1, 2, 3] * 3}
    with connected(64) as client:
        answers = client.ask(*(request(key, ids) for key, ids in prompts.items()))
    assert {key: expected(ids) for key, ids in prompts.items()} == {
        key: generated(one) for key, one in answers.items()
    }
    assert max(map(len, client.model.steps)) > 1


def test_waits_for_room() -> None:
    """A request for which others leave no room runs after them."""
    with connected(capacity=14) as client:
        answers = client.ask(request(1, [1, 2, 3]), request(2, [4, 5, 0]))
        both = [len(one) for one in client.model.steps]
    assert expected([1, 2, 3]) == generated(answers[1])
    assert expected([4, 5, 0]) == generated(answers[2])
    assert {1} == set(both)


def test_more_than_the_cache_holds() -> None:
    """A prompt for which there is never room fails, and the next is served."""
    with connected(capacity=14) as client:
        answers = client.ask(request(1, [1] * 100))[1]
        assert "more memory" in answers[-1]["message"]
        assert expected([1, 2]) == generated(client.ask(request(2, [1, 2]))[2])


def test_empty_prompt() -> None:
    """A prompt without a token fails: there is nothing to continue."""
    with connected() as client:
        answers = client.ask(request(1, []))[1]
    assert ["the prompt is empty"] == [one["message"] for one in answers]


def test_failing_model() -> None:
    """An inference that fails fails the requests under way, and gives their blocks back."""
    with connected(capacity=14) as client:
        client.model.fail = True
        answers = client.ask(request(1, [1, 2, 3]))[1]
        assert [("error", "out of luck")] == [(one["event"], one["message"]) for one in answers]
        client.model.fail = False
        assert expected([1, 2, 3]) == generated(client.ask(request(2, [1, 2, 3]))[2])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(1, 12)),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 3),
)
def test_reuse_never_changes_the_result(prompts: list[tuple[list[int], int]], at_once: int) -> None:
    """Whatever was computed before, whatever runs beside it, and with blocks running short: every
    request gets what it would get alone.
    """
    requests = {key: (ids, count) for key, (ids, count) in enumerate(prompts)}
    keys = list(requests)
    with connected(capacity=24) as client:
        for start in range(0, len(keys), at_once):
            batch = keys[start : start + at_once]
            answers = client.ask(
                *(request(key, requests[key][0], max_tokens=requests[key][1]) for key in batch)
            )
            for key in batch:
                assert expected(*requests[key]) == generated(answers[key])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_seeded(temperature: float) -> None:
    """The same request twice gives the same tokens, drawn or not."""
    with connected() as client:
        one, other = (
            generated(client.ask(request(key, [1, 2, 3], temperature=temperature, seed=4))[key])
            for key in (1, 2)
        )
    assert one == other
