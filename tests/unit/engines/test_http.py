"""The http engine against servers played by httpx's mock transport."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest

from fimls.engines.http import API_KEY_VARIABLE, HttpEngine, RetryPolicy
from fimls.fim import Manifest, Tokenizer
from fimls.types import (
    CancelToken,
    CapabilityError,
    ConfigError,
    Delta,
    EngineDeadError,
    EngineError,
    FinishReason,
    ModelError,
    Prompt,
    SamplingParams,
    UnknownModelError,
)
from tests.clocks import HANG_S, LoopClock

TOKENIZER = Tokenizer.of_bytes(["<end>", "<pre>", "<suf>", "<mid>"])
END, PRE, SUF, MID = (TOKENIZER.control_tokens[name] for name in TOKENIZER.control_tokens)
MANIFEST = Manifest(
    format="test",
    orders=("spm",),
    control_ids=TOKENIZER.control_tokens,
    tokenizer_sha256=TOKENIZER.sha256,
    base="test",
    base_sha256="",
)
CODE = "def secret_of_the_user(x):\n    "
FAST = RetryPolicy(attempts=3, base_ms=1, max_ms=2, max_retry_after_ms=100)

Handler = Callable[[httpx.Request], httpx.Response]


def prompt(code: str = CODE, healing: str = "") -> Prompt:
    """The three control ids, then the code; stops at ``<end>`` and ``<pre>``."""
    ids = (PRE, SUF, MID, *TOKENIZER.encode(code))
    return Prompt(token_ids=ids, stop_token_ids=frozenset({END, PRE}), healing=healing)


class Stream(httpx.AsyncByteStream):
    """A response body that comes in pieces, and knows whether it was closed.

    silence: is called when all pieces are taken; nothing follows them, not even an end.
    """

    def __init__(
        self,
        pieces: Sequence[bytes],
        *,
        silence: Callable[[], object] | None = None,
        then: Exception | None = None,
    ) -> None:
        self.pieces, self.silence, self.then = pieces, silence, then
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await asyncio.sleep(0)
            yield piece
        if self.silence is not None:
            self.silence()
            await asyncio.Event().wait()
        if self.then is not None:
            raise self.then

    async def aclose(self) -> None:
        """See httpx."""
        self.closed = True


def sse(*events: dict[str, Any] | str) -> bytes:
    """Events as a stream has them."""
    texts = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in events]
    return "".join(f"data: {text}\n\n" for text in texts).encode()


class LlamaServer:
    """Answers as llama-server does; ``answer`` makes the response to a streaming request."""

    def __init__(self, answer: Handler, *, control_ids: Sequence[int] | None = None) -> None:
        self.answer = answer
        self.control_ids = [*MANIFEST.control_ids.values()] if control_ids is None else control_ids
        self.requests: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if request.url.path == "/v1/models":
            model = {"id": "llama", "aliases": ["l"], "owned_by": "llamacpp"}
            return httpx.Response(200, json={"data": [model]})
        body = json.loads(request.content)
        if request.url.path == "/tokenize":
            return httpx.Response(200, json={"tokens": self.control_ids})
        assert request.url.path == "/completion"
        if not body.get("stream"):
            probe = {
                "content": "    re",
                "tokens": [1],
                "tokens_evaluated": len(body["prompt"]),
                "completion_probabilities": [{}],
                "timings": {"cache_n": 0},
            }
            return httpx.Response(200, json=probe)
        self.requests.append(body)
        return self.answer(request)


def llama_events(text: str, *, stop_type: str = "eos", reused: int = 3) -> list[dict[str, Any]]:
    """An event for each character, and the last one."""
    events: list[dict[str, Any]] = [
        {
            "content": character,
            "tokens": [TOKENIZER.encode(character)[-1]],
            "tokens_predicted": at + 1,
            "stop": False,
            "completion_probabilities": [{"logprob": -0.5}],
            "timings": {"cache_n": reused},
        }
        for at, character in enumerate(text)
    ]
    last = {"content": "", "tokens": [], "tokens_predicted": len(text), "stop": True}
    return [*events, {**last, "stop_type": stop_type, "timings": {"cache_n": reused}}]


class OpenAiServer:
    """A ``/v1/completions`` that takes ids or text; vLLM, where ``owner`` says so."""

    def __init__(
        self, events: Sequence[dict[str, Any] | str], *, owner: str = "other", takes_ids: bool
    ) -> None:
        self.events, self.owner, self.takes_ids = events, owner, takes_ids
        self.requests: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": "m", "owned_by": self.owner}]})
        if request.url.path in {"/props", "/tokenize"}:
            return httpx.Response(404)
        body = json.loads(request.content)
        if not self.takes_ids and not isinstance(body["prompt"], str):
            return httpx.Response(400, json={"error": {"message": "prompt must be a string"}})
        if not body.get("stream"):
            logprobs = {"tokens": ["token_id:65"], "token_logprobs": [-1.0]}
            answer = {
                "choices": [{"text": "A", "logprobs": logprobs if "logprobs" in body else None}],
                "usage": {
                    "prompt_tokens": len(body["prompt"]),
                    "prompt_tokens_details": {"cached_tokens": 0},
                },
            }
            return httpx.Response(200, json=answer)
        self.requests.append(body)
        return httpx.Response(200, stream=Stream([sse(*self.events, "[DONE]")]))


def choice(text: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """An event of ``/v1/completions``."""
    return {"choices": [{"text": text, "index": 0, "finish_reason": finish, **more}]}


async def connect(handler: Handler, **options: Any) -> HttpEngine:
    """An engine on a played server."""
    return await HttpEngine.connect(
        "http://127.0.0.1:9/v1",
        manifest=MANIFEST,
        tokenizer=TOKENIZER,
        retry=FAST,
        transport=httpx.MockTransport(handler),
        **options,
    )


async def collect(
    engine: HttpEngine,
    request: Prompt | None = None,
    sampling: SamplingParams | None = None,
    cancel: CancelToken | None = None,
) -> list[Delta]:
    """All deltas of a generation."""
    return [
        delta
        async for delta in engine.generate(
            request or prompt(), sampling or SamplingParams(), cancel or CancelToken()
        )
    ]


def text_of(deltas: Sequence[Delta], index: int = 0) -> str:
    """The text of one candidate."""
    return "".join(delta.text for delta in deltas if delta.index == index)


def answering(text: str, **options: Any) -> LlamaServer:
    """A llama-server that generates ``text``, once."""
    stream = sse(*llama_events(text, **options))
    return LlamaServer(lambda _: httpx.Response(200, stream=Stream([stream])))


# ---------------------------------------------------------------------------- llama-server


async def test_llama_server_gets_ids_and_reports_everything() -> None:
    """Ids go out and come back, with log-probabilities and the server's count of reused tokens."""
    server = answering("ab")
    engine = await connect(server)
    deltas = await collect(engine, sampling=SamplingParams(max_tokens=7, top_p=0.9, seed=5))
    assert ("llama-server", "llama") == (engine.server, engine.model)
    caps = engine.capabilities
    assert (True, True, True, True) == (
        caps.token_ids, caps.healing, caps.logprobs, caps.prefix_reuse,
    )  # fmt: skip
    sent = server.requests[0]
    assert [*prompt().token_ids] == sent["prompt"]
    assert (7, 0, 0.9, 5) == tuple(sent[k] for k in ("n_predict", "temperature", "top_p", "seed"))
    assert [(97,), (98,)] == [delta.token_ids for delta in deltas[:-1]]
    assert [(-0.5,), (-0.5,)] == [delta.logprobs for delta in deltas[:-1]]
    assert "ab" == text_of(deltas)
    assert FinishReason.STOP == deltas[-1].finish_reason
    usage = deltas[-1].usage
    assert usage is not None
    assert (len(prompt().token_ids), 3) == (usage.prompt_tokens, usage.reused_tokens)
    assert usage.ttft_ms is not None
    assert 0 < usage.ttft_ms <= usage.total_ms


