"""Datasets on disk: what is written is read, and what isn't whole is refused."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from fimls.types import Snippet
from training.dataset import Dataset, DatasetWriter, RepositoryInfo, ShardInfo
from training.types import CorpusFile, DatasetError, FimExample, Span, SpanKind, Split

SETTINGS = {"seed": 3, "mix": {"body": 0.5}}


def a_file(number: int) -> CorpusFile:
    """One of many files."""
    return CorpusFile(
        repository="stores",
        commit="c0ffee",
        path=f"src/store_{number}.py",
        language_id="python",
        licence="MIT",
        text=f"def store_{number}(key):\n    return '\N{SNOWMAN}', key, {number}\n",
    )


def an_example(file: CorpusFile, split: Split = Split.TRAIN, start: int = 4) -> FimExample:
    """An example of a file, with a snippet."""
    snippet = Snippet("src/types.py", "class Key: ...\n", 0.8125, "imports")
    span = Span(start, start + 5, SpanKind.CHARACTERS)
    return FimExample(file=file, span=span, snippets=(snippet,), split=split)


def write_some(writer: DatasetWriter, index: int) -> ShardInfo:
    """Write a shard of nine examples to train with and one to test."""
    files = [a_file(index * 10 + number) for number in range(4)]
    examples = [an_example(file, start=start) for file in files[:3] for start in (0, 4, 9)]
    examples.append(an_example(files[3], Split.TEST))
    splits = [Split.TRAIN] * 3 + [Split.TEST]
    return writer.write_shard(index, list(zip(files, splits, strict=True)), examples)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished dataset of ten shards: ninety examples to train with, ten to test."""
    writer = DatasetWriter(tmp_path / "data", SETTINGS)
    shards = [write_some(writer, index) for index in range(10)]
    repository = RepositoryInfo("stores", "c0ffee", "MIT", 40)
    writer.finish(writer.describe(shards, [repository], seed=3, code_version="0.1"))
    return writer.folder


def test_round_trip(folder: Path) -> None:
    """Examples, their files and snippets are read as they were written, in order."""
    found = list(Dataset.open(folder).examples(Split.TRAIN))
    expected = [
        an_example(a_file(shard * 10 + number), start=start)
        for shard in range(10)
        for number in range(3)
        for start in (0, 4, 9)
    ]
    assert expected == found


def test_counts_and_files(folder: Path) -> None:
    """The JSON's counts are those of what is there, by split, kind and language."""
    dataset = Dataset.open(folder)
    assert (90, 10, 0) == tuple(
        dataset.count(split) for split in (Split.TRAIN, Split.TEST, Split.VALIDATION)
    )
    train = dataset.info.counts["train"]
    assert (30, {"characters": 90}, {"python": 90}) == (train.files, train.kinds, train.languages)
    assert [a_file(shard * 10 + 3) for shard in range(10)] == list(dataset.files(Split.TEST))
    assert [RepositoryInfo("stores", "c0ffee", "MIT", 40)] == list(dataset.info.repositories)
    assert SETTINGS == dataset.info.settings


def test_shuffled_is_a_permutation_of_its_seed(folder: Path) -> None:
    """Each seed has an order of its own, and none loses or repeats an example."""
    dataset = Dataset.open(folder)
    once, again, other = (
        list(dataset.examples(Split.TRAIN, shuffle_seed=seed)) for seed in (1, 1, 2)
    )
    assert once == again
    assert once != other
    assert len(once) == len(set(once)) == 90
    assert set(once) == set(dataset.examples(Split.TRAIN))


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("start", [0, 1, 9, 50, 72, 89, 90, 200])
def test_start_goes_on_where_a_run_stopped(folder: Path, seed: int | None, start: int) -> None:
    """Leaving out the first examples gives the same order without them."""
    dataset = Dataset.open(folder)
    whole = list(dataset.examples(Split.TRAIN, shuffle_seed=seed))
    assert whole[start:] == list(dataset.examples(Split.TRAIN, shuffle_seed=seed, start=start))


