"""Windows of text that fit a token budget and hardly move while someone types.

An engine reuses the keys and values of a prompt's unchanged start. A window that slides by a token
at each keystroke changes everything behind its edge, so the prefix's start moves in steps of a
quarter of the budget, and only from line to line.
"""

from __future__ import annotations

from fimls.fim.tokenizer import Tokenizer

# More characters than any useful window holds; bounds the work on a file with one huge line.
_CHARS_PER_TOKEN_MAX = 8
_CHARS_PER_TOKEN = 4


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
    if floor == 0 and len(ids) <= max_tokens:
        return 0
    earliest = floor + (starts[-max_tokens] if len(ids) > max_tokens else 0)
    step = max(1, max_tokens * _CHARS_PER_TOKEN // 4)
    anchor = -(-earliest // step) * step
    while anchor < len(text):
        line = text.find("\n", max(anchor - 1, 0), min(anchor + step, len(text))) + 1
        start = line or anchor
        # Cutting can split a token in two, so the window is measured again as it will be sent.
        if len(tokenizer.encode(text[start:])) <= max_tokens:
            return start
        anchor += step
    # The last step holds more tokens than the budget (dense text): cut at the token.
    return max(earliest, 0)


def suffix_window(text: str, max_tokens: int, tokenizer: Tokenizer) -> int:
    """Where the suffix's window ends: an offset in ``text`` in code points.

    ``text[:offset]`` takes ``max_tokens`` tokens at most and ends with a line where it can.
    """
    if max_tokens <= 0:
        return 0
    head = text[: max_tokens * _CHARS_PER_TOKEN_MAX]
    ids, starts = tokenizer.encode_with_starts(head)
    if len(ids) <= max_tokens:
        end = len(head)
        if end == len(text):
            return end
    else:
        end = starts[max_tokens]
    line = text.rfind("\n", 0, end) + 1
    return line or end
