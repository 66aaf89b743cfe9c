"""Which tokens may spell a given text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fimls.engines.candidate import ByteConstraint
from fimls.fim import Tokenizer

TOKENIZER = Tokenizer(
    {
        "added_tokens": [{"id": 8, "content": "ab<", "special": True}],
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False},
        "model": {
            "type": "BPE",
            # The last four spell é's bytes 0xC3 and 0xA9, alone and together.
            "vocab": {"a": 0, "b": 1, "ab": 2, "abc": 3, "Ã": 4, "©": 5, "Ã©": 6, "Ã©a": 7},
            "merges": [],
        },
    }
)
CONSTRAINT = ByteConstraint(TOKENIZER)
TOKENS = {index: TOKENIZER.token_bytes(index) for index in range(8)}


def test_prefixes_and_extensions() -> None:
    """Tokens that begin the text, and tokens that go beyond it; no control token."""
    assert {0, 2, 3} == set(CONSTRAINT.allowed(b"ab"))
    assert {0, 2} == set(CONSTRAINT.allowed(b"abx"))


def test_parts_of_a_character() -> None:
    """A token may end inside a character, and go on in the middle of one."""
    assert {4, 6, 7} == set(CONSTRAINT.allowed("é".encode()))
    assert {5} == set(CONSTRAINT.allowed("é".encode()[1:]))


@given(st.text(alphabet="abcé", min_size=1, max_size=6).map(str.encode))
def test_against_the_definition(left: bytes) -> None:
    """Each allowed id once, exactly those of the definition."""
    expected = [
        index for index, token in TOKENS.items() if token.startswith(left) or left.startswith(token)
    ]
    assert expected == sorted(CONSTRAINT.allowed(left))
