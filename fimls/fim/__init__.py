"""Prompts: the one place where a completion's context becomes token ids.

Training, serving and evaluation all call :func:`build_prompt`; :func:`encode_example` is the same
call with the middle appended. ``formats`` is the table of model families, ``tokenizer`` turns text
into ids that can never be control ids, ``healing`` moves a prompt's end to a token boundary,
``window`` fits text to a budget, ``manifest`` records all of it beside an adapter.
"""

from fimls.fim.formats import FORMATS, FimFormat, Order, find_format
from fimls.fim.healing import HealingFilter
from fimls.fim.manifest import Manifest
from fimls.fim.prompt import Budget, PromptBuilder, TokenizedExample, build_prompt, encode_example
from fimls.fim.tokenizer import StreamDecoder, Tokenizer

__all__ = [
    "FORMATS",
    "Budget",
    "FimFormat",
    "HealingFilter",
    "Manifest",
    "Order",
    "PromptBuilder",
    "StreamDecoder",
    "TokenizedExample",
    "Tokenizer",
    "build_prompt",
    "encode_example",
    "find_format",
]
