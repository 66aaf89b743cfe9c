"""The engine protocol: all that the pipeline knows of what runs the model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from fimls.fim import Manifest, Tokenizer
from fimls.types import CancelToken, Delta, Prompt, SamplingParams


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do. ``fimls doctor`` prints it; nothing is guessed from a wrong result."""

    token_ids: bool
    """Takes token ids. Otherwise the prompt is sent as text, where control tokens in the source
    can't be told from real ones: the engine must refuse them."""
    healing: bool
    """Can constrain the first tokens to ``Prompt.healing``."""
    logprobs: bool
    """Reports log-probabilities."""
    prefix_reuse: bool
    """Keeps keys and values between requests."""
    candidates: int
    """The most generations for one request."""
    adapters: bool
    """Can load a LoRA adapter."""


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

        It has some text beyond ``Prompt.healing``. A middle is never empty, neither in training nor
        where somebody asks for one, and right after a line's end a model that reads the suffix
        first can't tell where the prefix ended. The log-probabilities are the model's own all the
        same, so they show where it thought an end likelier. (The ``http`` engine does so as far as
        its server can be asked to.)

        Cancelling (the token, closing the iterator, or cancelling the awaiting task) frees the
        engine within 50 ms while it decodes, and within one prefill chunk (150 ms) before that. An
        engine never cancels the caller's token, which says whether the request was superseded.

        Raises:
            CapabilityError: the prompt or the sampling needs what ``capabilities`` denies.
            EngineError: the engine failed at this request. EngineDeadError: and at every later one.
        """
        ...

    async def aclose(self) -> None:
        """Stop all generations and free the model. Idempotent."""
        ...
