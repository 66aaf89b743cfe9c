from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimls.context.secrets import secret_lines
from training.corpus import scrub

# Put together here, so that no scanner takes this file for a leak.
AWS_KEY = "AKIA" + "QYLPMN5HHHFPZAM2"
GITHUB_TOKEN = "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "MIIEpAIBAAKCAQEAw8s5kV0m3Tq1zXc9bN7yRfG2hJ4kL6pQ8rS0tU1vW3xY5zA7\n" * 3
    + "-----END RSA PRIVATE KEY-----"
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f'KEY = "{AWS_KEY}"\n', 'KEY = "<secret>"\n'),
        (f"run(token='{GITHUB_TOKEN}', retries=3)\n", "run(token='<secret>', retries=3)\n"),
        ('password = "hunter2hunter2"\n', 'password = "<secret>"\n'),
        ('POSTGRES_AUTH_PASSWORD = "hunter2"\n', 'POSTGRES_AUTH_PASSWORD = "<secret>"\n'),
        (
            'URL = "postgres://admin:s3cretpw@db/x"\n',
            'URL = "postgres://admin:<secret>@db/x"\n',
        ),
        (f'DIGEST = "{"9f86d081884c7d65" * 2}"\n', f'DIGEST = "{"0" * 32}"\n'),
    ],
)
def test_a_secret_is_replaced_and_the_rest_of_its_line_stays(before: str, after: str) -> None:
    """The placeholder takes the secret's place; for hexadecimal digits it is zeros."""
    text, counts = scrub(before, "settings.py")
    assert (after, {"secret": 1}) == (text, dict(counts))


LETTERS = "kqwmzxvbtrjhplfdgsnc"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('s = "' + "xoxb" + '-1-ab"', 's = "<secret>"'),
        ("# " + "sk_" + f"live_{LETTERS}abcd", "# <secret>"),
        ("//npm.example.org/:" + "_authToken=npm_abc", "//npm.example.org/:<secret>"),
        (f"u = 'ftp://{'u' * 120}:hunter2@db/x'", f"u = 'ftp://{'u' * 120}:<secret>@db/x'"),
        (f't = "M{"a" * 23}.{"b" * 6}.{"c" * 27}"', f't = "M{"a" * 23}.{"b" * 6}.<secret>"'),
        ("t = '" + "eyJhIjoxfQ" + ".eyJhIjoxfQ'", "t = '<secret>'"),
        (f'k = "SG.{LETTERS}ab.{LETTERS * 2}abc"', f'k = "SG.{LETTERS}ab.<secret>"'),
        (f'k = "110201543:{LETTERS}{LETTERS[:15]}"', 'k = "110201543:<secret>"'),
        (f"ibm_cloud_api_key = {LETTERS * 2}abcd", "ibm_cloud_api_key = <secret>"),
        (f'password_{"of_" * 30}him = "hunter2"', f'password_{"of_" * 30}him = "<secret>"'),
        ("password => 'hunter2'", "password => '<secret>'"),
        ('password = "a1"', 'password = "<secret>"'),
        ('password = "a\\"bcd"', 'password = "<secret>"'),
        (f'x = "{"ab cd " * 900}"', 'x = "<secret>"'),
        (f"password(x){' ' * 1100}", f"xxxxxxxx(x){' ' * 1100}"),
    ],
)
def test_what_serving_redacts_is_replaced(before: str, after: str) -> None:
    """Datasets have no secret that serving would leave out of a prompt, of whatever kind."""
    assert (0,) == secret_lines(before, "settings.py")
    assert (after, 1) == (
        scrub(before, "settings.py")[0],
        scrub(before, "settings.py")[1]["secret"],
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a='xx'; password = \"q9\"", "a='<secret>'; password = \"<secret>\""),
        (
            f"u = 'https://abc:{'9f86d081884c7d65' * 4}@abc.cloudant.com'",
            "u = 'https://abc:<secret>@abc.cloudant.com'",
        ),
    ],
)
def test_a_replaced_value_is_neither_a_secret_nor_a_person(before: str, after: str) -> None:
    """A placeholder is neither a secret nor personal data when it is looked at again."""
    assert after == scrub(before, "settings.py")[0] == scrub(after, "settings.py")[0]


def test_a_private_key_goes_line_by_line() -> None:
    """Nothing of a key is left, and the text has as many lines as before."""
    before = f'KEY = """{PEM}"""\nwidth = 3\n'
    after, _ = scrub(before, "keys.py")
    assert () == secret_lines(after, "keys.py")
    assert "MIIE" not in after
    assert before.count("\n") == after.count("\n")
    ast.parse(after)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("# Ask jane.doe@acme.org\n", "# Ask user@example.com\n", "e-mail"),
        ('HOST = "93.184.216.34"\n', 'HOST = "192.0.2.1"\n', "ip"),
        ('HOST = "2606:2800:220:1::1"\n', 'HOST = "2001:db8::1"\n', "ip"),
        ("# Call +44 20 7031 3000 now\n", "# Call +1-202-555-0100 now\n", "phone"),
        ("# Call (650) 253-0000 now\n", "# Call 202-555-0100 now\n", "phone"),
    ],
)
def test_personal_data_become_examples(before: str, after: str, kind: str) -> None:
    """Each kind has placeholders that are reserved for nobody."""
    text, counts = scrub(before)
    assert (after, {kind: 1}) == (text, dict(counts))


@pytest.mark.parametrize(
    "text",
    [
        "product = left@right.T\n",
        "@app.route('/')\ndef home(): ...\n",
        "clone = 'git@github.com:acme/tools.git'\n",
        "# someone@example.com\n",
        'VERSION = "1.2.3.4"\n',
        'HOSTS = ["127.0.0.1", "10.1.2.3", "8.8.8.8", "::1"]\n',
        "total = a+1234567890\n",
        "when = '2024-01-01 12:30:00'\n",
        "key = sorted(names, key=len)\n",
        "password = getpass()\n",
        "identifier_with_number_2_and_more_words = 1\n",
        'uuid = "123e4567-e89b-12d3-a456-426614174000"\n',
    ],
)
def test_ordinary_code_stays(text: str) -> None:
    """What only looks like a secret or a person is code."""
    assert (text, {}) == (scrub(text, "code.py")[0], dict(scrub(text, "code.py")[1]))


def test_equal_values_get_equal_placeholders() -> None:
    """One person has one placeholder, two people have two."""
    text = "# a@acme.org b@acme.org a@acme.org\n"
    assert "# user@example.com user2@example.com user@example.com\n" == scrub(text)[0]


def test_offsets_hold_beside_other_alphabets() -> None:
    """Characters of several bytes before a value don't move it."""
    text = "# \u00e9\u4e16\U0001f600 jane@acme.org 93.184.216.34\n"
    assert "# \u00e9\u4e16\U0001f600 user@example.com 192.0.2.1\n" == scrub(text)[0]


PIECES = st.sampled_from(
    [
        'x = "',
        '"',
        "'",
        "\n",
        "\r",
        " ",
        "password = ",
        AWS_KEY,
        GITHUB_TOKEN,
        "jane@acme.org",
        "93.184.216.34",
        "+44 20 7031 3000",
        "://u:",
        "@",
        "=",
        "\u00e9",
        "def f():",
        "93.",
        "abc",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_scrubbing_is_finished_and_keeps_lines(text: str) -> None:
    """Whatever the text: no secret is left, a second time changes nothing, lines stay lines."""
    once, _ = scrub(text, "code.py")
    assert () == secret_lines(once, "code.py")
    assert once == scrub(once, "code.py")[0]
    assert text.count("\n") == once.count("\n")
