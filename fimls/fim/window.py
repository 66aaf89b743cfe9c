"""Windows of text that fit a token budget and hardly move while someone types.

An engine reuses the keys and values of a prompt's unchanged start. A window that slides by a token
at each keystroke changes everything after its edge, so the prefix's start moves in steps of a
quarter of the budget, and only from line to line.
"""

from __future__ import annotations

from bisect import bisect_left

from fimls.fim.tokenizer import Tokenizer

# More than code takes; bounds the work on a file with one huge line.
_CHARS_PER_TOKEN_MAX = 8
# Left free for the piece being typed, whose tokens still change and merge.
_TYPED_TOKENS = 16
# A longer piece takes more tokens than that anyway.
_PIECE_CHARS_MAX = 200


def prefix_window(text: str, max_tokens: int, tokenizer: Tokenizer) -> int:
    """Where the prefix's window starts: an offset in ``text`` in code points.

    ``text[offset:]`` takes ``max_tokens`` tokens at most. Starts are lines (characters where lines
    are huge) at multiples of a step from the file's start, so that typing at the end leaves them
    where they are until the window is full.
    """
    if max_tokens <= 0:
        return len(text)
    floor = max(0, len(text) - max_tokens * _CHARS_PER_TOKEN_MAX)
    tail = text[floor:]
    ids, starts = tokenizer.encode_with_starts(tail)
    # The tokens of the last piece still merge while it is typed: counting them alone would move the
    # start back and forth. Those before it are settled, and are counted with room for the piece.
    typed = tail[-_PIECE_CHARS_MAX:]
    settled = len(tail) - len(typed) + (tokenizer.last_pre_token_start(typed) or len(typed))
    settled_starts = starts[: bisect_left(starts, settled)]
    room = max_tokens - min(_TYPED_TOKENS, max_tokens // 4)
    earliest = floor + max(_last(max_tokens, starts), _last(room, settled_starts))
    if earliest == 0 and len(ids) <= max_tokens:
        return 0
    step = _step(len(text) - earliest, max_tokens)
    for anchor in range(-(-earliest // step) * step, len(text), step):
        line = text.find("\n", max(anchor - 1, 0), min(anchor + step // 2, len(text) - 1)) + 1
        # Cutting can split a token in two, so the window is measured again as it will be sent.
        if len(tokenizer.encode(text[line or anchor :])) <= max_tokens:
            return line or anchor
    # What is being typed takes the whole budget: cut it at a character.
    while len(tokenizer.encode(text[earliest:])) > max_tokens:
        earliest += 1
    return earliest


def _last(count: int, starts: list[int]) -> int:
    """Where the last ``count`` tokens begin."""
    return starts[-count] if len(starts) > count else 0


def _step(window: int, max_tokens: int) -> int:
    """How far apart two starts are, for a full window of ``window`` characters.

    A quarter of a window, at code's four characters to a token. Where characters take more tokens
    it is half of it at most, so that a step never leaves an empty window.
    """
    step = max_tokens
    while step > max(1, window // 2):
        step //= 2
    return step


def suffix_window(text: str, max_tokens: int, tokenizer: Tokenizer) -> int:
    """Where the suffix's window ends: an offset in ``text`` in code points.

    ``text[:offset]`` takes ``max_tokens`` tokens at most and ends with a line, unless that would
    lose more than half of it.
    """
    if max_tokens <= 0:
        return 0
    head = text[: max_tokens * _CHARS_PER_TOKEN_MAX]
    ids, starts = tokenizer.encode_with_starts(head)
    end = len(head) if len(ids) <= max_tokens else starts[max_tokens]
    if end < len(text):
        line = text.rfind("\n", 0, end) + 1
        end = line if line > end // 2 else end
    # Cutting can split a token in two.
    while len(tokenizer.encode(text[:end])) > max_tokens:
        end -= 1
    return end
