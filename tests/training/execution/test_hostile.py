"""Programs that a completion might be, each contained. What they reach for are canaries of ours."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from training.evaluation.execution import Limits, Outcome, Sandbox

Hostile = Callable[[str], Outcome]


@pytest.fixture
def hostile(sandbox: Sandbox, limits: Limits) -> Hostile:
    """Run a program, and check that the sandbox still works afterwards."""

    def run(source: str) -> Outcome:
        outcome = sandbox.run_program(textwrap.dedent(source), limits=limits)
        assert 87 == sandbox.run_program("raise SystemExit(87)", limits=limits).exit_code
        return outcome

    return run


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file of the user's."""
    path = tmp_path / "home" / "secret.txt"
    path.parent.mkdir()
    path.write_text("the secret")
    return path


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the user's."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_deleting_files_leaves_the_users_alone(hostile: Hostile, canary: Path) -> None:
    """A program that removes every folder it can finds none of the user's."""
    outcome = hostile(
        f"""
        import os, shutil
        for folder in ({str(canary.parent)!r}, os.path.expanduser("~"), "/tmp", "/box"):
            shutil.rmtree(folder, ignore_errors=True)
        os.unlink({str(canary)!r})
        """
    )
    assert 1 == outcome.exit_code
    assert "the secret" == canary.read_text()


def test_reading_home_finds_nothing(hostile: Hostile, canary: Path) -> None:
    """The user's files can't be read, and HOME is an empty folder of the job."""
    outcome = hostile(
        f"""
        import os
        print(os.listdir(os.path.expanduser("~")))
        print(open({str(canary)!r}).read())
        """
    )
    assert 1 == outcome.exit_code
    assert "[]\n" == outcome.stdout


def test_a_fork_bomb_ends(hostile: Hostile) -> None:
    """Forking without end stops at the limit, and all of them are gone at once."""
    outcome = hostile(
        """
        import os, time
        while True:
            try:
                os.fork()
            except OSError:
                time.sleep(0.01)
        """
    )
    assert outcome.killed_by in {"processes", "wall", "cpu"}


@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM"])
def test_the_network_is_out_of_reach(hostile: Hostile, kind: str) -> None:
    """Neither TCP nor UDP reaches a listener of this machine, nor another machine."""
    with socket.socket(socket.AF_INET, getattr(socket, kind)) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.1)
        if kind == "SOCK_STREAM":
            listener.listen()
        outcome = hostile(
            f"""
            import socket
            for address in (("127.0.0.1", {listener.getsockname()[1]}), ("192.0.2.1", 9)):
                try:
                    s = socket.socket(socket.AF_INET, socket.{kind})
                    s.settimeout(0.5)
                    s.connect(address)
                    s.send(b"x")
                    print("sent")
                except OSError:
                    print("refused")
            """
        )
        with pytest.raises(TimeoutError):
            listener.accept() if kind == "SOCK_STREAM" else listener.recv(1)
    assert "refused" == outcome.stdout.splitlines()[-1]


def test_names_arent_resolved(hostile: Hostile) -> None:
    """No question leaves for a name server."""
    outcome = hostile("import socket; socket.getaddrinfo('example.org', 80)")
    assert "gaierror" in outcome.stderr or "PermissionError" in outcome.stderr


def test_unix_sockets_outside_are_out_of_reach(hostile: Hostile, tmp_path: Path) -> None:
    """A service that listens on a socket file, or under an abstract name, can't be spoken to."""
    names = [str(tmp_path / "s"), f"\0fimls-test-{os.getpid()}"]
    listeners = []
    for name in names:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(name)
        listener.listen()
        listeners.append(listener)
    outcome = hostile(
        f"""
        import socket
        for name in {names!r}:
            try:
                socket.socket(socket.AF_UNIX).connect(name)
                print("connected")
            except OSError:
                print("refused")
        """
    )
    for listener in listeners:
        listener.close()
    assert ["refused", "refused"] == outcome.stdout.splitlines()


def test_memory_is_bounded(hostile: Hostile) -> None:
    """Taking memory without end fails inside."""
    outcome = hostile("x = [bytearray(1 << 20) for _ in range(100_000)]")
    assert "MemoryError" in outcome.stderr or outcome.killed_by is not None


def test_shared_memory_is_bounded(hostile: Hostile) -> None:
    """Memory that belongs to no one process counts too."""
    outcome = hostile(
        """
        import mmap, time
        maps = []
        for _ in range(64):
            maps.append(mmap.mmap(-1, 16 << 20))
            maps[-1].write(b"x" * (16 << 20))
            time.sleep(0.02)
        time.sleep(60)  # whoever watches may be slow to look
        """
    )
    assert "memory" == outcome.killed_by


def test_output_is_bounded(hostile: Hostile) -> None:
    """Printing without end is ended; a tail is kept."""
    outcome = hostile("while True: print('x' * 1000)")
    assert "output" == outcome.killed_by
    assert len(outcome.stdout) < 1 << 16


def test_an_endless_loop_ends(sandbox: Sandbox) -> None:
    """A loop without end runs out of processor time, even if it won't hear of it."""
    outcome = sandbox.run_program(
        "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        limits=Limits(cpu_s=1, wall_s=100.0),
    )
    assert "cpu" == outcome.killed_by


def test_sleeping_ends(sandbox: Sandbox) -> None:
    """Sleep costs no processor, but the clock runs out."""
    outcome = sandbox.run_program("import time; time.sleep(60)", limits=Limits(wall_s=0.5))
    assert "wall" == outcome.killed_by