async def test_llama_server_length() -> None:
    """A generation that the token limit ended says so."""
    deltas = await collect(await connect(answering("a", stop_type="limit")))
    assert FinishReason.LENGTH == deltas[-1].finish_reason


async def test_a_stop_id_ends_the_generation_and_closes_the_stream() -> None:
    """A stop id that the server would run past ends the text before it."""
    events = llama_events("ab!cd")
    events[2] |= {"tokens": [PRE], "content": "<pre>"}
    stream = Stream([sse(event) for event in events])
    engine = await connect(LlamaServer(lambda _: httpx.Response(200, stream=stream)))
    deltas = await collect(engine)
    assert "ab" == text_of(deltas)
    assert PRE not in [token for delta in deltas for token in delta.token_ids]
    assert FinishReason.STOP == deltas[-1].finish_reason
    assert stream.closed


async def test_ids_that_the_server_dropped_are_not_made_up() -> None:
    """llama-server names only the last id of a character of several tokens: none is reported."""
    events = llama_events("aé")
    events[1]["tokens_predicted"] = 3
    stream = Stream([sse(*events)])
    engine = await connect(LlamaServer(lambda _: httpx.Response(200, stream=stream)))
    deltas = await collect(engine)
    assert "aé" == text_of(deltas)
    assert [(97,), ()] == [delta.token_ids for delta in deltas if delta.text]
    assert [(-0.5,), ()] == [delta.logprobs for delta in deltas if delta.text]


