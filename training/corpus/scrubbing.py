"""Secrets and personal data, replaced by something of the same kind that belongs to nobody.

:func:`fimls.context.secrets.secret_lines`, which serving uses too, says which lines hold a secret.
On such a line the literal is replaced without which the line holds none, so that the code around it
stays code.

E-mail addresses become those of example.com (RFC 2606), public addresses of machines those of
192.0.2.0/24 and 2001:db8::/32 (RFC 5737, RFC 3849), phone numbers the 555-01xx that are reserved
for fiction. Equal values become equal placeholders within a text.

E-mail addresses are recognised by their form; machines' by the standard library's ``ipaddress``;
phone numbers by ``phonenumbers``, the Python port of Google's libphonenumber, which knows which
numbers exist.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import AnyStr

from fimls.context.secrets import secret_lines

SECRET = "secret"  # noqa: S105


def scrub(text: str, path: str = "") -> tuple[str, Counter[str]]:
    """Return a text with placeholders, and how much of each kind was replaced.

    The same text always becomes the same; what is scrubbed twice stays as it is. Lines are neither
    added nor removed, and literals stay literals. Kinds: secret (lines), e-mail, ip, phone.
    """
    text, secrets = replace_secrets(text, path)
    text, counts = replace_personal(text)
    if secrets:
        counts[SECRET] = secrets
    return text, counts


_PLACEHOLDER = "<secret>"  # angle brackets tell detect-secrets that it is a template
_LITERAL = re.compile(
    r"(?<=\")(?:[^\"\\\n]|\\.){3,}(?=\")|(?<=')(?:[^'\\\n]|\\.){3,}(?=')|(?<=`)[^`\n]{3,}(?=`)"
)
_RUN = re.compile(r"[\w+/=-]{16,}|(?<=:)[^\s:/@\"']+(?=@)")  # or the password in an address
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
_VALUE = re.compile(r"[^\W_]{4,}")
_SHORT_LITERAL = re.compile(r"(?<=([\"'`]))[^\"'`\n]{1,2}(?=\1)")
_ANYTHING = re.compile(r"\S+")
_LONGEST_SEARCHED = 5_000  # every longer line counts as a secret, whatever is replaced in it


def replace_secrets(text: str, path: str = "") -> tuple[str, int]:
    """Return a text without its secrets, and how many lines had some.

    path: its suffix says whether a value needs quotes. The first call takes 0.3 s.
    """
    # A carriage return alone ends a line there, and not here.
    numbers = secret_lines(text.replace("\r", " "), path)
    if not numbers:
        return text, 0
    lines = text.split("\n")
    for number in numbers:
        lines[number] = _without_secret(lines[number], path)
    return "\n".join(lines), len(numbers)


def _without_secret(line: str, path: str) -> str:
    """Replace the one value that is the secret; else all that could be; else the words."""
    if not secret_lines(line, path):  # part of a key that spans lines
        return _crossed_out(line, _VALUE)
    if len(line) <= _LONGEST_SEARCHED:
        for start, end in _candidates(line):
            for placeholder in _placeholders(line, start, end):
                replaced = line[:start] + placeholder + line[end:]
                if not secret_lines(replaced, path):
                    return replaced
    all_replaced = _RUN.sub(_PLACEHOLDER, _LITERAL.sub(_PLACEHOLDER, line))
    # No literal: a value without quotes, or a line of a key.
    value = max(line.find("="), line.find(":"), 0)
    rest_crossed_out = line[:value] + _crossed_out(line[value:], _VALUE)
    for replaced in (
        all_replaced,
        _SHORT_LITERAL.sub(_PLACEHOLDER, line),
        rest_crossed_out,
    ):
        if not secret_lines(replaced, path):
            return replaced
    return rest_crossed_out if len(line) > _LONGEST_SEARCHED else _crossed_out(line, _ANYTHING)


def _crossed_out(text: str, words: re.Pattern[str]) -> str:
    return words.sub(lambda match: "x" * len(match[0]), text)


def _candidates(line: str) -> list[tuple[int, int]]:
    """Return what may be the secret, the most likely first: parts of literals, literals, runs.

    Runs outside of literals come last: in code they are names.
    """
    literals = [match.span() for match in _LITERAL.finditer(line)][::-1]
    runs = [match.span() for match in _RUN.finditer(line)][::-1]
    inside = [run for run in runs if any(a <= run[0] and run[1] <= b for a, b in literals)]
    return [*inside, *literals, *(run for run in runs if run not in inside)]


def _placeholders(line: str, start: int, end: int) -> tuple[str, ...]:
    # Zeros before an @ would be the name of an e-mail address.
    if _HEXADECIMAL.fullmatch(line, start, end) and not line.startswith("@", end):
        return "0" * (end - start), _PLACEHOLDER
    return (_PLACEHOLDER,)


EMAIL, PHONE, ADDRESS = "e-mail", "phone", "ip"

# Endings that people's addresses have; a matrix product ``a@b.c`` rarely ends like this.
_ENDINGS = (
    "ac|ai|app|at|au|be|biz|br|ca|cc|ch|cl|cloud|cn|co|com|cz|de|dev|dk|edu|es|eu|fi|fr|gov|gr|hk|hu"
    "|ie|il|in|info|io|ir|it|jp|kr|me|mil|mx|name|net|nl|no|nz|org|pl|pro|pt|ro|ru|se|sg|sh|si|sk"
    "|su|tech|tr|tv|tw|ua|uk|us|xyz|za"
)
_EMAIL = re.compile(
    rf"[\w.+-]{{1,64}}@(?:[a-z0-9-]{{1,63}}\.){{1,5}}(?:{_ENDINGS})(?![\w(\[-]|\.\w)",
    re.IGNORECASE | re.ASCII,
)
_LOCAL = re.compile(r"[\w.+-]{1,64}$", re.ASCII)
_NOBODY = re.compile(
    r"(?:git|hg|svn|user\d*|username|noreply|no-reply|\w*example\w*)@"
    r"|.*@(?:.*\.)?(?:example\.\w+|noreply\.github\.com)$",
    re.IGNORECASE,
)
_IPV4 = re.compile(r"(?<![\w.-])[1-9]\d{0,2}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w-]|\.\w)")
_IPV6 = re.compile(r"(?<![\w:.-])[23][0-9a-fA-F]{3}:[0-9a-fA-F:]{4,34}(?![\w.])")
# Public name servers, which every example asks.
_SERVICES = frozenset({"1.0.0.1", "1.1.1.1", "8.8.4.4", "8.8.8.8", "9.9.9.9", "208.67.222.222"})
_VERSION_BELOW = 32  # four numbers that are all smaller are a version
_PHONE = re.compile(
    r"(?<![\w)\].])\+\d[\d ().-]{6,16}\d(?![\w.])"
    r"|(?<![\w.-])\(\d{3}\) ?\d{3}[ .-]\d{4}(?![\w.-])"
    r"|(?<![\w.-])\d{3}[-.]\d{3}[-.]\d{4}(?![\w.-])"
)
_PHONE_ENDS = (b"000-0000", b"000.0000", b"000 0000")

_Placeholder = Callable[[str, int], "str | None"]


def replace_personal(text: str) -> tuple[str, Counter[str]]:
    """Return a text without personal data, and how many values of each kind there were."""
    counts: Counter[str] = Counter()
    text, counts[EMAIL] = _replace(text, _EMAIL, _email_starts(text), _email)
    text, four = _replace(text, _IPV4, _ipv4_starts(digits_as_zeros(text)), _ipv4)
    text, six = _replace(text, _IPV6, _ipv6_starts(hexadecimals_as_zeros(text)), _ipv6)
    counts[ADDRESS] = four + six
    text, counts[PHONE] = _replace(text, _PHONE, _phone_starts(digits_as_zeros(text)), _phone)
    return text, +counts


def _replace(
    text: str, pattern: re.Pattern[str], starts: Iterable[int], placeholder: _Placeholder
) -> tuple[str, int]:
    """Replace what the pattern matches at one of ``starts``, in order, and has a placeholder.

    placeholder: takes a value and how many others were replaced before; returns None where the
        value may stay.
    """
    known: dict[str, str | None] = {}
    pieces: list[str] = []
    end = replaced = 0
    for start in starts:
        match = pattern.match(text, start) if start >= end else None
        if match is None:
            continue
        value = match[0]
        if value not in known:
            known[value] = placeholder(value, replaced)
            replaced += known[value] is not None
        new = known[value]
        if new is not None:
            pieces += text[end:start], new
            end = match.end()
    return ("".join([*pieces, text[end:]]) if pieces else text), len(pieces) // 2


def _email_starts(text: str) -> Iterator[int]:
    for place in places(text, "@"):
        if local := _LOCAL.search(text[max(0, place - 64) : place]):
            yield place - len(local[0])


def _email(value: str, number: int) -> str | None:
    if _NOBODY.match(value):
        return None
    return f"user{number + 1 if number else ''}@example.com"


def _ipv4_starts(digits: bytes) -> Iterator[int]:
    for place in places(digits, b"0.0"):
        first = place
        while first > 0 and digits[first - 1] == ord("0") and place - first < 3:
            first -= 1
        yield first


def _ipv4(value: str, number: int) -> str | None:
    numbers = [int(part) for part in value.split(".")]
    if value in _SERVICES or max(numbers) < _VERSION_BELOW or not _is_global(value):
        return None
    return f"192.0.2.{number % 254 + 1}"


def _ipv6_starts(hexadecimals: bytes) -> Iterator[int]:
    return places(hexadecimals, b"0000:")


def _ipv6(value: str, number: int) -> str | None:
    return f"2001:db8::{number + 1:x}" if _is_global(value) else None


def _is_global(value: str) -> bool:
    try:
        return ipaddress.ip_address(value).is_global
    except ValueError:
        return False


def _phone_starts(digits: bytes) -> list[int]:
    ends = [place for end in _PHONE_ENDS for place in places(digits, end)]
    brackets = [digits.rfind(b"(", max(0, place - 6), place) for place in ends]
    bare = [place - 4 for place in ends]
    plus = places(digits, b"+0")
    return sorted(start for start in {*plus, *brackets, *bare} if start >= 0)


def _phone(value: str, number: int) -> str | None:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(value, "US")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return f"{'+1-' if value[0] == '+' else ''}202-555-01{number % 100:02}"


_DIGITS = b"0123456789"
_DIGITS_AS_ZEROS = bytes.maketrans(_DIGITS, b"0" * 10)
_HEXADECIMALS_AS_ZEROS = bytes.maketrans(_DIGITS + b"abcdefABCDEF", b"0" * 22)


def places(text: AnyStr, part: AnyStr) -> Iterator[int]:
    """Yield where a part is, from left to right, without overlaps.

    ``str.find`` reads 1 GB/s where a regular expression reads 10 to 50 MB/s. To find what isn't
    literal, characters of a class are made equal first, which keeps offsets.
    """
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + len(part))


def one_byte_each(text: str) -> bytes:
    """Return one byte for each character: ``?`` for those that Latin-1 doesn't have."""
    return text.encode("latin-1", "replace")


def digits_as_zeros(text: str) -> bytes:
    """Return one byte for each character, ``0`` for each digit."""
    return one_byte_each(text).translate(_DIGITS_AS_ZEROS)


def hexadecimals_as_zeros(text: str) -> bytes:
    """Return one byte for each character, ``0`` for each hexadecimal digit."""
    return one_byte_each(text).translate(_HEXADECIMALS_AS_ZEROS)
