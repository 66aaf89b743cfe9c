"""The frozen values that flow through fimls, and its exceptions. Standard library only.

serving::

    Document + offset -> CompletionContext -> Prompt + SamplingParams
        -> Delta... -> Generation -> Completion, or a reason for none

exceptions::

    FimlsError                    every failure fimls explains; ``hint`` says what to do
    +-- ConfigError               a setting that is unknown or out of range
    +-- DocumentError             a file that can't be read as text, or a position outside it
    +-- ModelError                a model that is unknown or unusable
    |   +-- UnknownModelError
    |   +-- ModelMissingError     known, but not fetched yet
    |   +-- AdapterMismatchError  adapter and base, format or tokenizer don't fit
    +-- StoreError                the model store could not do its work
    |   +-- DownloadError         no source could deliver the bytes
    |   +-- HashMismatchError     bytes came, but not the promised ones
    +-- PromptError               a prompt that can't be built (budget, missing control token)
    +-- EngineError               an engine failed; the server lives on
        +-- EngineDeadError       the engine can't be used again without a restart
        +-- CapabilityError       the engine can't do what was asked of it
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


class FimlsError(Exception):
    """A failure fimls can explain. ``str(error)`` says what and where; ``hint`` what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(FimlsError):
    """A setting is unknown, of the wrong type, out of range or not allowed from its source."""


class DocumentError(FimlsError):
    """A file can't be read as text, or a position is outside it."""


class ModelError(FimlsError):
    """A model is unknown or unusable."""


class UnknownModelError(ModelError):
    """No model of that name or path; the hint names the nearest."""


class ModelMissingError(ModelError):
    """The model is known but its bytes are not on this machine; the hint names ``fimls pull``."""


class AdapterMismatchError(ModelError):
    """An adapter was trained for another base, format or tokenizer. The message names both."""


class StoreError(FimlsError):
    """The model store failed: disk full, no permission, corrupt entry."""


class DownloadError(StoreError):
    """No source could deliver the bytes."""


class HashMismatchError(StoreError):
    """A source delivered bytes with another SHA-256. Nothing was kept."""


class PromptError(FimlsError):
    """A prompt can't be built: the budget is too small or the format doesn't fit the tokenizer."""


class EngineError(FimlsError):
    """An engine failed at a request."""


class EngineDeadError(EngineError):
    """An engine can't serve again without being restarted."""


class CapabilityError(EngineError):
    """The engine does not declare the capability that a request needs."""


class Mode(str, enum.Enum):
    """How much to complete: the rest of the line, or as many lines as belong."""

    SINGLE = "single"
    MULTI = "multi"


class FinishReason(str, enum.Enum):
    """Why a generation ended."""

    STOP = "stop"  # the model emitted one of the prompt's stop tokens
    LENGTH = "length"  # max_tokens reached
    CANCEL = "cancel"  # the caller lost interest, or had enough
    DEADLINE = "deadline"  # time ran out; what there is, is whole tokens


class Suppressed(str, enum.Enum):
    """Why nothing is shown.

    The reason may also be a string that nothing compares: the name of the post-processing step that
    left nothing, why a file is excluded, or an error's message.
    """

    SUPERSEDED = "superseded"  # by a later request for the same document
    CANCELLED = "cancelled by the editor"
    ON_DEMAND = "on demand only"
    EXCLUDED = "path excluded"
    MID_LINE = "code after the cursor"
    EMPTY = "empty"  # the model itself wrote nothing
    LATE = "nothing finished in time"
    UNLIKELY = "unlikely"
    NOTHING_TO_ADD = "nothing to add"

    __str__ = str.__str__  # for messages


@dataclass(frozen=True, slots=True)
class Document:
    """A snapshot of an open document: an edit makes a new one."""

    uri: str
    language_id: str
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Snippet:
    """A chunk of another file that goes into the prompt."""

    path: str
    """Relative to the workspace, with forward slashes."""

    text: str
    score: float = 0.0
    """The retriever's: higher is better."""

    source: str = ""
    """Which retriever found it, for ``fimls why``."""