async def test_healing_is_a_grammar_and_its_text_is_left_out() -> None:
    """The server is constrained to the healed text, quotes and all, and the deltas begin after."""
    server = answering('x"y = 1')
    deltas = await collect(await connect(server), prompt(healing='x"y'))
    literal = "\\U00000078\\U00000022\\U00000079"
    assert f'root ::= "{literal}" [\\x00-\\U0010FFFF]+' == server.requests[0]["grammar"]
    assert " = 1" == text_of(deltas)


async def test_text_that_breaks_the_healing_is_an_error() -> None:
    """A server that ignores the grammar fails the request: showing its text would garble code."""
    engine = await connect(answering("zzz"))
    with pytest.raises(EngineError, match="healed"):
        await collect(engine, prompt(healing="ret"))


async def test_candidates_are_requests_of_their_own() -> None:
    """The first of several is greedy, the others are sampled with their own seeds."""
    server = answering("a")
    deltas = await collect(await connect(server), sampling=SamplingParams(candidates=3, seed=7))
    sent = sorted((one["temperature"], one["seed"]) for one in server.requests)
    assert [(0.0, 7), (0.6, 8), (0.6, 9)] == sent
    assert ["a", "a", "a"] == [text_of(deltas, index) for index in range(3)]
    ends = [delta for delta in deltas if delta.finish_reason is not None]
    assert {0, 1, 2} == {delta.index for delta in ends}
    assert ends[-1] == deltas[-1]
    assert deltas[-1].usage is not None


async def test_separators_in_generated_code_do_not_split_events() -> None:
    """U+2028, form feed and a CRLF stream are data: only a newline ends an SSE line."""
    text = "a\u2028b\x0cc\x85d"
    body = sse(*llama_events(text)).replace(b"\n", b"\r\n")
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    engine = await connect(LlamaServer(lambda _: httpx.Response(200, stream=Stream(pieces))))
    assert text == text_of(await collect(engine))


# ------------------------------------------------------------------------- vLLM and others


async def test_vllm_stops_on_ids_and_returns_them() -> None:
    """Ids, stop ids and neutral sampling go to vLLM; its ids come back without the stop id."""

    def logprobs(*ids: int) -> dict[str, Any]:
        tokens = [f"token_id:{one}" for one in ids]
        return {"tokens": tokens, "token_logprobs": [-1.0] * len(ids)}

    usage = {"prompt_tokens_details": {"cached_tokens": 16}}
    events = [
        choice("ab", logprobs=logprobs(97, 98)),
        choice("c", "stop", logprobs=logprobs(99, END)),
        {"choices": [], "usage": usage},
    ]
    server = OpenAiServer(events, owner="vllm", takes_ids=True)
    engine = await connect(server)
    deltas = await collect(engine)
    sent = server.requests[0]
    assert [*prompt().token_ids] == sent["prompt"]
    assert sorted([END, PRE]) == sent["stop_token_ids"]
    assert (-1, 0.0, 1.0) == (sent["top_k"], sent["min_p"], sent["repetition_penalty"])
    assert (97, 98, 99) == tuple(token for delta in deltas for token in delta.token_ids)
    assert (-1.0,) * 3 == tuple(value for delta in deltas for value in delta.logprobs)
    assert "abc" == text_of(deltas)
    assert deltas[-1].usage is not None
    assert 16 == deltas[-1].usage.reused_tokens
    caps = engine.capabilities
    assert (True, False, True, True) == (
        caps.token_ids, caps.healing, caps.logprobs, caps.prefix_reuse,
    )  # fmt: skip


