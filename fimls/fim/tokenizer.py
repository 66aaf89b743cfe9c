"""A tokenizer for source code: exact round trips, and no way from text to a control id."""

from __future__ import annotations

import codecs
import copy
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from fimls.types import ModelError


class Tokenizer:
    """Wraps a ``tokenizer.json`` of the ``tokenizers`` library, changed in three ways.

    - Its added tokens (control tokens among them) are taken out, so that a literal
      ``<|fim_middle|>`` in a source file is encoded as ordinary characters. Control ids come from
      :meth:`control_id` alone. (Qwen and CodeGemma list theirs as ``special=False``: any other
      way of encoding turns the literal into the id.)
    - Normalizers that change text (NFC, a prepended space) are taken out: ``decode(encode(text))``
      is ``text`` for every text. (SentencePiece writes a space as U+2581 and can't tell the two
      apart.)
    - Nothing is added: no BOS, no template. The prompt's format says what goes where.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        """Build from the parsed JSON of a ``tokenizer.json``.

        Raises:
            ModelError: the model in it is not BPE, or the description makes no sense.
        """
        model = description.get("model")
        if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
            kind = model.get("type") if isinstance(model, dict) else None
            raise ModelError(
                f"tokenizer of type {kind} is not supported, only BPE",
                hint="choose a model whose tokenizer.json holds a BPE model",
            )
        self._byte_level = _mentions(description.get("decoder"), "ByteLevel")
        self._control: dict[str, int] = {
            token["content"]: int(token["id"])
            for token in description.get("added_tokens") or []
            if self._byte_level or not _is_text(token["content"], model["vocab"])
        }
        plain = {
            **description,
            "added_tokens": [],
            "post_processor": None,
            "normalizer": _without_text_changes(description.get("normalizer")),
            "pre_tokenizer": _without_prepended_space(description.get("pre_tokenizer")),
            "model": _without_tokens(model, self._control, merges=not self._byte_level),
        }
        try:
            self._tokenizer = _built(plain)
        except Exception as error:  # the library raises nothing more specific
            raise ModelError(
                f"the tokenizer can't be built: {error}", hint="fetch the model again: fimls pull"
            ) from error
        vocab: dict[str, int] = plain["model"]["vocab"]
        self._tokens = {index: token for token, index in vocab.items()}
        self._control_text = {index: content for content, index in self._control.items()}
        self.vocab_size: int = 1 + max([*self._tokens, *self._control_text])

    @classmethod
    def from_file(cls, path: Path) -> Tokenizer:
        """Read a ``tokenizer.json``.

        Raises:
            ModelError: the file is missing or not a tokenizer.
        """
        try:
            return cls(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"can't read the tokenizer {path}: {error}"
            raise ModelError(message, hint="fetch the model again: fimls pull") from error

    @classmethod
    def of_bytes(cls, control_tokens: Iterable[str]) -> Tokenizer:
        """A tokenizer without merges: ids 0 to 255 are the bytes, control tokens follow."""
        alphabet = {symbol: byte for byte, symbol in _byte_symbols().items()}
        added = [
            {"id": 256 + index, "content": content, "special": True}
            for index, content in enumerate(control_tokens)
        ]
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
        return cls(
            {
                "version": "1.0",
                "added_tokens": added,
                "pre_tokenizer": {**byte_level, "trim_offsets": False},
                "decoder": {**byte_level, "trim_offsets": False},
                "model": {"type": "BPE", "vocab": alphabet, "merges": []},
            }
        )

    def with_added(self, tokens: Iterable[str]) -> Tokenizer:
        """This tokenizer with more control tokens, for a base that has none for infilling.

        Their ids follow the vocabulary's end in order; a token that is one already keeps its id.
        """
        new = [token for token in dict.fromkeys(tokens) if token not in self._control]
        ids = {token: self.vocab_size + index for index, token in enumerate(new)}
        other = copy.copy(self)
        vars(other).pop("sha256", None)
        vars(other).update(
            _control={**self._control, **ids},
            _control_text={**self._control_text, **{index: token for token, index in ids.items()}},
            vocab_size=self.vocab_size + len(ids),
        )
        return other

    @functools.cached_property
    def sha256(self) -> str:
        """Of the vocabulary, control tokens included.

        Equal for equal token tables, whatever file or library they were read from.
        """
        table = sorted([*self._tokens.items(), *self._control_text.items()])
        return hashlib.sha256(json.dumps(table, ensure_ascii=True).encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """The ids of ``text``, never a control id."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_with_starts(self, text: str) -> tuple[list[int], list[int]]:
        """The ids of ``text`` and the code-point offset at which each begins."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return list(encoding.ids), [start for start, _ in encoding.offsets]

    def last_pre_token_start(self, text: str) -> int | None:
        """The offset of the last piece that BPE merges within; None if ``text`` is one piece.

        Text before that offset is tokenized the same, whatever follows ``text``.
        """
        pre_tokenizer = self._tokenizer.pre_tokenizer
        if pre_tokenizer is None or not text:
            return None
        pieces = pre_tokenizer.pre_tokenize_str(text)
        start: int = pieces[-1][1][0]
        return start if len(pieces) > 1 else None

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``; control ids show as their token, invalid UTF-8 as U+FFFD."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of a token (UTF-8, perhaps part of a character); ``b""`` for an id that the
        vocabulary leaves unused, since models pad their output layer.
        """
        if (content := self._control_text.get(token_id)) is not None:
            return content.encode()
        token = self._tokens.get(token_id)
        if token is None:
            return b""
        if self._byte_level:
            return token.translate(_symbols_to_latin()).encode("latin-1")
        if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            return bytes([int(token[3:5], 16)])
        return token.replace("\u2581", " ").encode()

    def control_id(self, token: str) -> int | None:
        """The id of a control token, or None if this tokenizer has no such token."""
        return self._control.get(token)

    @property
    def control_tokens(self) -> Mapping[str, int]:
        """Every added token and its id."""
        return self._control

    def stream(self) -> StreamDecoder:
        """A decoder for ids that arrive one by one."""
        return StreamDecoder(self)


