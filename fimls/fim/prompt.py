"""``build_prompt``: from a context to token ids, for training, serving and evaluation alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fimls.fim.formats import FimFormat, Layout, Order, PathPlace, Slot
from fimls.fim.healing import split_for_healing
from fimls.fim.manifest import Manifest
from fimls.fim.tokenizer import Tokenizer
from fimls.fim.window import prefix_window, suffix_window
from fimls.syntax import get_language
from fimls.types import CompletionContext, PartKind, Prompt, PromptError, PromptPart, Snippet

# The most characters that a token of code takes, on average.
_CHARS_PER_TOKEN = 4

IGNORED_LABEL = -100
"""Where a label has this value, no loss is taken (PyTorch's ``ignore_index``)."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most tokens for each part of a prompt.

    Control tokens and the edited file's path come on top; the snippets' paths do not.
    """

    prefix_tokens: int = 512
    suffix_tokens: int = 256
    snippet_tokens: int = 256

    def reach(self, offset: int) -> tuple[int, int]:
        """How far a prompt's window may reach around an offset: no snippet has to repeat that.

        Returns where it starts in the text before the offset, and where it ends in the text after
        it, in code points.
        """
        start = max(0, offset - self.prefix_tokens * _CHARS_PER_TOKEN)
        return start, self.suffix_tokens * _CHARS_PER_TOKEN


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """A training example."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    """``input_ids`` with the prompt masked by -100, so that the loss falls on the middle and its
    end token alone; of the same length."""


@dataclass(frozen=True, slots=True)
class PromptBuilder:
    """The format, order, budget and tokenizer that a model is served or trained with.

    Raises:
        PromptError: at construction: the format has no such order, or the tokenizer lacks one of
            the format's control tokens.
    """

    format: FimFormat
    tokenizer: Tokenizer
    budget: Budget = Budget()
    order: Order = Order.SPM
    healing: bool = True
    """Whether the prefix is cut back to a token boundary, which needs an engine that can constrain
    its first tokens."""

    def __post_init__(self) -> None:
        if self.order not in self.format.layouts:
            raise PromptError(
                f"the format {self.format.name} can't be served in {self.order.value} order",
                hint=f"use order = {self.format.default_order.value!r}",
            )
        required = [*self.format.layout_tokens, self.format.end]
        missing = [token for token in required if self.tokenizer.control_id(token) is None]
        if missing:
            raise PromptError(
                f"the tokenizer has no {', '.join(missing)}, which the format "
                f"{self.format.name} needs",
                hint="choose a model of that family, or an adapter trained with these tokens"
                if self.format.adds_tokens
                else "choose the format of the model's own family",
            )

    @property
    def layout(self) -> Layout:
        """Control tokens and slots in prompt order."""
        return self.format.layouts[self.order]

    @property
    def control_ids(self) -> Mapping[str, int]:
        """The ids of all of the format's control tokens that the tokenizer has."""
        row = self.format
        names = [*row.layout_tokens, row.end, *row.stops, row.bos, row.file]
        known = {name: self.tokenizer.control_id(name) for name in names if name is not None}
        return {name: index for name, index in known.items() if index is not None}

    @property
    def stop_token_ids(self) -> frozenset[int]:
        """Every control id ends a middle: none of them can be inside one."""
        return frozenset(self.control_ids.values())

    def manifest(self, *, base: str, base_sha256: str) -> Manifest:
        """The manifest of prompts built here for the model ``base``."""
        return Manifest(
            format=self.format.name,
            orders=(self.order.value,),
            control_ids=dict(sorted(self.control_ids.items())),
            tokenizer_sha256=self.tokenizer.sha256,
            base=base,
            base_sha256=base_sha256,
            budget={
                "prefix_tokens": self.budget.prefix_tokens,
                "suffix_tokens": self.budget.suffix_tokens,
                "snippet_tokens": self.budget.snippet_tokens,
            },
        )


class _Assembly:
    """A prompt in the making: its ids, and which part each run of them is."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.ids: list[int] = []
        self.parts: list[PromptPart] = []

    def control(self, token: str | None) -> None:
        index = None if token is None else self._tokenizer.control_id(token)
        if index is not None:
            self.encoded([index], PartKind.CONTROL)

    def text(self, text: str, kind: PartKind) -> None:
        self.encoded(self._tokenizer.encode(text), kind)

    def encoded(self, ids: list[int], kind: PartKind) -> None:
        if ids:
            self.parts.append(PromptPart(kind, len(self.ids), len(self.ids) + len(ids)))
            self.ids += ids


def build_prompt(context: CompletionContext, builder: PromptBuilder) -> Prompt:
    """Turn a context into token ids.

    What changes least comes first, so that an engine can reuse it longest: snippets, then (SPM) the
    suffix, then the prefix, whose end is where somebody types.

    Raises:
        PromptError: the budget leaves no room for the prefix and the suffix.
    """
    budget, tokenizer = builder.budget, builder.tokenizer
    if budget.prefix_tokens <= 0 or budget.suffix_tokens < 0 or budget.snippet_tokens < 0:
        raise PromptError(
            f"the budget {budget} leaves no room for the code before the cursor",
            hint="raise prefix_tokens",
        )
    prefix_start = prefix_window(context.prefix, budget.prefix_tokens, tokenizer)
    suffix_end = suffix_window(context.suffix, budget.suffix_tokens, tokenizer)
    prefix, healing = context.prefix[prefix_start:], ""
    if builder.healing:
        prefix, healing = split_for_healing(prefix, tokenizer)
    texts = {Slot.PREFIX: prefix, Slot.SUFFIX: context.suffix[:suffix_end]}
    kinds = {Slot.PREFIX: PartKind.PREFIX, Slot.SUFFIX: PartKind.SUFFIX}

    assembly = _Assembly(tokenizer)
    assembly.control(builder.format.bos)
    path = f"{context.path}\n" if context.path else ""
    path_in_prefix = _add_files(assembly, context, builder, path)
    for part in builder.layout:
        if isinstance(part, str):
            assembly.control(part)
            continue
        if part is Slot.PREFIX and path_in_prefix:
            assembly.text(path, PartKind.PATH)
        assembly.text(texts[part], kinds[part])
    return Prompt(
        token_ids=tuple(assembly.ids),
        stop_token_ids=builder.stop_token_ids,
        healing=healing,
        parts=tuple(assembly.parts),
        prefix_start=prefix_start,
        suffix_end=suffix_end,
    )


def _add_files(
    assembly: _Assembly, context: CompletionContext, builder: PromptBuilder, path: str
) -> bool:
    """Add what comes before the layout: the snippets, and the edited file's path.

    Returns whether the path belongs at the start of the prefix's text instead.
    """
    row = builder.format
    separator = row.file if row.file and builder.tokenizer.control_id(row.file) else None
    heading = "" if separator else _line_comment(context.language_id)
    snippets = _within_budget(context.snippets, heading, builder)
    for index, (head, body) in enumerate(snippets):
        if index or row.path is not PathPlace.ALWAYS:
            assembly.control(separator)
        assembly.encoded(head, PartKind.PATH)
        assembly.encoded(body, PartKind.SNIPPET)
    names_files = bool(snippets) and separator is not None
    if names_files:
        assembly.control(separator)
    if row.path is PathPlace.ALWAYS or (names_files and row.path is PathPlace.AFTER_FILE):
        assembly.text(path, PartKind.PATH)
    return names_files and row.path is PathPlace.BEFORE_PREFIX


def _within_budget(
    snippets: tuple[Snippet, ...], heading: str, builder: PromptBuilder
) -> list[tuple[list[int], list[int]]]:
    """The most useful whole snippets that fit, the best last: the ids of each path and text."""
    encode, left = builder.tokenizer.encode, builder.budget.snippet_tokens
    kept: list[tuple[list[int], list[int]]] = []
    for snippet in reversed(snippets):
        head = encode(f"{heading}{snippet.path}\n")
        body = encode(snippet.text if snippet.text.endswith("\n") else snippet.text + "\n")
        if len(head) + len(body) <= left:
            kept.append((head, body))
            left -= len(head) + len(body)
    return kept[::-1]


def _line_comment(language_id: str) -> str:
    language = get_language(language_id)
    return f"{(language and language.line_comment) or '#'} "


def encode_example(
    context: CompletionContext, middle: str, builder: PromptBuilder
) -> TokenizedExample:
    """A training example: exactly the prompt that serving would send, the middle and its end.

    The healed text is part of what is learnt, since a served model has to produce it too.

    Raises:
        PromptError: as :func:`build_prompt`.
    """
    prompt = build_prompt(context, builder)
    end = builder.tokenizer.control_id(builder.format.end)
    if end is None:  # PromptBuilder has checked it
        raise PromptError(f"the tokenizer has no {builder.format.end}")
    target = (*builder.tokenizer.encode(prompt.healing + middle), end)
    return TokenizedExample(
        input_ids=(*prompt.token_ids, *target),
        labels=(*(IGNORED_LABEL,) * len(prompt.token_ids), *target),
    )
