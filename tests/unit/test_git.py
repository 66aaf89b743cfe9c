from __future__ import annotations

from fimls.git import added_lines


def test_odd_diffs() -> None:
    """Quoted paths are left out; a changed line that looks like a header is no file."""
    diff = (
        b'diff --git "a/\\t.py" "b/\\t.py"\n--- "a/\\t.py"\n+++ "b/\\t.py"\n@@ -1 +1 @@\n-x\n+y\n'
        b"diff --git a/b c.py b/b c.py\n--- a/b c.py\t\n+++ b/b c.py\t\n@@ -3,0 +4,2 @@ def f\n+y\n"
        b"+++ b/other.py\n@@ -9 +9 @@\n-x\n+y\n@@ -12,2 +11,0 @@\n-x\n-y\n"
    )
    assert [("b c.py", 3, 5), ("b c.py", 8, 9)] == list(added_lines(diff.split(b"\n")))
