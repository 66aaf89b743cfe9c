"""The engine protocol: the one seam between the pipeline and whatever runs the model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from fimls.fim import Manifest, Tokenizer
from fimls.types import CancelToken, Delta, Prompt, SamplingParams


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do. ``fimls doctor`` prints it; nothing is guessed from a wrong result.

    token_ids: takes token ids; otherwise the prompt is sent as text, a degraded mode in which
        control tokens in source can't be told from real ones (the engine must then refuse them).
    healing: can constrain the first tokens to ``Prompt.healing``.
    logprobs: reports log-probabilities. prefix_reuse: keeps keys and values between requests.
    candidates: the most generations for one request. adapters: can load a LoRA adapter.
    """

    token_ids: bool
    healing: bool
    logprobs: bool
    prefix_reuse: bool
    candidates: int
    adapters: bool


class Engine(Protocol):
    """Runs prompts. Implementations: ``openvino``, ``torch``, ``http``, ``scripted``.

    One engine may be called concurrently from one event loop; it queues or batches by itself.
    """

    name: str
    model: str
    capabilities: Capabilities
    manifest: Manifest
    tokenizer: Tokenizer

    def generate(
        self, prompt: Prompt, sampling: SamplingParams, cancel: CancelToken
    ) -> AsyncGenerator[Delta, None]:
        """Stream the generation token by token.

        It has some text beyond ``Prompt.healing``: a middle is never empty, neither those that a
        model learns nor one that somebody asks for, and right behind a line's end a model can't
        tell, suffix first, where the prefix ended. The log-probabilities are those of the model
        all the same, so that an end which it thought likelier shows in them. (A server behind the
        ``http`` engine does so as far as it can be asked to.)

        Cancelling (the token, closing the iterator, or cancelling the awaiting task) frees the
        engine within 50 ms while decoding and within one prefill chunk (150 ms) before. An engine
        never cancels the caller's token itself: it says whether the request was superseded.

        Raises:
            CapabilityError: the prompt or the sampling needs what ``capabilities`` denies.
            EngineError: the engine failed at this request. EngineDeadError: and at every later one.
        """
        ...

    async def aclose(self) -> None:
        """Stop all generations and free the model. Idempotent."""
        ...