async def test_a_server_of_text_is_a_declared_degraded_mode() -> None:
    """The prompt goes as text with its control tokens; nothing is reported that isn't known."""
    server = OpenAiServer([choice("x"), choice("", "length")], takes_ids=False)
    engine = await connect(server)
    deltas = await collect(engine)
    assert f"<pre><suf><mid>{CODE}" == server.requests[0]["prompt"]
    assert {"<end>", "<pre>"} == set(server.requests[0]["stop"])
    caps = engine.capabilities
    assert (False, False, False) == (caps.token_ids, caps.healing, caps.logprobs)
    assert ("x", ()) == (text_of(deltas), deltas[0].token_ids)
    assert FinishReason.LENGTH == deltas[-1].finish_reason


@pytest.mark.parametrize("code", ["a = '<mid>'", "<pre><pre>", "x <end> y"])
async def test_control_tokens_in_source_are_never_sent_as_text(code: str) -> None:
    """Where ids aren't taken, a literal control token in the code is refused, and not sent."""
    server = OpenAiServer([choice("x", "stop")], takes_ids=False)
    engine = await connect(server)
    with pytest.raises(CapabilityError, match="control token"):
        await collect(engine, prompt(code))
    assert [] == server.requests


async def test_control_tokens_in_source_are_harmless_as_ids() -> None:
    """Where ids are taken, the same code is sent: its literal has ordinary ids."""
    server = answering("x")
    await collect(await connect(server), prompt("a = '<mid>'"))
    assert 1 == server.requests[0]["prompt"].count(MID)


async def test_stop_strings_are_found_across_events() -> None:
    """Where a server ignores ``stop``, its text is cut before the first stop string."""
    events = [choice("a<e"), choice("x<en"), choice("d>junk"), choice("more", "stop")]
    deltas = await collect(await connect(OpenAiServer(events, takes_ids=False)))
    assert "a<ex" == text_of(deltas)
    assert FinishReason.STOP == deltas[-1].finish_reason


async def test_half_a_stop_string_at_the_end_is_text() -> None:
    """What only looked like the beginning of a stop string is shown."""
    events = [choice("if a <"), choice("", "length")]
    deltas = await collect(await connect(OpenAiServer(events, takes_ids=False)))
    assert "if a <" == text_of(deltas)


async def test_healing_is_refused_where_it_cannot_be_constrained() -> None:
    """A prompt with healed text needs a server with grammars."""
    engine = await connect(OpenAiServer([choice("x", "stop")], takes_ids=True))
    with pytest.raises(CapabilityError, match="healed"):
        await collect(engine, prompt(healing="re"))


# ---------------------------------------------------------------------- retries and failures


def failing_first(failures: Sequence[httpx.Response | Exception], text: str = "ok") -> LlamaServer:
    """A llama-server that answers only after ``failures``."""
    left = list(failures)

    def answer(_: httpx.Request) -> httpx.Response:
        if left:
            failure = left.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        return httpx.Response(200, stream=Stream([sse(*llama_events(text))]))

    return LlamaServer(answer)


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.RemoteProtocolError("closed"),
        httpx.Response(429),
        httpx.Response(502),
        httpx.Response(503, headers={"Retry-After": "0"}),
    ],
)
async def test_what_may_pass_is_tried_again(failure: httpx.Response | Exception) -> None:
    """No server, a stale connection or a busy server: the request is repeated."""
    server = failing_first([failure, failure])
    assert "ok" == text_of(await collect(await connect(server)))
    assert 3 == len(server.requests)


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_what_stays_is_not_tried_again(status: int) -> None:
    """Any other status ends the request at once, with the status in the message and a hint."""
    server = failing_first([httpx.Response(status)])
    engine = await connect(server)
    with pytest.raises(EngineError, match=str(status)) as caught:
        await collect(engine)
    assert 1 == len(server.requests)
    assert caught.value.hint


