from __future__ import annotations

import gzip
import json
import pickle
from itertools import islice
from pathlib import Path

import pytest

from fimls.fim import FORMATS, PromptBuilder
from fimls.postprocess import process
from fimls.types import CompletionContext, FinishReason, Generation, Mode, Snippet
from tests.fim_tokenizers import byte_tokenizer
from training.dataset import DatasetWriter
from training.evaluation.suites import Choice, Item, Skipped, open_suite
from training.evaluation.suites.humaneval import FILES, HumanEvalInfilling
from training.evaluation.suites.spans import ELSEWHERE, FolderSpans, hole_kind, hole_mode
from training.types import CorpusFile, EvaluationError, FimExample, Span, SpanKind, Split

TEXT = "def add(a, b):\n    total = a + b\n    return total\n"


def write_dataset(folder: Path, examples: list[FimExample]) -> None:
    """Write a dataset of one shard."""
    writer = DatasetWriter(folder, {})
    files = [(example.file, example.split) for example in examples]
    shard = writer.write_shard(0, files, examples)
    writer.finish(writer.describe([shard], [], seed=0, code_version="0"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three files, two of which have a function in common."""
    same = "\n\ndef shared(x):\n    first = x + 1\n    second = first * 2\n    return second\n"
    root = tmp_path / "project"
    root.mkdir()
    for index in range(3):
        body = "".join(
            f"def work_{index}_{n}(value):\n    result_{n} = value + {n}\n"
            f"    print(result_{n}, {n})\n    return result_{n} * {index}\n\n\n"
            for n in range(6)
        )
        (root / f"m{index}.py").write_text(body + (same if index else ""))
    return root


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("humaneval-single", 1033),
        ("humaneval-multi", 5815),
        ("humaneval-random-span", 1640),
        ("humaneval-random-span-light", 164),
    ],
)
def test_humaneval_is_whole(name: str, count: int) -> None:
    """Every task is there, of 164 problems, with a version and without a broken record."""
    suite = open_suite(name)
    items = [one for one in suite.items() if isinstance(one, Item)]
    assert (count, 164) == (len(items), len({one.cluster for one in items}))
    assert 12 == len(suite.version)


@pytest.mark.parametrize("name", FILES)
def test_humaneval_reference_passes_and_nothing_fails(name: str) -> None:
    """The judge lets the true middle pass and hardly an empty one, in a worker process too."""
    records = islice(HumanEvalInfilling(name).items(), 0, 160, 40)
    items = [one for one in records if isinstance(one, Item)]
    judges = [pickle.loads(pickle.dumps(one.judge)) for one in items]  # noqa: S301 - our own
    assert all(judge(one.reference).passed for judge, one in zip(judges, items, strict=True))
    assert 1 >= sum(judge("").passed for judge in judges)


def test_humaneval_answer_that_exits_fails() -> None:
    """An answer doesn't pass by ending the program before its tests."""
    item = next(iter(HumanEvalInfilling("humaneval-single").items()))
    assert isinstance(item, Item)
    assert item.judge is not None
    assert not item.judge("    import os; os._exit(0)\n").passed


def test_broken_record_is_named(tmp_path: Path) -> None:
    """A record that isn't one is skipped under its line's number; the others are used."""
    whole = {
        "task_id": "S/HumanEval/0/L0",
        "prompt": "",
        "suffix": "",
        "canonical_solution": "pass",
        "test": "",
        "entry_point": "f",
    }
    lines = [
        json.dumps(whole),
        "{",
        json.dumps({**whole, "suffix": 3}),
        json.dumps({"task_id": "x"}),
    ]
    path = tmp_path / "suite.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    records = list(HumanEvalInfilling("humaneval-single", path).items())
    assert ["S/HumanEval/0/L0"] == [one.id for one in records if isinstance(one, Item)]
    assert ["suite.jsonl.gz:2", "suite.jsonl.gz:3", "suite.jsonl.gz:4"] == [
        one.name for one in records if isinstance(one, Skipped)
    ]


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    """Half a file is no suite."""
    path = tmp_path / "suite.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}" * 99)[:20])
    with pytest.raises(EvaluationError, match="damaged"):
        list(HumanEvalInfilling("humaneval-single", path).items())


def test_unknown_suite_names_the_nearest() -> None:
    """A typing error is told from a missing folder."""
    with pytest.raises(EvaluationError) as caught:
        open_suite("humaneval-singel")
    assert "humaneval-single" in caught.value.hint


@pytest.mark.parametrize(
    ("middle", "kind", "expected"),
    [
        ("a + b", SpanKind.EXPRESSION, "rest of line"),
        ("a +", SpanKind.CHARACTERS, "inside a line"),
        ("total = a + b", SpanKind.STATEMENT, "whole line"),
        ("    total = a + b\n", SpanKind.LINES, "whole line"),
        ("\n    total = a + b", SpanKind.LINE_END, "whole line"),
        ("total = a + b\n    return", SpanKind.CHARACTERS, "several lines"),
        ("total = a + b\n    return total", SpanKind.BODY, "function body"),
        ("return total", SpanKind.BLOCK, "block"),
    ],
)
def test_hole_kind(middle: str, kind: SpanKind, expected: str) -> None:
    """A hole is called by how it lies in its lines; nodes of many lines by what they are."""
    start = TEXT.index(middle)
    assert expected == hole_kind(TEXT, Span(start, start + len(middle), kind))