def test_same_content_has_the_same_hash(folder: Path, tmp_path: Path) -> None:
    """The corpus hash depends on what is learnt from, not on when it was written."""
    writer = DatasetWriter(tmp_path / "again", SETTINGS)
    shards = [write_some(writer, index) for index in range(10)]
    same = writer.describe(shards, [], seed=3, code_version="0.2")
    assert Dataset.open(folder).sha256 == same.corpus_sha256
    other = DatasetWriter(tmp_path / "other", SETTINGS)
    fewer = other.describe([write_some(other, 0)], [], seed=3, code_version="0.1")
    assert fewer.corpus_sha256 != same.corpus_sha256


def test_not_a_dataset(tmp_path: Path) -> None:
    """A folder without dataset.json is refused; the error says how to finish a begun one."""
    with pytest.raises(DatasetError, match="not a dataset"):
        Dataset.open(tmp_path)
    write_some(DatasetWriter(tmp_path, SETTINGS), 0)
    with pytest.raises(DatasetError, match="unfinished") as caught:
        Dataset.open(tmp_path)
    assert "--resume" in caught.value.hint


def test_other_version(folder: Path) -> None:
    """A dataset of another format version is refused with both versions."""
    path = folder / "dataset.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 7'))
    with pytest.raises(DatasetError, match="version 7; this fimls reads 1"):
        Dataset.open(folder)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format_version": 1}'])
def test_damaged_json(folder: Path, content: str) -> None:
    """A dataset.json that isn't one is an error that names it."""
    (folder / "dataset.json").write_text(content)
    with pytest.raises(DatasetError, match=r"dataset\.json: damaged"):
        Dataset.open(folder)


def test_missing_or_cut_shard(folder: Path) -> None:
    """Opening finds a shard that is cut short or gone."""
    path = folder / "shards" / "00004.examples.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:-10])
    with pytest.raises(DatasetError, match=r"00004\.examples\.parquet: damaged: has another size"):
        Dataset.open(folder)
    path.unlink()
    with pytest.raises(DatasetError, match="is missing"):
        Dataset.open(folder)


def test_flipped_bits_in_a_shard(folder: Path) -> None:
    """Reading finds bytes that were changed inside a shard."""
    path = folder / "shards" / "00004.files.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"00004\.files\.parquet: damaged"):
        list(Dataset.open(folder).examples(Split.TRAIN))


def test_resume_keeps_whole_shards(tmp_path: Path) -> None:
    """A resumed run knows the shards that are done, and none that is half written."""
    begun = DatasetWriter(tmp_path, SETTINGS)
    first, second = write_some(begun, 0), write_some(begun, 1)
    (tmp_path / "shards" / "00001.json").unlink()
    resumed = DatasetWriter(tmp_path, SETTINGS, resume=True)
    assert [first, None, None] == [resumed.done(index) for index in range(3)]
    assert second == write_some(resumed, 1)


def test_unfinished_folder_needs_resume(tmp_path: Path) -> None:
    """An unfinished dataset isn't overwritten unasked."""
    DatasetWriter(tmp_path, SETTINGS)
    with pytest.raises(DatasetError, match="unfinished") as caught:
        DatasetWriter(tmp_path, SETTINGS)
    assert "--resume" in caught.value.hint


def test_resume_with_other_settings(tmp_path: Path) -> None:
    """What differs is named, with both values."""
    DatasetWriter(tmp_path, SETTINGS)
    with pytest.raises(DatasetError, match="seed 3, now 4"):
        DatasetWriter(tmp_path, {**SETTINGS, "seed": 4}, resume=True)


def test_finished_folder_is_kept(folder: Path) -> None:
    """A finished dataset is never written into."""
    with pytest.raises(DatasetError, match="finished"):
        DatasetWriter(folder, SETTINGS, resume=True)


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves no half shard, and an error that says what to do."""
    writer = DatasetWriter(tmp_path, SETTINGS)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fimls.files.os.fsync", full)
    with pytest.raises(DatasetError, match="disk is full") as caught:
        write_some(writer, 0)
    assert "--resume" in caught.value.hint
    assert [] == list((tmp_path / "shards").iterdir())


def test_info_is_readable_json(folder: Path) -> None:
    """dataset.json has the counts, for people who read it without this package."""
    data = json.loads((folder / "dataset.json").read_text())
    assert (1, 90) == (data["format_version"], data["counts"]["train"]["examples"])
