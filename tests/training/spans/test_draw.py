"""Spans that are drawn from a file: which they are, and that a seed decides them."""

from __future__ import annotations

import random

import pytest

from fimls.syntax import parse
from fimls.types import ConfigError
from training.spans import CHARS_MAX, DEFAULT_MIX, LONG_CHARS_MAX, draw_spans, parse_mix
from training.types import CorpusFile, Span, SpanKind

PYTHON = '''"""Stores \N{SNOWMAN} values."""

import os


class Store:
    """A store."""

    def __init__(self, path):
        self.path = os.path.join(path, "store")
        self.values = {}

    def get(self, key, default=None):
        """Return what a key stands for.

        Or the default.
        """
        if key in self.values:
            return self.values[key]
        for name in (key.lower(), key.upper()):
            if name in self.values:
                return self.values[name]
        return default
'''
SOURCES = {
    "python": PYTHON,
    "javascript": """
class Store {
  get(key, fallback) {
    const value = this.values.find(key.toLowerCase(), 3);
    if (value === undefined) {
      return fallback;
    }
    return value;
  }
}
""",
    "typescript": """
export function first<T>(values: T[], test: (value: T) => boolean): T | undefined {
  for (const value of values) {
    if (test(value)) {
      return value;
    }
  }
  return undefined;
}
""",
    "go": """
package store

func (s *Store) Get(key string, fallback string) string {
	value, ok := s.values[strings.ToLower(key)]
	if !ok {
		return fallback
	}
	return value
}
""",
    "rust": """
fn get(values: &HashMap<String, String>, key: &str) -> String {
    let name = key.to_lowercase();
    if let Some(value) = values.get(&name) {
        return value.clone();
    }
    String::from("none")
}
""",
    "java": """
class Store {
    String get(String key, String fallback) {
        String value = values.get(key.toLowerCase());
        if (value == null) {
            return fallback;
        }
        return value;
    }
}
""",
    "c": """
int find(const char *key, int fallback) {
    int i = 0;
    for (i = 0; i < count; i++) {
        if (strcmp(keys[i], key) == 0) {
            return values[i];
        }
    }
    return fallback;
}
""",
    "cpp": """
int Store::find(const std::string &key, int fallback) {
    auto found = values.find(key);
    if (found == values.end()) {
        return fallback;
    }
    return found->second;
}
""",
}
NODES = (
    SpanKind.EXPRESSION,
    SpanKind.ARGUMENTS,
    SpanKind.STATEMENT,
    SpanKind.BLOCK,
    SpanKind.BODY,
)
DRAWN = [kind for kind in SpanKind if kind is not SpanKind.EDIT]


def a_file(text: str, language_id: str = "python") -> CorpusFile:
    """A file of a repository that doesn't matter."""
    return CorpusFile("stores", "", "store", language_id, "MIT", text)


def seeded(seed: int) -> random.Random:
    """A generator whose numbers are the same in every run."""
    return random.Random(seed)  # noqa: S311


def drawn(file: CorpusFile, kind: SpanKind, count: int = 40) -> list[Span]:
    """Many spans of one kind."""
    return draw_spans(file, count=count, rng=seeded(5), mix={kind: 1.0})


@pytest.mark.parametrize("kind", NODES)
@pytest.mark.parametrize("language_id", list(SOURCES))
def test_every_language_has_every_kind_of_node(language_id: str, kind: SpanKind) -> None:
    """Each grammar's nodes are found, and only those of the kind."""
    found = drawn(a_file(SOURCES[language_id], language_id), kind)
    assert {kind} == {span.kind for span in found}


@pytest.mark.parametrize("kind", DRAWN)
def test_never_white_space_nor_outside(kind: SpanKind) -> None:
    """A middle is inside the file and isn't only white space."""
    for span in drawn(a_file(PYTHON), kind):
        assert 0 <= span.start < span.end <= len(PYTHON)
        assert PYTHON[span.start : span.end].strip()


@pytest.mark.parametrize("kind", DRAWN)
def test_middles_are_bounded(kind: SpanKind) -> None:
    """Long blocks and lines give middles of bounded length, or none."""
    body = "".join(
        f"    if values:\n        values.append(compute({number}, 'x' * {number}))\n"
        for number in range(90)
    )
    file = a_file(f"def build():\n{body}\nlong = '{'x' * 3000}'\n")
    most = LONG_CHARS_MAX if kind in {SpanKind.BLOCK, SpanKind.BODY} else CHARS_MAX
    found = drawn(file, kind)
    assert found
    assert max(span.end - span.start for span in found) <= most