def test_hole_mode() -> None:
    """Where several lines are missing, several are asked for."""
    assert (Mode.MULTI, Mode.SINGLE) == (hole_mode("function body"), hole_mode("rest of line"))


def test_folder_spans(folder: Path) -> None:
    """Holes of all kinds from all files; each file is its text with the hole filled."""
    items = [
        one for one in FolderSpans(folder, seed=0, per_kind=3).items() if isinstance(one, Item)
    ]
    assert {"project/m0.py", "project/m1.py", "project/m2.py"} == {one.cluster for one in items}
    assert 4 <= len({one.kind for one in items})
    assert 3 >= max(sum(one.kind == kind for one in items) for kind in {i.kind for i in items})
    texts = {one.cluster: one.prefix + one.reference + one.suffix for one in items}
    assert texts == {f"project/{path.name}": path.read_text() for path in folder.iterdir()}


def test_folder_spans_depend_on_the_seed_alone(folder: Path) -> None:
    """The same seed gives the same items and version; another gives others."""
    one, same, other = (FolderSpans(folder, seed=seed, per_kind=2) for seed in (0, 0, 1))
    assert (list(one.items()), one.version) == (list(same.items()), same.version)
    assert list(one.items()) != list(other.items())
    assert one.version != other.version


def test_copied_code_is_left_out(tmp_path: Path) -> None:
    """Several lines that stand in another file too could be copied from there."""
    text = "def shared(x):\n    first = x + 1\n    second = first * 2\n    return second\n"
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(text)
    records = list(FolderSpans(tmp_path, seed=0, per_kind=99).items())
    assert {ELSEWHERE} == {one.reason for one in records if isinstance(one, Skipped)}
    assert 2 > max(one.reference.strip().count("\n") for one in records if isinstance(one, Item))


def test_folder_spans_with_snippets(tmp_path: Path) -> None:
    """A hole comes with what serving would show of other files, never with its own text."""
    (tmp_path / "shapes.py").write_text(
        "class Circle:\n    def __init__(self, radius):\n        self.radius = radius\n"
    )
    (tmp_path / "main.py").write_text(
        "from shapes import Circle\n\n\ndef grow(circle: Circle) -> Circle:\n"
        "    wider = circle.radius + 1\n    return Circle(wider)\n"
    )
    builder = PromptBuilder(FORMATS["qwen2.5-coder"], byte_tokenizer())
    suite = open_suite(str(tmp_path), Choice(per_kind=9), builder)
    items = [one for one in suite.items() if isinstance(one, Item) and one.path == "main.py"]
    snippets = [snippet for one in items for snippet in one.snippets]
    assert {"shapes.py"} == {snippet.path for snippet in snippets}
    assert tmp_path == suite.sources


def test_dataset_spans(tmp_path: Path) -> None:
    """What a dataset holds out, with the snippets stored there, and nothing else of it."""
    file = CorpusFile("p", "", "a.py", "python", "", TEXT)
    held_out = CorpusFile("p", "", "b.py", "python", "", TEXT.replace("add", "sum"))
    snippet = Snippet("c.py", "x = 1", 0.5, "imports")
    write_dataset(
        tmp_path / "data",
        [
            FimExample(file, Span(0, 3, SpanKind.CHARACTERS), (), Split.TRAIN),
            FimExample(held_out, Span(26, 31, SpanKind.EXPRESSION), (snippet,), Split.TEST),
        ],
    )
    (item,) = open_suite(str(tmp_path / "data")).items()
    assert isinstance(item, Item)
    assert ("p/b.py", (snippet,), held_out.text) == (
        item.cluster,
        item.snippets,
        item.prefix + item.reference + item.suffix,
    )


def test_dataset_without_a_test_split_is_refused(tmp_path: Path) -> None:
    """Nothing held out, nothing to evaluate."""
    file = CorpusFile("p", "", "a.py", "python", "", TEXT)
    write_dataset(
        tmp_path / "data", [FimExample(file, Span(0, 3, SpanKind.CHARACTERS), (), Split.TRAIN)]
    )
    with pytest.raises(EvaluationError, match="holds nothing out"):
        open_suite(str(tmp_path / "data"))


def test_post_processing_leaves_true_lines_alone() -> None:
    """Of all true single-line middles, post-processing changes hardly one."""
    changed = 0
    for item in HumanEvalInfilling("humaneval-single").items():
        assert isinstance(item, Item)
        context = CompletionContext(item.prefix, item.suffix, mode=Mode.SINGLE)
        generation = Generation((), item.reference, (), FinishReason.STOP)
        changed += process(generation, context).text.strip() != item.reference.strip()
    assert changed <= 2
