"""Decoding with a transformers model: prefill in chunks, a cache that is cropped, one batch of
candidates.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fimls.engines.candidate import ByteConstraint, CandidateText, candidate_sampling
from fimls.engines.torch.network import library
from fimls.fim import Tokenizer
from fimls.types import (
    CancelToken,
    Delta,
    EngineError,
    FinishReason,
    ModelError,
    Prompt,
    SamplingParams,
    Usage,
)

# A cancel waits for one chunk at most, and must not wait longer than 150 ms.
_CHUNK_MS = 100.0
_MIN_CHUNK_TOKENS, _MAX_CHUNK_TOKENS = 16, 512
_FIRST_CHUNK_TOKENS = 32

Item = Delta | Exception | None
"""What a generation comes to, piece by piece; None: it has ended, and there is no more."""


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt on its way through the decoder."""

    prompt: Prompt
    sampling: SamplingParams
    cancel: CancelToken
    started: float
    """The time by ``time.monotonic()``."""
    put: Callable[[Item], None]
    """Hands over an item, from any thread."""

    def interrupted(self) -> FinishReason | None:
        """Why to stop now, if there is a reason."""
        if self.cancel.cancelled:
            return FinishReason.CANCEL
        deadline_ms = self.sampling.deadline_ms
        if deadline_ms is not None and self.elapsed_ms() >= deadline_ms:
            return FinishReason.DEADLINE
        return None

    def elapsed_ms(self) -> float:
        """Milliseconds since the request came."""
        return (time.monotonic() - self.started) * 1000


