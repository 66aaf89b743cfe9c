"""The wire: what completion servers are sent, and what they stream back.

Server-sent events are split here because httpx also splits lines at U+2028, which a JSON string of
generated code may contain.

Three kinds of servers. llama-server's own ``/completion`` takes and returns ids and constrains a
generation by a grammar. vLLM's ``/v1/completions`` takes and returns ids. Of any other server, only
OpenAI's original ``/v1/completions`` is assumed: text, and no ids back.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fimls.engines.candidate import candidate_sampling
from fimls.fim import Tokenizer
from fimls.types import CapabilityError, EngineError, FinishReason, Prompt, SamplingParams

OPENAI_PATH = "/v1/completions"

Json = Mapping[str, Any]

_MAX_EVENT_BYTES = 1 << 20
# OpenAI's own limit. Clients check all stop strings anyway: a server that knows some saves work.
_MAX_STOP_STRINGS = 4
_TOKEN_ID = re.compile(r"token_id[:_](\d+)")


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of a stream."""

    text: str = ""
    token_ids: tuple[int, ...] = ()
    """Empty where the server doesn't return ids, or not all of this chunk's."""
    logprobs: tuple[float, ...] = ()
    """One for each of ``token_ids``, or empty."""
    finish: FinishReason | None = None
    """Why the server ended the generation; None: it goes on."""
    reused_tokens: int | None = None
    """Prompt tokens that the server had cached; None: it doesn't say."""
    last: bool = False
    """Whether nothing of interest follows."""


Reader = Callable[[Json], Chunk]


class Wire(Protocol):
    """How one kind of server is spoken to."""

    @property
    def path(self) -> str:
        """Where requests are posted."""
        ...

    @property
    def ids_in(self) -> bool:
        """Whether prompts are sent as token ids; otherwise as text."""
        ...

    @property
    def ids_out(self) -> bool:
        """Whether generated token ids come back."""
        ...

    def body(self, prompt: Prompt, sampling: SamplingParams, index: int) -> dict[str, Any]:
        """The request for candidate ``index``, streaming."""
        ...

    def reader(self) -> Reader:
        """A parser for the events of one stream.

        It raises KeyError, TypeError, ValueError or IndexError for an event of another shape.
        """
        ...


@dataclass(frozen=True, slots=True)
class LlamaServerWire:
    """llama.cpp's ``/completion``: its OpenAI endpoint neither returns ids nor takes samplers."""

    model: str
    path: str = "/completion"
    ids_in: bool = True
    ids_out: bool = True

    def body(self, prompt: Prompt, sampling: SamplingParams, index: int) -> dict[str, Any]:
        """See :class:`Wire`."""
        temperature, seed = candidate_sampling(sampling, index)
        body: dict[str, Any] = {
            "model": self.model,
            "prompt": list(prompt.token_ids),
            "n_predict": sampling.max_tokens,
            "temperature": temperature,
            "top_p": sampling.top_p,
            "seed": seed % 0xFFFFFFFF,  # 0xFFFFFFFF asks for a random seed
            # Only what SamplingParams names: the server's defaults add top-k, min-p and penalties.
            "samplers": ["temperature", "top_p"],
            "n_probs": 1,
            "return_tokens": True,
            "timings_per_token": True,  # the reuse count, even for a stream that is cut short
            "cache_prompt": True,
            "stream": True,
        }
        if prompt.healing:
            body["grammar"] = healing_grammar(prompt.healing)
        return body

    def reader(self) -> Reader:
        """See :class:`Wire`."""
        predicted = 0

        def read(event: Json) -> Chunk:
            # The bytes of an incomplete character are held back, and with them the ids of all its
            # tokens but the last: ids are reported only when as many came as were generated.
            nonlocal predicted
            new = int(event.get("tokens_predicted", predicted)) - predicted
            predicted += new
            ids = tuple(int(token) for token in event.get("tokens") or ())
            if len(ids) != new:
                ids = ()
            probabilities = event.get("completion_probabilities") or ()
            logprobs = tuple(float(entry["logprob"]) for entry in probabilities)
            finish = None
            if event["stop"]:
                limit = event.get("stop_type") == "limit"
                finish = FinishReason.LENGTH if limit else FinishReason.STOP
            return Chunk(
                text=event["content"],
                token_ids=ids,
                logprobs=logprobs if len(logprobs) == len(ids) else (),
                finish=finish,
                reused_tokens=(event.get("timings") or {}).get("cache_n"),
                last=finish is not None,
            )

        return read