@dataclass(frozen=True, slots=True)
class CompletionContext:
    """All that a prompt is built from; training stores the same object with the middle removed."""

    prefix: str
    """The whole text before the cursor: budgets are applied later."""

    suffix: str
    """The whole text after the cursor."""

    path: str = ""
    """Relative to the workspace, or a bare file name."""

    language_id: str = ""
    snippets: tuple[Snippet, ...] = ()
    """In prompt order: the least useful first, so that the best is nearest to the code."""

    mode: Mode = Mode.SINGLE


class PartKind(str, enum.Enum):
    """What a run of prompt tokens is; ``fimls prompt`` gives each its colour."""

    CONTROL = "control"
    SNIPPET = "snippet"
    PATH = "path"
    PREFIX = "prefix"
    SUFFIX = "suffix"


@dataclass(frozen=True, slots=True)
class PromptPart:
    """``token_ids[start:end]`` of a prompt is one part."""

    kind: PartKind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an engine gets."""

    token_ids: tuple[int, ...]
    """The whole prompt, with control ids, and with BOS where the format has one."""

    stop_token_ids: frozenset[int]
    """Any of them ends the generation and is not part of its text."""

    healing: str = ""
    """Text cut from the prefix's end, "" if nothing was cut. The generation must begin with exactly
    this text, and the engine leaves it out of the text that it reports."""

    parts: tuple[PromptPart, ...] = ()
    """Cover ``token_ids`` without gaps, in order."""

    prefix_start: int = 0
    """The prompt contains the context's ``prefix[prefix_start:]``, in code points."""

    suffix_end: int = 0
    """The prompt contains the context's ``suffix[:suffix_end]``, in code points."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to sample."""

    max_tokens: int = 64
    """Of generated tokens, the healed ones included."""

    temperature: float = 0.0
    """0 is greedy."""

    top_p: float = 1.0
    """Nucleus sampling, in (0, 1]."""

    candidates: int = 1
    """How many generations, told apart by ``Delta.index``. With more than one, candidate 0 is
    greedy and the others are sampled (at ``temperature``, or at 0.6 where that is 0)."""

    seed: int = 0
    """Makes sampling repeatable on one engine."""

    deadline_ms: float | None = None
    """From the call; the generation then ends with ``FinishReason.DEADLINE``. None: never."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost."""

    prompt_tokens: int = 0
    reused_tokens: int | None = None
    """Prompt tokens whose keys and values were cached; None where the engine can't tell."""

    ttft_ms: float | None = None
    """From the call to the first token; None before it."""

    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of one candidate, as soon as it exists."""

    index: int = 0
    """Which candidate."""

    token_ids: tuple[int, ...] = ()
    text: str = ""
    """The new text; "" while a multi-byte character or the healed text is incomplete."""

    logprobs: tuple[float, ...] = ()
    """Natural logarithms, one for each token id; empty where the engine has none."""

    finish_reason: FinishReason | None = None
    """Set on the candidate's last delta."""

    usage: Usage | None = None
    """Set on the request's first delta with tokens, when the prompt's cost is known, and on its
    last."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One candidate's raw result: all its deltas joined."""

    token_ids: tuple[int, ...]
    text: str
    logprobs: tuple[float, ...]
    """One for each token id, or empty."""

    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class Completion:
    """What is shown: ``text`` replaces the document's ``start:end`` (offsets in code points)."""

    id: str
    text: str
    start: int
    end: int
    confidence: float | None = None
    """The mean token probability in (0, 1]; None where the engine has no log-probabilities."""


@dataclass(frozen=True, slots=True)
class CompletionResult:
    """The pipeline's answer."""

    completions: tuple[Completion, ...] = ()
    """Best first."""

    suppressed: str | None = None
    """Why there are no completions (see :class:`Suppressed`); None if there are some."""

    prompt: Prompt | None = None
    """What the engine was asked; None where it wasn't."""

    generations: tuple[Generation, ...] = ()
    """What it wrote, one for each candidate, the greedy one first."""

    usage: Usage = field(default_factory=Usage)
    finish_reason: FinishReason | None = None
    """Of the greedy candidate."""

    mode: Mode = Mode.SINGLE


class CancelToken:
    """Tells a generation to stop. Thread-safe, one-way; engines check it for every token."""

    __slots__ = ("_callbacks", "_event", "_lock")

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []

    def cancel(self) -> None:
        """Ask the generation to stop; the second and later calls do nothing."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._event.is_set()

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Call ``callback``, which must be quick, in the thread that cancels; at once if late."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()
