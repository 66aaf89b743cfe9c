"""Secrets and personal data, replaced by something of the same kind that belongs to nobody."""

from __future__ import annotations

from collections import Counter

from training.corpus.personal import replace_personal
from training.corpus.secret_values import replace_secrets

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