class StreamDecoder:
    """Decodes ids one by one and holds back the bytes of an incomplete character."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, ids: Iterable[int]) -> str:
        """The text that ``ids`` complete."""
        return self._decoder.decode(b"".join(map(self._tokenizer.token_bytes, ids)))

    def flush(self) -> str:
        """What is left, an incomplete character as U+FFFD."""
        return self._decoder.decode(b"", final=True)


def _built(description: Mapping[str, Any]) -> tokenizers.Tokenizer:
    """The library's tokenizer, made in half the time that reading it from one JSON text takes.

    A starting server has little else to do before its first answer.
    """
    model = {name: value for name, value in description["model"].items() if value is not None}
    model.pop("type", None)
    vocab, merges = model.pop("vocab"), model.pop("merges")
    pairs = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in merges]
    around = {**description, "model": {"type": "BPE", "vocab": {}, "merges": []}}
    built = tokenizers.Tokenizer.from_str(json.dumps(around, ensure_ascii=False))
    built.model = tokenizers.models.BPE(vocab=vocab, merges=pairs, **model)
    return built


def _is_text(content: str, vocab: Mapping[str, int]) -> bool:
    """Whether an added token is a run of white space that the model's own merges make too.

    Gemma lists such runs as added tokens; without them its indentation would take many tokens.
    """
    return content in vocab and not content.replace("\u2581", " ").strip()


def _without_tokens(
    model: Mapping[str, Any], tokens: Mapping[str, int], *, merges: bool
) -> dict[str, Any]:
    """A BPE model without ``tokens`` and, if ``merges``, without the merges that make or use them.

    A byte-level model has none of those: its merges were learnt on text cut at the tokens.
    """
    plain = dict(model)
    vocab = model["vocab"].items()
    plain["vocab"] = {token: index for token, index in vocab if token not in tokens}
    if merges:
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        plain["merges"] = [
            pair for pair in pairs if tokens.keys().isdisjoint((*pair, "".join(pair)))
        ]
    return plain


def _mentions(node: Any, kind: str) -> bool:
    """Whether a part of a tokenizer description is, or contains, a ``kind``."""
    return f'"type": "{kind}"' in json.dumps(node)


def _without_text_changes(normalizer: Any) -> Any:
    """Keep of a normalizer only what encoding needs: a space written as U+2581."""
    if normalizer is None:
        return None
    parts = normalizer.get("normalizers", [normalizer])
    kept = [part for part in parts if part["type"] == "Replace"]
    return {"type": "Sequence", "normalizers": kept} if kept else None


def _without_prepended_space(pre_tokenizer: Any) -> Any:
    if pre_tokenizer is None:
        return None
    if parts := pre_tokenizer.get("pretokenizers"):
        parts = [_without_prepended_space(part) for part in parts]
        return {**pre_tokenizer, "pretokenizers": parts}
    if pre_tokenizer["type"] == "Metaspace":
        return {**pre_tokenizer, "prepend_scheme": "never"}
    if pre_tokenizer["type"] == "ByteLevel":
        return {**pre_tokenizer, "add_prefix_space": False}
    return pre_tokenizer


@functools.cache
def _byte_symbols() -> dict[int, str]:
    """GPT-2's table (Radford et al. 2019): each byte as a printable character."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + index) for index, byte in enumerate(others)
    }


@functools.cache
def _symbols_to_latin() -> dict[int, str]:
    """For ``str.translate``: Latin-1 has each byte as the character of its number."""
    return {ord(symbol): chr(byte) for byte, symbol in _byte_symbols().items()}
