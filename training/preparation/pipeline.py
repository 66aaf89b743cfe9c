"""The pipeline: reading, planning, indexing, drawing, and the report."""

from __future__ import annotations

import functools
import itertools
import json
import multiprocessing
import shutil
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Generic, TypeVar

from filelock import FileLock, Timeout

import fimls
from fimls.types import FimlsError
from training.corpus import Decontaminator, Dropped, Listed, list_files, open_sources
from training.dataset import Dataset
from training.dataset.format import DatasetInfo, RepositoryInfo, ShardInfo
from training.dataset.writer import DatasetWriter, explained, write_json
from training.preparation.drawing import Drawer, counter, index_repository
from training.preparation.planning import Plan, PlannedRepository, Task, plan
from training.preparation.reading import Chunk, ReadChunk, chunks, read_chunk
from training.preparation.report import write_report
from training.preparation.settings import Settings
from training.types import DatasetError, Repository

Progress = Callable[[str, int, int], None]
"""Called with a stage, the bytes of code that are done, and all its bytes, 0 while unknown."""


def prepare(
    settings: Settings,
    folder: Path,
    *,
    sources: Path,
    tokenizer: Path | None = None,
    jobs: int,
    progress: Progress,
    resume: bool = False,
) -> DatasetInfo:
    """Make a dataset in a folder.

    sources: where to keep what is fetched or unpacked, for the next time.
    tokenizer: the file of the one that counts the snippets' tokens; None where none are wanted.
    jobs: how many processes share the work.

    Raises:
        CorpusError: a source can't be had, or nothing in them can be learnt from.
        DatasetError: the folder can't be used or the disk is full; what is there can be resumed.
    """
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise DatasetError(
            f"{folder}: another process is preparing it", hint="wait for it, or end it"
        ) from error
    work = folder / "work"  # what is needed until the dataset is finished
    try:
        writer = DatasetWriter(folder, settings.to_json(), resume=resume)
        try:
            with Workers(jobs, functools.partial(_reader, settings, work)) as readers:
                planned, read = _read_and_plan(settings, sources, readers, progress)
            _check_unchanged(planned, work)
        except FimlsError:
            if not resume:
                shutil.rmtree(work, ignore_errors=True)
                writer.discard()
            raise
        artist = functools.partial(_Artist, planned, settings, writer, work, tokenizer)
        with Workers(jobs, artist) as artists:
            shards = _draw(planned, settings, writer, artists, progress)
        info = _finish(planned, read, shards, writer, settings.seed)
        shutil.rmtree(work, ignore_errors=True)
        return info
    finally:
        lock.release()


def _finish(
    planned: Plan,
    read: Sequence[ReadChunk],
    shards: Sequence[ShardInfo],
    writer: DatasetWriter,
    seed: int,
) -> DatasetInfo:
    repositories = [
        RepositoryInfo(
            one.repository.name, one.repository.commit, one.repository.licence, len(one.files)
        )
        for one in planned.repositories
    ]
    info = writer.describe(shards, repositories, seed=seed, code_version=fimls.__version__)
    with explained(writer.folder):
        write_report(Dataset(writer.folder, info), planned, read)
    writer.finish(info)
    return info


# ---------------------------------------------------------------------------- reading and planning


def _read_and_plan(
    settings: Settings,
    sources: Path,
    readers: Workers[Callable[[Chunk], ReadChunk]],
    progress: Progress,
) -> tuple[Plan, list[ReadChunk]]:
    repositories: list[Repository] = []
    listed_out: dict[int, list[Dropped]] = {}

    def found() -> Iterator[Chunk]:
        opened = open_sources(settings.sources, work_dir=sources, history=settings.newest)
        for number, repository in enumerate(opened):
            repositories.append(repository)
            listed = list(list_files(repository, limits=settings.limits))
            listed_out[number] = [one for one in listed if isinstance(one, Dropped)]
            wanted = [one for one in listed if isinstance(one, Listed)]
            yield from chunks(number, repository, wanted)

    read: list[ReadChunk] = []
    done = 0
    for chunk in readers.map(_read, found()):
        read.append(chunk)
        done += sum(file.bytes for file in chunk.files)
        done += sum(one.bytes for one in chunk.dropped)
        progress("reading", done, 0)
    return plan(repositories, listed_out, read, settings), read


def _reader(settings: Settings, work: Path) -> Callable[[Chunk], ReadChunk]:
    """Make what a reading process keeps."""
    return functools.partial(
        read_chunk,
        work=work,
        public=settings.public,
        limits=settings.limits,
        suites=Decontaminator(),
    )


def _read(reader: Callable[[Chunk], ReadChunk], chunk: Chunk) -> ReadChunk:
    return reader(chunk)


