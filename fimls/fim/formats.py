"""The table of prompt formats: a model family is a row, never a branch on its name.

Sources: the families' papers, model cards and tokenizers: Bavarian et al. 2022 (PSM, SPM and its
variants), Qwen2.5-Coder, StarCoder 2, SantaCoder, DeepSeek-Coder, Code Llama, CodeGemma,
Codestral and Mellum.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from fimls.types import UnknownModelError


class Order(str, enum.Enum):
    """Which part of the code comes first: the prefix (PSM) or the suffix (SPM)."""

    PSM = "psm"
    SPM = "spm"


class Slot(enum.Enum):
    """Where a part of the context goes in a layout."""

    PREFIX = enum.auto()
    SUFFIX = enum.auto()


class PathPlace(enum.Enum):
    """Where the edited file's path goes. Only ALWAYS names it in a prompt without other files."""

    AFTER_FILE = enum.auto()  # <file>path\n, before the fill-in-the-middle part
    BEFORE_PREFIX = enum.auto()  # path\n at the start of the prefix's text
    ALWAYS = enum.auto()  # path\n before the fill-in-the-middle part; <file> only between files


Layout = tuple["str | Slot", ...]
"""Control tokens and slots in prompt order."""


@dataclass(frozen=True, slots=True)
class FimFormat:
    """One family's prompt."""

    name: str
    layouts: Mapping[Order, Layout]
    """One for each order that the family can serve; the first is its default."""

    end: str
    """The token that ends a middle, which training teaches."""

    stops: tuple[str, ...] = ()
    """Other tokens at which a generation ends; those that a tokenizer lacks are left out."""

    bos: str | None = None
    """The token before everything else, where the family wants one."""

    file: str | None = None
    """Separates files: before each there are this token, its path and a newline. Without it, a
    snippet follows a comment with its path."""

    path: PathPlace = PathPlace.AFTER_FILE
    """Where the edited file's own path goes."""

    adds_tokens: bool = False
    """Whether the layout's tokens are added to a base that has none, and their rows trained."""

    models: tuple[str, ...] = field(default=())
    """Parts of the names of models that take this prompt."""

    @property
    def default_order(self) -> Order:
        """The first order of the row."""
        return next(iter(self.layouts))

    @property
    def layout_tokens(self) -> tuple[str, ...]:
        """The control tokens of the layouts, each once."""
        tokens = (part for layout in self.layouts.values() for part in layout)
        return tuple(dict.fromkeys(token for token in tokens if isinstance(token, str)))


_P, _S = Slot.PREFIX, Slot.SUFFIX


def _layouts(pre: str, suf: str, mid: str) -> dict[Order, Layout]:
    """PSM, and SPM in Bavarian et al.'s second variant, which trains jointly with it."""
    return {Order.SPM: (pre, suf, _S, mid, _P), Order.PSM: (pre, _P, suf, _S, mid)}


def _psm_first(layouts: dict[Order, Layout]) -> dict[Order, Layout]:
    return {Order.PSM: layouts[Order.PSM], Order.SPM: layouts[Order.SPM]}


_ROWS = (
    FimFormat(
        name="qwen2.5-coder",
        # SPM was not documented by the authors, yet it serves better than PSM: 77 % against 52 %
        # on HumanEval-infilling's single lines, with the first line kept.
        layouts=_layouts("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        end="<|endoftext|>",
        stops=("<|im_end|>", "<|im_start|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
        file="<|file_sep|>",
        models=("qwen2.5-coder", "qwen2.5.1-coder"),
    ),
    FimFormat(
        name="starcoder2",
        layouts=_psm_first(_layouts("<fim_prefix>", "<fim_suffix>", "<fim_middle>")),
        end="<|endoftext|>",
        stops=("<file_sep>", "<repo_name>"),
        file="<file_sep>",
        path=PathPlace.BEFORE_PREFIX,
        models=("starcoder2",),
    ),
    FimFormat(
        name="starcoder",
        layouts=_psm_first(_layouts("<fim_prefix>", "<fim_suffix>", "<fim_middle>")),
        end="<|endoftext|>",
        stops=("<filename>", "<reponame>"),
        models=("starcoder", "codeqwen", "granite", "stable-code", "stablecode"),
    ),
    FimFormat(
        name="santacoder",
        layouts=_psm_first(_layouts("<fim-prefix>", "<fim-suffix>", "<fim-middle>")),
        end="<|endoftext|>",
        models=("santacoder",),
    ),
    FimFormat(
        name="deepseek-coder",
        # Full-width bars and U+2581, as in its tokenizer.
        layouts={
            Order.PSM: (
                "<\uff5cfim\u2581begin\uff5c>",
                _P,
                "<\uff5cfim\u2581hole\uff5c>",
                _S,
                "<\uff5cfim\u2581end\uff5c>",
            )
        },
        end="<\uff5cend\u2581of\u2581sentence\uff5c>",
        stops=("<|EOT|>",),
        bos="<\uff5cbegin\u2581of\u2581sentence\uff5c>",
        models=("deepseek-coder",),
    ),
    FimFormat(
        name="codellama",
        layouts={
            Order.PSM: ("\u2581<PRE>", _P, "\u2581<SUF>", _S, "\u2581<MID>"),
            Order.SPM: ("\u2581<PRE>", "\u2581<SUF>", _S, "\u2581<MID>", _P),
        },
        end="\u2581<EOT>",
        stops=("</s>",),
        bos="<s>",
        models=("codellama", "code-llama"),
    ),
    FimFormat(
        name="codegemma",
        layouts={
            Order.PSM: ("<|fim_prefix|>", _P, "<|fim_suffix|>", _S, "<|fim_middle|>"),
        },
        end="<|file_separator|>",
        stops=("<eos>", "<end_of_turn>"),
        bos="<bos>",
        file="<|file_separator|>",
        path=PathPlace.ALWAYS,
        models=("codegemma",),
    ),
    FimFormat(
        name="codestral",
        layouts={Order.SPM: ("[SUFFIX]", _S, "[PREFIX]", _P)},
        end="</s>",
        bos="<s>",
        models=("codestral",),
    ),
    FimFormat(
        name="mellum",
        layouts={Order.SPM: ("<fim_suffix>", _S, "<fim_prefix>", _P, "<fim_middle>")},
        end="<|endoftext|>",
        stops=("<filename>", "<reponame>"),
        file="<filename>",
        models=("mellum",),
    ),
    FimFormat(
        name="pre-post-mid",
        layouts=_layouts("[pre]", "[post]", "[mid]"),
        end="<|im_end|>",
        stops=("<|endoftext|>", "<repo_name>"),
        file="<file_sep>",
        adds_tokens=True,
        models=("smollm",),
    ),
)

FORMATS: Mapping[str, FimFormat] = {row.name: row for row in _ROWS}
"""Every format by name. To add one, add a row and a golden test."""


def find_format(model: str) -> FimFormat:
    """The format of a row's name, or of a model's name that contains one of a row's ``models``.

    The longest match wins, so ``starcoder2-3b`` is not taken for ``starcoder``.

    Raises:
        UnknownModelError: no row fits.
    """
    wanted = model.lower().replace("_", "-")
    if row := FORMATS.get(wanted):
        return row
    matches = [
        (len(name), row) for row in FORMATS.values() for name in row.models if name in wanted
    ]
    if not matches:
        raise UnknownModelError(
            f"no prompt format is known for the model {model!r}",
            hint=f"name one of the formats: {', '.join(FORMATS)}",
        )
    return max(matches, key=lambda match: match[0])[1]