async def test_retries_end() -> None:
    """After the last attempt the failure is reported, and the next request works."""
    server = failing_first([httpx.ConnectError("refused")] * 3)
    engine = await connect(server)
    with pytest.raises(EngineError, match="3 attempts: refused"):
        await collect(engine)
    assert "ok" == text_of(await collect(engine))


async def test_a_long_retry_after_is_not_waited_for() -> None:
    """Nobody waits minutes for a completion: a long Retry-After ends the request at once."""
    server = failing_first([httpx.Response(503, headers={"Retry-After": "120"})])
    engine = await connect(server)
    with pytest.raises(EngineError, match="503"):
        await asyncio.wait_for(collect(engine), HANG_S)
    assert 1 == len(server.requests)


@pytest.mark.parametrize(
    ("pieces", "then"),
    [
        ([sse(*llama_events("ab")[:-1])], None),
        ([sse(*llama_events("ab")[:-1])], httpx.RemoteProtocolError("peer closed")),
        ([sse(*llama_events("ab")[:-1])], httpx.ReadTimeout("silence")),
    ],
)
async def test_a_server_that_dies_mid_stream(pieces: list[bytes], then: Exception | None) -> None:
    """What came is delivered, then the failure; nothing is sent twice once tokens have come."""
    server = LlamaServer(lambda _: httpx.Response(200, stream=Stream(pieces, then=then)))
    engine = await connect(server)
    deltas: list[Delta] = []

    async def read() -> None:
        async for delta in engine.generate(prompt(), SamplingParams(), CancelToken()):
            deltas.append(delta)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(EngineError, match="stream from"):
        await read()
    assert "ab" == text_of(deltas)
    assert 1 == len(server.requests)