def test_signals_reach_nobody(hostile: Hostile, bystander: subprocess.Popen[bytes]) -> None:
    """Killing the parent, a process of the user's and everything ends the program alone."""
    hostile(
        f"""
        import os, signal
        for pid in (os.getppid(), {bystander.pid}, {os.getpid()}, -1):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        """
    )
    assert bystander.poll() is None


def test_tracing_reaches_nobody(hostile: Hostile, bystander: subprocess.Popen[bytes]) -> None:
    """Neither the user's processes nor the supervisor can be attached to or looked into."""
    outcome = hostile(
        f"""
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        print([libc.ptrace(16, pid, 0, 0) for pid in (os.getppid(), {bystander.pid})])
        for name in ("mem", "environ"):
            try:
                open(f"/proc/{{os.getppid()}}/{{name}}", "rb")
                print("opened")
            except OSError:
                print("refused")
        """
    )
    assert ["[-1, -1]", "refused", "refused"] == outcome.stdout.splitlines()


def test_crashing_the_interpreter_is_a_failure(hostile: Hostile) -> None:
    """Ctypes writing to nowhere kills the program and nothing else."""
    outcome = hostile("import ctypes; ctypes.memset(1, 0, 1)")
    assert "signal 11" == outcome.killed_by
    assert outcome.exit_code is None


def test_links_lead_nowhere(sandbox: Sandbox, limits: Limits, canary: Path) -> None:
    """A link out of the tree neither shows a file, nor overwrites one, nor is brought back."""
    script = (
        f"ln -s {canary} link; ln -s {canary.parent} folder; ln -s /etc/passwd out;"
        "cat link; echo no > folder/secret.txt; echo no > link"
    )
    outcome = sandbox.run(
        ["/bin/sh", "-c", script], limits=limits, collected=["link", "out", "folder/*"]
    )
    assert "the secret" == canary.read_text()
    assert "the secret" not in outcome.stdout
    assert {} == outcome.files


def test_a_file_cannot_be_huge(hostile: Hostile) -> None:
    """One file stops growing at the limit."""
    outcome = hostile(
        """
        with open("big", "wb") as file:
            for _ in range(1000): file.write(b"x" * (1 << 20))
        """
    )
    assert "File too large" in outcome.stderr


def test_many_files_cannot_fill_the_disk(hostile: Hostile, sandbox: Sandbox) -> None:
    """What is written in all is bounded where the walls can count it, and it is gone afterwards."""
    outcome = hostile(
        """
        for number in range(64):
            with open(f"{number}", "wb") as file: file.write(b"x" * 1_000_000)
        """
    )
    if sandbox.tree == "/box/tree":  # the walls of bubblewrap
        assert "No space left" in outcome.stderr
    assert "[]\n" == sandbox.run_program("import os; print(os.listdir())").stdout


def test_daemons_do_not_survive(hostile: Hostile, sandbox: Sandbox) -> None:
    """Forking twice into a session of its own saves no process, and is told."""
    outcome = hostile(
        """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(60)
            os._exit(0)
        os.wait()
        """
    )
    assert 0 == outcome.exit_code
    assert ("left processes behind",) == outcome.violations
    alive = "import os; print(sum(name.isdigit() for name in os.listdir('/proc')))"
    if "box" in sandbox.tree.split("/"):  # a process namespace: the supervisor and the program
        assert "2\n" == sandbox.run_program(alive).stdout


def test_threads_count(hostile: Hostile) -> None:
    """Threads without end stop at the limit."""
    outcome = hostile(
        """
        import threading, time
        while True: threading.Thread(target=time.sleep, args=(60,)).start()
        """
    )
    assert outcome.killed_by == "processes" or "can't start new thread" in outcome.stderr


def test_reading_input_gets_nothing(hostile: Hostile) -> None:
    """Standard input is at its end: nothing waits for a person, nor hears the conversation."""
    assert "EOFError" in hostile("input()").stderr


def test_deep_recursion_is_a_failure(hostile: Hostile) -> None:
    """Recursion without end fails inside, by the interpreter or by the stack's end."""
    outcome = hostile(
        """
        import sys
        sys.setrecursionlimit(10**9)
        def deeper(): return deeper() + 1
        deeper()
        """
    )
    assert 0 != outcome.exit_code


def test_deleting_the_own_tree_costs_the_own_result(sandbox: Sandbox, limits: Limits) -> None:
    """The next job has a fresh one."""
    outcome = sandbox.run(["/bin/sh", "-c", "rm -rf ../tree ../home; cd /; true"], limits=limits)
    assert outcome.killed_by is None
    again = sandbox.run(["/bin/sh", "-c", "pwd; ls ~"], limits=limits)
    assert (0, f"{sandbox.tree}\n") == (again.exit_code, again.stdout)


def test_the_environment_holds_no_secrets(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's environment is handed on."""
    monkeypatch.setenv("FIMLS_TEST_TOKEN", "the secret")
    with Sandbox() as sandbox:
        program = sandbox.run_program("import os; print(dict(os.environ))", limits=limits)
        command = sandbox.run(["/usr/bin/env"], limits=limits)
        parent = sandbox.run_program(
            "import os; print(open(f'/proc/{os.getppid()}/environ').read())", limits=limits
        )
    assert "the secret" not in program.stdout + command.stdout + parent.stdout
    assert "PATH" in program.stdout


def test_gaining_rights_is_impossible(hostile: Hostile) -> None:
    """A program has none of root's capabilities, even where root evaluates."""
    outcome = hostile(
        """
        import ctypes
        libc = ctypes.CDLL(None)
        print(libc.mount(b"none", b"/usr", b"tmpfs", 0, None), libc.chroot(b"/usr"))
        """
    )
    assert "-1 -1\n" == outcome.stdout