@dataclass(frozen=True, slots=True)
class OpenAiWire:
    """``/v1/completions``, as text or as ids, with vLLM's additions where the server is one."""

    model: str
    tokenizer: Tokenizer
    vllm: bool = False
    ids_in: bool = False
    ids_out: bool = False
    path: str = OPENAI_PATH

    def body(self, prompt: Prompt, sampling: SamplingParams, index: int) -> dict[str, Any]:
        """See :class:`Wire`.

        Raises:
            CapabilityError: as :func:`prompt_text`, where the server takes no ids.
        """
        temperature, seed = candidate_sampling(sampling, index)
        stop_ids = sorted(prompt.stop_token_ids)  # end-of-text tokens have the lowest control ids
        as_ids = self.ids_in
        body: dict[str, Any] = {
            "model": self.model,
            "prompt": [*prompt.token_ids] if as_ids else prompt_text(prompt, self.tokenizer),
            "max_tokens": sampling.max_tokens,
            "temperature": temperature,
            "top_p": sampling.top_p,
            "seed": seed,
            "stream": True,
        }
        if not self.ids_out:
            stops = stop_ids[:_MAX_STOP_STRINGS]
            body["stop"] = [self.tokenizer.decode([stop]) for stop in stops]
        if self.vllm:
            body |= {
                "stop_token_ids": stop_ids,
                "logprobs": 1,
                "return_tokens_as_token_ids": True,
                "stream_options": {"include_usage": True},
                # vLLM takes defaults for these from the model's generation_config.json.
                "top_k": -1,
                "min_p": 0.0,
                "min_tokens": 1,
                "repetition_penalty": 1.0,
            }
        return body

    def reader(self) -> Reader:
        """See :class:`Wire`."""
        return self._read

    def _read(self, event: Json) -> Chunk:
        details = (event.get("usage") or {}).get("prompt_tokens_details") or {}
        reused = details.get("cached_tokens")
        choices = event["choices"]
        if not choices:  # the last event of a stream with usage
            return Chunk(reused_tokens=reused)
        choice = choices[0]
        finish = {None: None, "length": FinishReason.LENGTH}.get(
            choice.get("finish_reason"), FinishReason.STOP
        )
        logprobs = (choice.get("logprobs") or {}) if self.ids_out else {}
        return Chunk(
            text=choice["text"],
            token_ids=tuple(map(token_id, logprobs.get("tokens") or ())),
            logprobs=tuple(map(float, logprobs.get("token_logprobs") or ())),
            finish=finish,
            reused_tokens=reused,
        )


def token_id(token: str) -> int:
    """The id in vLLM's ``token_id:ID``.

    Raises:
        ValueError: ``token`` is something else.
    """
    if match := _TOKEN_ID.fullmatch(token):
        return int(match[1])
    raise ValueError("not of the form token_id:ID")


def healing_grammar(healing: str) -> str:
    """A GBNF grammar of the texts that begin with ``healing`` and go on; code points, so no
    escaping.
    """
    literal = "".join(f"\\U{ord(character):08X}" for character in healing)
    return f'root ::= "{literal}" [\\x00-\\U0010FFFF]+'


def prompt_text(prompt: Prompt, tokenizer: Tokenizer) -> str:
    """A prompt as text, for a server that takes no ids.

    Raises:
        CapabilityError: the source contains a control token's text, which the server would take for
            the control token itself.
    """
    text = tokenizer.decode(prompt.token_ids)
    for token, control_id in tokenizer.control_tokens.items():
        if token.strip() and text.count(token) != prompt.token_ids.count(control_id):
            raise CapabilityError(
                f"the code around the cursor contains the control token {token}, and this server "
                "takes prompts only as text, where it can't be told from a real one",
                hint="use a server that takes token ids: llama-server or vLLM",
            )
    return text


class StopStrings:
    """Ends a streamed text before the first of several strings.

    What could be the beginning of one is held back until the next piece decides.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that is certain now, and whether a stop string followed it."""
        text = self._held + text
        starts = [start for stop in self._stops if (start := text.find(stop)) >= 0]
        if starts:
            self._held = ""
            return text[: min(starts)], True
        held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held], False

    def flush(self) -> str:
        """What is still held back, at the end of the text."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many of ``stop``'s first characters end ``text``; never all of them."""
    longest = min(len(stop) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)


async def server_sent_events(chunks: AsyncIterable[bytes]) -> AsyncIterator[Json]:
    r"""The JSON objects of a ``text/event-stream``, up to ``[DONE]`` or the stream's end.

    Lines are split at ``\n`` alone, from bytes: ``httpx`` and ``str.splitlines`` also split at
    U+2028 and form feed.

    Raises:
        EngineError: an event isn't a JSON object, is an error, or is too long. The message never
            quotes an event, which may repeat code.
    """
    data: list[bytes] = []
    async for line in _lines(chunks):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field in (b"data", b"error"):  # llama-server once sent errors as a field of that name
            data.append(value)
        if line or not data:
            continue
        text = b"\n".join(data)
        data = []
        if text == b"[DONE]":
            return
        yield _event(text)


def _event(text: bytes) -> Json:
    try:
        event = json.loads(text)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise EngineError(
            "the server's stream is malformed: an event is not a JSON object",
            hint="check that the address is a completion server's and no page or proxy answers",
        )
    if (error := event.get("error")) is not None:
        error = error if isinstance(error, dict) else {}
        code = error.get("code")
        raise EngineError(
            f"the server failed while generating (code {code if isinstance(code, int) else '?'})",
            hint="the server's own log says why",
        )
    return event


async def _lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Lines without their ends; an unfinished last line is dropped, as the standard has it."""
    buffer = b""
    async for chunk in chunks:
        *lines, buffer = (buffer + chunk).split(b"\n")
        if len(buffer) > _MAX_EVENT_BYTES:
            raise EngineError(
                f"the server's stream is malformed: an event exceeds {_MAX_EVENT_BYTES} bytes",
                hint="check that the address is a completion server's",
            )
        for line in lines:
            yield line.removesuffix(b"\r")