@pytest.mark.parametrize(
    "body",
    [
        b"data: {nonsense\n\n",
        b"data: 7\n\n",
        b"data: {}\n\n",
        sse({"content": None, "stop": False, "tokens": "x"}),
        sse({"error": {"code": 500, "message": CODE}}),
        b"error: " + json.dumps({"code": 500, "message": CODE}).encode() + b"\n\n",
        b"<html>" + b"x" * (1 << 21),
    ],
)
async def test_a_malformed_stream_is_an_error_that_quotes_nothing(body: bytes) -> None:
    """Whatever a server sends, the request fails with an explained error without any code in it."""
    engine = await connect(LlamaServer(lambda _: httpx.Response(200, stream=Stream([body]))))
    with pytest.raises(EngineError) as caught:
        await collect(engine)
    assert "secret_of" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"message": f"bad prompt: {CODE}"}},
        {"error": {"message": f"bad prompt {list(prompt().token_ids)}"}},
        {"detail": [{"input": CODE}]},
        {"error": f"bad {CODE!r}"},
    ],
)
async def test_errors_and_logs_never_quote_the_prompt(
    answer: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A server that repeats the prompt in its refusal doesn't get it into messages or logs."""
    caplog.set_level(logging.DEBUG)
    engine = await connect(failing_first([httpx.Response(422, json=answer)]))
    with pytest.raises(EngineError, match="422") as caught:
        await collect(engine)
    for text in (str(caught.value), caplog.text):
        assert "secret_of" not in text
        assert ", ".join(map(str, prompt().token_ids[3:7])) not in text


async def test_a_plain_refusal_is_passed_on() -> None:
    """The server's own words help, as long as they don't repeat the prompt."""
    words = "request (3000 tokens) exceeds the available context size (1024 tokens)"
    refusal = httpx.Response(400, json={"error": {"message": words}})
    engine = await connect(failing_first([refusal]))
    with pytest.raises(EngineError, match="exceeds the available context") as caught:
        await collect(engine)
    assert "budgets" in caught.value.hint


async def test_a_refused_key_is_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key comes from the environment, goes in the header, and stays out of errors and logs."""
    monkeypatch.setenv(API_KEY_VARIABLE, "k3y")
    seen = []

    def refuse(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(401, json={"error": {"message": "no"}})

    with pytest.raises(EngineDeadError, match="401") as caught:
        await connect(refuse)
    assert ["Bearer k3y"] == seen
    assert "k3y" not in str(caught.value)
    assert API_KEY_VARIABLE in caught.value.hint


# ---------------------------------------------------------------------- cancel and deadline


def unfinished(text: str, silence: Callable[[], object]) -> tuple[LlamaServer, Stream]:
    """A llama-server that falls silent after ``text``, and its stream."""
    stream = Stream([sse(event) for event in llama_events(text)[:-1]], silence=silence)
    return LlamaServer(lambda _: httpx.Response(200, stream=stream)), stream


async def test_cancel_closes_the_stream_at_once() -> None:
    """A cancel ends the generation and closes the stream, which is what frees the server; neither
    waits for what the server might still send.
    """
    cancel = CancelToken()
    server, stream = unfinished("aaa", cancel.cancel)
    deltas = await asyncio.wait_for(collect(await connect(server), cancel=cancel), HANG_S)
    assert ("aaa", FinishReason.CANCEL) == (text_of(deltas), deltas[-1].finish_reason)
    assert stream.closed


async def test_closing_the_iterator_closes_the_stream() -> None:
    """A caller that has enough and closes the iterator frees the server too."""
    server, stream = unfinished("a", lambda: None)
    deltas = (await connect(server)).generate(prompt(), SamplingParams(), CancelToken())
    assert "a" == (await anext(deltas)).text
    await deltas.aclose()
    assert stream.closed


async def test_the_deadline_ends_a_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the deadline the text so far ends with DEADLINE, and the usage has the whole time."""
    clock = LoopClock(monkeypatch)
    monkeypatch.setattr("fimls.engines.http.engine.time", clock)
    server, stream = unfinished("aaa", lambda: clock.put_forward(3600))
    sampling = SamplingParams(max_tokens=1000, deadline_ms=3_600_000)
    deltas = await collect(await connect(server), sampling=sampling)
    assert ("aaa", FinishReason.DEADLINE) == (text_of(deltas), deltas[-1].finish_reason)
    assert stream.closed
    usage = deltas[-1].usage
    assert usage is not None
    assert usage.ttft_ms is not None
    assert usage.ttft_ms < 3_600_000 <= usage.total_ms


async def test_the_deadline_holds_while_nothing_answers() -> None:
    """It also ends a wait for the first token, retries included."""
    server = failing_first([httpx.ConnectError("refused")] * 100)
    engine = await connect(server)
    engine._client._retry = RetryPolicy(attempts=100, base_ms=1000)
    deltas = await collect(engine, sampling=SamplingParams(deadline_ms=60))
    assert [FinishReason.DEADLINE] == [delta.finish_reason for delta in deltas]


async def test_a_closed_engine_ends_what_runs_and_refuses_more() -> None:
    """Closing fails the running generation and later ones, and can be repeated."""
    silent = asyncio.Event()
    server, stream = unfinished("a", silent.set)
    engine = await connect(server)
    running = asyncio.create_task(collect(engine))
    await silent.wait()
    await engine.aclose()
    await engine.aclose()
    with pytest.raises(EngineDeadError):
        await running
    assert stream.closed
    with pytest.raises(EngineDeadError):
        await collect(engine)


# ------------------------------------------------------------------------------- connecting


@pytest.mark.parametrize(
    "address",
    [
        "ftp://host",
        "host:80",
        "http://",
        "http://me:pw@host/v1",
        "http://host?key=1",
        "http://host:port",
    ],
)
async def test_addresses_that_are_refused(address: str) -> None:
    """Only bare http and https addresses are taken, and a password in one isn't repeated."""
    with pytest.raises(ConfigError) as caught:
        await HttpEngine.connect(address, manifest=MANIFEST, tokenizer=TOKENIZER)
    assert "pw" not in str(caught.value)


async def test_an_unknown_model_names_those_served() -> None:
    """Asking for a model that isn't served says which are; an alias is served."""
    with pytest.raises(UnknownModelError, match="nope") as caught:
        await connect(answering("x"), model="nope")
    assert "llama" in caught.value.hint
    assert "l" == (await connect(answering("x"), model="l")).model


async def test_a_model_with_other_control_ids_is_refused() -> None:
    """A server whose model would read the prompt's control ids differently isn't used."""
    server = answering("x")
    server.control_ids = [1, 2, 3]
    with pytest.raises(ModelError, match=r"\[1, 2, 3\] instead of"):
        await connect(server)


async def test_no_server() -> None:
    """Connecting to nothing fails with the address and a hint."""

    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9.*refused") as caught:
        await connect(refuse)
    assert caught.value.hint
