"""Secrets are found, without a network and in any thread. Every secret here is made up."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import threading
import time

import pytest

from fimls.context.secrets import redacted, secret_lines

HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
MIXED = "kD93jfLq0ZxN7vTyB2mWc5RhGs8UaPeXoI1Q"

# Cut in two, so that no scanner takes this file for a leak.
SECRETS = [
    "key = '" + "AKIA" + "Z7QX4M2N8K1P5R3T" + "'",
    'client("s3", aws_secret_key="' + MIXED + 'abcd")',
    "token: " + "ghp" + "_" + MIXED,
    "url = 'postgres://admin:" + "hunter2horse" + "@db.example.org/x'",
    'password = "correct horse battery"',
    'connect(host, api_key="' + "zq8x-not-a-word" + '")',
    "const s = `" + "xoxb" + "-123456789012-abcdefghijkl" + "`;",
    "sk = '" + "sk" + "_live_" + MIXED[:24] + "'",
    f'HASH = "{HEX}"',
    f'blob = "{MIXED}"',
    "g = '" + "AIza" + MIXED[:35] + "'",
    "h = '" + "github" + "_pat_" + "1" * 10 + MIXED + MIXED + "'",
    "OPENAI=" + "sk" + "-proj-" + MIXED,
    "slack = 'https://hooks.slack.com/services/" + "T0/B0/abc'",
    "ibm_cloud_api_key = " + MIXED + "abcdefgh",
]
CLEAN = [
    "password = getpass()",
    "def set_password(self, password: str) -> None:",
    "api_key = settings.api_key",
    'version = "1.2.3.4"',
    'alphabet = "abcdefghijklmnopqrstuvwxyz"',
    'user_id = "3fa85f64-5717-4562-b3fc-2c963f66afa6"',
    'path = "fimls/context/exclusions.py"',
    'password = "${PASSWORD}"',
    "password = '<password>'",
    "for key, value in tokens.items():",
]
PRIVATE_KEY = (
    "-----BEGIN " + "RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n"
    f"{HEX}\n{HEX}\n-----END " + "RSA PRIVATE KEY-----\n"
)


@pytest.mark.parametrize("line", SECRETS)
def test_secrets_are_found(line: str) -> None:
    """Keys, tokens, passwords in URLs and random strings are found, on their lines only."""
    assert secret_lines(f"import os\n{line}\nx = 1\n", "a.py") == (1,)


@pytest.mark.parametrize("line", CLEAN)
def test_code_about_secrets_is_no_secret(line: str) -> None:
    """Names, placeholders, versions and ids aren't secrets."""
    assert secret_lines(f"{line}\n", "a.py") == ()


def test_values_without_quotes() -> None:
    """In configuration a value needs no quotes; in Go a call isn't a value."""
    assert secret_lines("password: hunter2horse\n", "deploy.yaml") == (0,)
    assert secret_lines("password := read()\n", "main.go") == ()
    assert secret_lines('password := "hunter2horse"\n', "main.go") == (0,)


def test_redacted_removes_whole_lines() -> None:
    """Lines with secrets are removed, whatever their line ends; other texts are unchanged."""
    clean = "a = 1\r\nb = 2\n"
    assert clean == redacted(clean)
    assert redacted(f"a = 1\r\n{SECRETS[0]}\r\nb = 2\n") == clean
    assert redacted(f"{SECRETS[0]}\n{SECRETS[4]}") == ""
    assert redacted("") == ""


def test_private_keys() -> None:
    """A text with a key block isn't used at all; all lines of the block are secret."""
    text = f"x = 1\n{PRIVATE_KEY}y = 2\n"
    assert redacted(text) is None
    assert secret_lines(text) == (1, 2, 3, 4, 5, 6)
    assert redacted(text.replace("\n", "\\n")) is None
    assert redacted(text[: text.index("-----END")]) is None


def test_code_that_names_the_header_of_a_key() -> None:
    """Code that parses keys loses only the line with the header."""
    line = 'BEGIN = "-----BEGIN ' + 'PRIVATE KEY-----"\n'
    assert redacted(f"import re\n{line}x = 1\n") == "import re\nx = 1\n"


def test_lines_count_as_editors_count() -> None:
    r"""Only \n, \r\n and \r end a line: a form feed doesn't."""
    assert secret_lines(f"a\fb\u2028c\r\nd\re\n{SECRETS[0]}") == (3,)


def test_nothing_can_reach_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets that detect-secrets could verify at a service are found without a connection."""
    attempts: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        attempts.append(arguments)
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(SECRETS) == len(secret_lines("\n".join(SECRETS), "a.py"))
    assert [] == attempts


def test_settings_that_verify_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even with detect-secrets' global settings set to verify, no plugin is asked to."""
    from detect_secrets.plugins.base import BasePlugin
    from detect_secrets.settings import transient_settings

    def verify(*_: object) -> None:
        raise AssertionError("asked to verify")

    pending = [BasePlugin]
    while pending:
        plugin = pending.pop()
        monkeypatch.setattr(plugin, "verify", verify)
        pending.extend(plugin.__subclasses__())
    path = "detect_secrets.filters.common.is_ignored_due_to_verification_policies"
    with transient_settings({"filters_used": [{"path": path, "min_level": 2}]}):
        assert len(SECRETS) == len(secret_lines("\n".join(SECRETS), "a.py"))


def test_threads_agree() -> None:
    """Many threads at once find the same as one."""
    text = "\n".join([*SECRETS, *CLEAN])
    expected = secret_lines(text, "a.py")
    answers: list[tuple[int, ...]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(secret_lines(text, "a.py")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [expected] * 8 == answers


def test_imported_when_first_used() -> None:
    """The module itself imports neither detect-secrets nor requests: start-up is latency."""
    code = (
        "import sys, fimls.context.secrets; "
        "print(sorted({'detect_secrets', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "line",
    [
        "a" * 4_900,
        "password" * 600,
        "key = '" + "x" * 4_800,
        "password=" * 500,
        "password: '" + " a" * 2_400,
        "://" + "a:" * 2_400,
        "AP0" * 1_600,
        "secret " * 700 + ";",
        "x" * 1_000_000,
    ],
    ids=lambda line: line[:12],
)
def test_hostile_lines_take_no_time(line: str) -> None:
    """A long line that provokes regular expressions takes as long as some hundred lines of its
    length of code, not ten thousand, which is what cubic time comes to; the longest count.
    """
    code = ("value = call(argument) + " * 200)[:4_900]
    secret_lines(code)  # loads the detectors

    def seconds(text: str) -> float:
        began = time.thread_time()
        secret_lines(text)
        return time.thread_time() - began

    usual = statistics.median(seconds(code) for _ in range(9))
    assert min(seconds(line) for _ in range(2)) < 1000 * usual
    assert len(line) < 5_000 or secret_lines(line) == (0,)