def _check_unchanged(planned: Plan, work: Path) -> None:
    """Write down what the shards are made from; a resumed run must find it unchanged.

    Raises:
        DatasetError: it has changed, so that the shards that are there don't fit the rest.
    """
    path = work / "plan.json"
    now = {"sha256": planned.sha256}
    if path.exists() and json.loads(path.read_text("utf-8")) != now:
        raise DatasetError(
            f"{work.parent}: the sources have changed since it was begun",
            hint="delete the folder and prepare it again",
        )
    with explained(work):
        write_json(path, now)


# ---------------------------------------------------------------------------- indexing and drawing


class _Artist:
    """What a drawing process keeps: the repository that it drew from last."""

    def __init__(
        self,
        planned: Plan,
        settings: Settings,
        writer: DatasetWriter,
        work: Path,
        tokenizer: Path | None,
    ) -> None:
        self._planned = planned
        self._settings = settings
        self._writer = writer
        self._work = work
        self._suites = Decontaminator()
        self._count_tokens = counter(tokenizer)
        self._drawer: tuple[int, Drawer] | None = None

    def index(self, number: int) -> int:
        """Make a repository's index; return how many bytes of code it covers."""
        planned = self._planned.repositories[number]
        index_repository(planned, self._work)
        return sum(file.read.bytes for file in planned.files)

    def draw(self, task: Task) -> ShardInfo:
        """Draw a shard."""
        if self._drawer is None or self._drawer[0] != task.number:
            self._drawer = None  # before the next one takes its memory
            self._drawer = task.number, self._new_drawer(self._planned.repositories[task.number])
        return self._drawer[1].write(task, self._writer)

    def _new_drawer(self, planned: PlannedRepository) -> Drawer:
        return Drawer(planned, self._settings, self._work, self._count_tokens, self._suites)


def _draw(
    planned: Plan,
    settings: Settings,
    writer: DatasetWriter,
    artists: Workers[_Artist],
    progress: Progress,
) -> list[ShardInfo]:
    """Write the shards that aren't there yet; return all of them."""
    done = {task.index: writer.done(task.index) for task in planned.tasks}
    left = [task for task in planned.tasks if done[task.index] is None]
    if settings.context:
        _index(artists, planned, left, progress)
    total = sum(map(_size, planned.tasks))
    drawn = total - sum(map(_size, left))
    for task, shard in zip(left, artists.map(_Artist.draw, left), strict=True):
        done[task.index] = shard
        drawn += _size(task)
        progress("drawing", drawn, total)
    return [shard for shard in done.values() if shard is not None]


def _index(
    artists: Workers[_Artist], planned: Plan, left: Sequence[Task], progress: Progress
) -> None:
    numbers = sorted({task.number for task in left})
    total = sum(
        file.read.bytes for number in numbers for file in planned.repositories[number].files
    )
    indexed = 0
    for size in artists.map(_Artist.index, numbers):
        indexed += size
        progress("indexing", indexed, total)


def _size(task: Task) -> int:
    return sum(file.read.bytes for file in task.files)


_AHEAD = 4  # items for each process that are handed out ahead

Item = TypeVar("Item")
Result = TypeVar("Result")
State = TypeVar("State")

_state: object = None  # of a worker process; set once, when it starts


class Workers(Generic[State]):
    """Calls a function for many items, in processes that each make a state of their own.

    With one job everything runs in this process. Processes are not forked: the threads that
    download could hold a lock at that moment.

    make: makes the state; picklable, like the items, the results and the functions.
    """

    def __init__(self, jobs: int, make: Callable[[], State]) -> None:
        self._jobs = jobs
        self._make = make
        self._own: State | None = None
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers[State]:
        """Start the processes."""
        if self._jobs > 1:
            self._pool = ProcessPoolExecutor(
                self._jobs,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(self._make,),
            )
        return self

    def __exit__(self, *exception: object) -> None:
        """Let each process finish its item, and no other."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self, function: Callable[[State, Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        """Yield ``function(state, item)`` for each item, in their order.

        Raises:
            DatasetError: a process died. Whatever the function raises.
        """
        if self._pool is None:
            if self._own is None:
                self._own = self._make()
            for item in items:
                yield function(self._own, item)
            return
        remaining = iter(items)
        under_way: deque[Future[Result]] = deque()
        try:
            while True:
                room = self._jobs * _AHEAD - len(under_way)
                for item in itertools.islice(remaining, room):
                    under_way.append(self._pool.submit(_call, function, item))
                if not under_way:
                    return
                yield under_way.popleft().result()
        except BrokenProcessPool as error:
            raise DatasetError(
                "a worker process was killed, perhaps for lack of memory",
                hint="go on with --resume, and fewer --jobs",
            ) from error


def _start(make: Callable[[], object]) -> None:
    global _state  # noqa: PLW0603  a process has one
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the parent, which ends us
    _state = make()


def _call(function: Callable[[State, Item], Result], item: Item) -> Result:
    return function(_state, item)  # type: ignore[arg-type]  # what `make` made, by `Workers`