def test_a_body_that_is_too_long_is_finished_from_a_statement() -> None:
    """Of a long function only the rest is drawn: the middle ends where the body does."""
    body = "".join(f"    values.append(compute({number}))\n" for number in range(90))
    text = f"def build():\n{body}"
    found = drawn(a_file(text), SpanKind.BODY)
    assert found
    assert {len(text) - 1} == {min(span.end, len(text) - 1) for span in found}


def test_arguments_stand_between_brackets() -> None:
    """The brackets stay in the file: an editor has closed them."""
    for span in drawn(a_file(PYTHON), SpanKind.ARGUMENTS):
        assert PYTHON[span.end :].startswith(")")


def test_line_ends_stop_at_the_line_end() -> None:
    """The rest of a line never holds another line, unless it is one from the margin."""
    for span in drawn(a_file(PYTHON), SpanKind.LINE_END):
        assert "\n" not in PYTHON[span.start : span.end].rstrip("\n")


def test_a_bodys_middle_leaves_a_tree_that_parses() -> None:
    """A file with the middle put back is whole: nothing else was cut."""
    for span in drawn(a_file(PYTHON), SpanKind.BODY):
        filled = f"{PYTHON[: span.start]}{PYTHON[span.start : span.end]}{PYTHON[span.end :]}"
        tree = parse(filled, "python")
        assert tree is not None
        assert not tree.root_node.has_error


def test_indentation_is_in_the_prefix_mostly() -> None:
    """Line-wise middles begin after the indentation, some at the margin or after the header."""
    text = "".join(
        f"def function_{number}(value):\n    print(value)\n    return {number}\n\n"
        for number in range(100)
    )
    starts = [text[span.start] for span in drawn(a_file(text), SpanKind.BODY, 150)]
    blank = sum(start.isspace() for start in starts) / len(starts)
    assert 0.15 < blank < 0.5
    assert {"\n", " "} <= set(starts)


def test_cursors_stand_inside_tokens() -> None:
    """Characters are cut anywhere: many middles begin inside a word."""
    found = drawn(a_file(PYTHON), SpanKind.CHARACTERS)
    inside = [span for span in found if PYTHON[span.start - 1 : span.start + 1].isalnum()]
    assert len(inside) > len(found) / 4
    assert max(span.end - span.start for span in found) <= 200


def test_seed_decides() -> None:
    """The same seed draws the same spans, another seed others."""
    once, again, other = (
        draw_spans(a_file(PYTHON), count=12, rng=seeded(seed)) for seed in (1, 1, 2)
    )
    assert once == again
    assert once != other


def test_spans_are_different_and_in_order() -> None:
    """No span twice, however many are asked for; a small file has fewer."""
    found = draw_spans(a_file("x = 1\n"), count=500, rng=seeded(0))
    places = [(span.start, span.end) for span in found]
    assert sorted(set(places)) == places
    assert 0 < len(places) < 30


@pytest.mark.parametrize("text", ["", "\n\n  \n"])
def test_nothing_in_nothing(text: str) -> None:
    """A file without text has no middles."""
    assert [] == draw_spans(a_file(text), count=3, rng=seeded(0))


def test_a_language_without_a_grammar_has_lines_and_characters() -> None:
    """Where nothing can be parsed, the other kinds take the nodes' share."""
    found = draw_spans(a_file(PYTHON, "ruby"), count=20, rng=seeded(0))
    assert 20 == len(found)
    assert {span.kind for span in found} <= {
        SpanKind.LINE_END,
        SpanKind.LINES,
        SpanKind.CHARACTERS,
    }


def test_default_mix_is_a_distribution() -> None:
    """Every kind has a share, and the shares add up."""
    assert set(SpanKind) == set(DEFAULT_MIX)
    assert pytest.approx(1.0) == sum(DEFAULT_MIX.values())


def test_mix_is_read() -> None:
    """Kinds and weights are as written; spaces don't matter."""
    assert {SpanKind.BODY: 2.0, SpanKind.LINE_END: 0.5} == parse_mix("body=2, line-end=.5")


@pytest.mark.parametrize("text", ["", "boddy=1", "body", "body=x", "body=-1", "body=0", "body=nan"])
def test_bad_mix(text: str) -> None:
    """An impossible mix is an error that says how to write one."""
    with pytest.raises(ConfigError, match="mix") as caught:
        parse_mix(text)
    assert caught.value.hint
