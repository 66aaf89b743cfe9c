"""The same prompts in two orders, through one model of the cache."""

from __future__ import annotations

from fimls.engines.prefix_blocks import KV_BLOCK_TOKENS
from training.evaluation.typing.explainer import OrderComparison, prefix_first


def suffix_first(prefix: list[int], suffix: list[int]) -> list[tuple[str, list[int]]]:
    """A prompt with a snippet, the suffix and the prefix, as it is served."""
    return [
        ("control", [9]),
        ("snippet", [90, 91]),
        ("control", [1]),
        ("control", [2]),
        ("suffix", suffix),
        ("control", [3]),
        ("prefix", prefix),
    ]


def test_prefix_first_keeps_every_token() -> None:
    """The snippet stays in front; the controls keep their order."""
    parts = suffix_first([10, 11], [20, 21])
    assert [9, 90, 91, 1, 10, 11, 2, 20, 21, 3] == prefix_first(parts)


def test_a_path_before_the_prefix_goes_with_it() -> None:
    """Formats that write the path into the prefix keep it there."""
    parts = [
        ("control", [1, 2]),
        ("suffix", [20]),
        ("control", [3]),
        ("path", [5]),
        ("prefix", [10]),
    ]
    assert [1, 5, 10, 2, 20, 3] == prefix_first(parts)


def test_a_prompt_without_code_stays() -> None:
    """Nothing to turn round."""
    assert [1, 2] == prefix_first([("control", [1, 2])])


def test_typing_costs_less_with_the_suffix_first() -> None:
    """A typed token computes no more than a block; prefix first computes the suffix again too."""
    orders = OrderComparison()
    suffix, prefix = list(range(1000, 1160)), list(range(2000, 2160))
    found = []
    for typed in range(5):
        text = [*prefix, *range(3000, 3000 + typed)]
        parts = [{"kind": kind, "ids": ids} for kind, ids in suffix_first(text, suffix)]
        found.append(orders.add(parts))
    assert (326, 326) == found[0]
    for computed in found[1:]:
        assert computed is not None
        assert computed[0] <= KV_BLOCK_TOKENS < len(suffix) <= computed[1]


def test_without_ids_there_is_no_comparison() -> None:
    """An older server's explanation has counts alone."""
    assert OrderComparison().add([{"kind": "prefix", "tokens": 3}]) is None