class Decoder:
    """The model and its cache. ``serve`` runs in the worker thread, and nothing else does.

    ``_cache`` holds the keys and values of exactly ``_cached_ids``.
    """

    def __init__(self, network: Any, tokenizer: Tokenizer, chunk_tokens: int | None) -> None:
        self._torch = library("torch")
        self._transformers = library("transformers")
        self._network = network
        self._tokenizer = tokenizer
        self._constraint = ByteConstraint(tokenizer)
        # A quantized model's adapter wraps it, and its own forward names neither keyword.
        inner = network.get_base_model() if hasattr(network, "get_base_model") else network
        parameters = inspect.signature(inner.forward).parameters
        # transformers 5.24 renamed it; one that forward doesn't name would vanish in its **kwargs.
        self._cache_keyword = "cache" if "cache" in parameters else "past_key_values"
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}
        # Sliding windows and recurrent states forget: such a cache can't go back to a prefix.
        layer = self._transformers.cache_utils.DynamicLayer
        self.plain_cache = all(type(one) is layer for one in self._new_cache().layers)
        self._cache = self._new_cache()
        self._cached_ids: list[int] = []
        self._chunk_is_fixed = chunk_tokens is not None
        self._chunk_tokens = chunk_tokens or _FIRST_CHUNK_TOKENS
        self._warm_up()

    def serve(self, request: Request) -> None:
        """Generate, and hand over every delta, or the exception that ended it."""
        try:
            with self._torch.inference_mode():
                self._generate(request)
        except Exception as error:  # noqa: BLE001 - the event loop's side raises it
            self._forget()
            request.put(error)
        else:
            request.put(None)

    def free(self) -> None:
        """Let the memory go; the decoder can't be used again."""
        self._network = None
        self._forget()
        if self._torch.cuda.is_available():
            self._torch.cuda.empty_cache()

    def _generate(self, request: Request) -> None:
        prompt, sampling = request.prompt, request.sampling
        rows = [
            _Row(index, request, self._tokenizer, self._constraint, self._network.device)
            for index in range(sampling.candidates)
        ]
        self._require_room(len(prompt.token_ids) + sampling.max_tokens)
        usage = Usage(prompt_tokens=len(prompt.token_ids), reused_tokens=self._reuse(prompt))
        logits = self._prefill(request)
        if logits is None or sampling.max_tokens < 1:
            self._finish(rows, request.interrupted() or FinishReason.LENGTH, usage, request)
            return
        cache = self._cache if len(rows) == 1 else self._branch(len(rows))
        logits = logits.expand(len(rows), -1)
        while not (reason := request.interrupted()):
            deltas = [row.step(logits[at]) for at, row in enumerate(rows)]
            going = [at for at, delta in enumerate(deltas) if delta.finish_reason is None]
            if usage.ttft_ms is None:
                usage = replace(usage, ttft_ms=request.elapsed_ms())
                # Also on the first token's delta: a caller may have enough before the last.
                deltas[0] = replace(deltas[0], usage=usage)
            if not going:
                usage = replace(usage, total_ms=request.elapsed_ms())
                deltas[-1] = replace(deltas[-1], usage=usage)
            for delta in deltas:
                request.put(delta)
            if not going:
                return
            if len(going) < len(rows):
                rows = [rows[at] for at in going]
                cache.batch_select_indices(self._torch.tensor(going, device=self._network.device))
            tokens = [row.last_id for row in rows]
            logits = self._forward([[token] for token in tokens], cache)
            if cache is self._cache:
                self._cached_ids += tokens
        self._finish(rows, reason, usage, request)

    def _finish(
        self, rows: list[_Row], reason: FinishReason, usage: Usage, request: Request
    ) -> None:
        usage = replace(usage, total_ms=request.elapsed_ms())
        for row in rows:
            delta = row.end(reason)
            request.put(replace(delta, usage=usage) if row is rows[-1] else delta)

    def _reuse(self, prompt: Prompt) -> int:
        """Crop the cache to what it shares with ``prompt``; the number of tokens kept.

        The prompt's last token is always computed, since its logits are the first that are needed.
        """
        pairs = zip(self._cached_ids, prompt.token_ids[:-1], strict=False)
        kept = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        if not self.plain_cache or kept == 0:
            self._forget()
            return 0
        self._cache.crop(kept - len(self._cached_ids))
        del self._cached_ids[kept:]
        return kept

    def _prefill(self, request: Request) -> Any:
        """Logits of shape [1, vocabulary] after the prompt, or None if interrupted."""
        ids = request.prompt.token_ids
        logits = None
        while len(self._cached_ids) < len(ids):
            if request.interrupted():
                return None
            start = len(self._cached_ids)
            chunk = list(ids[start : start + self._chunk_tokens])
            logits = self._timed_forward(chunk)
            self._cached_ids += chunk
        return logits

    def _timed_forward(self, chunk: list[int]) -> Any:
        """Read a chunk of the prompt, and learn from it how long the next may be."""
        began = time.monotonic()
        logits = self._forward([chunk], self._cache)
        if logits.is_cuda:  # else chunks would only queue up, and a cancel wait for all of them
            self._torch.cuda.synchronize(logits.device)
        if not self._chunk_is_fixed and len(chunk) == self._chunk_tokens:
            tokens = int(len(chunk) * _CHUNK_MS / 1000 / (time.monotonic() - began))
            tokens = min(tokens, 2 * len(chunk), _MAX_CHUNK_TOKENS)
            self._chunk_tokens = max(tokens, _MIN_CHUNK_TOKENS)
        return logits

    def _forward(self, rows: Sequence[list[int]], cache: Any) -> Any:
        """Logits of shape [rows, vocabulary] after each row's last token, in float32."""
        ids = self._torch.tensor(rows, device=self._network.device)
        keywords = {self._cache_keyword: cache, **self._last_only}
        output = self._network(input_ids=ids, use_cache=True, **keywords)
        return output.logits[:, -1, :].float()

    def _branch(self, rows: int) -> Any:
        """The cache, repeated for ``rows`` candidates; the original stays as it is."""
        branch = copy.copy(self._cache)
        branch.layers = [copy.copy(layer) for layer in self._cache.layers]
        branch.batch_repeat_interleave(rows)
        return branch

    def _forget(self) -> None:
        """Start again from an empty cache."""
        self._cached_ids = []
        self._cache = None if self._network is None else self._new_cache()

    def _new_cache(self) -> Any:
        return self._transformers.DynamicCache(config=self._network.config)

    def _warm_up(self) -> None:
        """Load kernels and allocate buffers now rather than under the first keystroke.

        Raises:
            ModelError: the model leaves the cache that it is given empty.
        """
        cache = self._new_cache()
        with self._torch.inference_mode():
            self._forward([[0] * _MIN_CHUNK_TOKENS], cache)
        if self.plain_cache and cache.get_seq_length() != _MIN_CHUNK_TOKENS:
            raise ModelError(
                f"{type(self._network).__name__} ignores the cache it is given "
                f"({self._cache_keyword}=): each token would be generated without the prompt",
                hint="install a version of transformers that fimls supports (fimls doctor)",
            )

    def _require_room(self, tokens: int) -> None:
        limit = getattr(self._network.config, "max_position_embeddings", None)
        if limit is not None and tokens > limit:
            raise EngineError(
                f"prompt and generation have {tokens} tokens, the model's context {limit}",
                hint="lower the prefix, suffix and snippet budgets",
            )


class _Row:
    """One candidate: how its tokens are chosen, and what they say."""

    def __init__(
        self,
        index: int,
        request: Request,
        tokenizer: Tokenizer,
        constraint: ByteConstraint,
        device: Any,
    ) -> None:
        self._torch = library("torch")
        self._index = index
        self._stop_ids = request.prompt.stop_token_ids
        self._left = request.sampling.max_tokens
        self._top_p = request.sampling.top_p
        self._temperature, seed = candidate_sampling(request.sampling, index)
        self._generator = self._torch.Generator(device=device).manual_seed(seed)
        self._tokenizer = tokenizer
        self._constraint = constraint
        self._healing_left = request.prompt.healing.encode()
        self._nothing_new = True  # nothing was produced but healed text
        self._text = CandidateText(tokenizer, request.prompt.healing)
        self.last_id = -1

    def step(self, logits: Any) -> Delta:
        """Choose the next token from ``logits`` of shape [vocabulary]."""
        token = self._choose(self._constrained(logits))
        if token in self._stop_ids:
            return self.end(FinishReason.STOP)
        self.last_id = token
        token_bytes = self._tokenizer.token_bytes(token)
        self._nothing_new &= len(token_bytes) <= len(self._healing_left)
        self._healing_left = self._healing_left[len(token_bytes) :]
        self._left -= 1
        delta = Delta(
            index=self._index,
            token_ids=(token,),
            text=self._text.push_ids([token]),
            # Of the model's own distribution: neither constraint nor temperature changes it.
            logprobs=(self._torch.log_softmax(logits, dim=-1)[token].item(),),
        )
        if self._left > 0:
            return delta
        text = delta.text + self._text.flush()
        return replace(delta, text=text, finish_reason=FinishReason.LENGTH)

    def end(self, reason: FinishReason) -> Delta:
        """The last delta, without a token."""
        return Delta(index=self._index, text=self._text.flush(), finish_reason=reason)

    def _constrained(self, logits: Any) -> Any:
        if not self._healing_left:
            return self._without_stops(logits) if self._nothing_new else logits
        allowed = [one for one in self._constraint.allowed(self._healing_left) if one < len(logits)]
        if not allowed:
            raise EngineError(
                "the model's vocabulary can't spell the healed text",
                hint="turn token healing off for this model: healing = false",
            )
        index = self._torch.tensor(allowed, device=logits.device)
        constrained = self._torch.full_like(logits, -math.inf)
        constrained[index] = logits[index]
        return constrained

    def _without_stops(self, logits: Any) -> Any:
        known = [one for one in self._stop_ids if one < len(logits)]
        others = logits.clone()
        others[self._torch.tensor(known, device=logits.device, dtype=self._torch.long)] = -math.inf
        return others

    def _choose(self, logits: Any) -> int:
        """Greedy, or a draw from the nucleus (Holtzman et al. 2020)."""
        if self._temperature == 0:
            return int(logits.argmax())
        probabilities = self._torch.softmax(logits / self._temperature, dim=-1)
        if self._top_p < 1:
            ordered, order = probabilities.sort(descending=True)
            outside = ordered.cumsum(dim=-1) - ordered >= self._top_p
            probabilities[order[outside]] = 0
        drawn = self._torch.multinomial(probabilities, 1, generator=self._generator)
        return int(drawn)
