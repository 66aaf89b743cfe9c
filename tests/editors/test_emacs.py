"""Emacs' own language client (eglot), for which the server is one more completion source."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.editors.installed import program

pytestmark = [pytest.mark.editors, pytest.mark.timeout(120)]

# What README tells people to put into their init file, and then what a person does.
_SESSION = """
(package-initialize) ; Emacs 28 and before have it as a package
(require (quote eglot))
(add-to-list 'eglot-server-programs '(python-mode . ({server})))
(setq eglot-sync-connect 20)
(find-file "{file}")
(python-mode)
(call-interactively #'eglot)
(let ((until (+ (float-time) 20)) (found nil))
  (goto-char (point-max))
  (insert "return ")
  (while (and (not found) (< (float-time) until))
    (accept-process-output nil 0.2)
    (let ((source (eglot-completion-at-point)))
      (setq found (and source (all-completions "" (nth 2 source))))))
  (message "candidates: %S" found)
  (completion-at-point)
  (save-buffer))
(eglot-shutdown-all)
"""


def test_eglot_completes_what_the_server_suggests(
    server: list[str], tmp_path: Path, write: Callable[[str, str], Path]
) -> None:
    """A real Emacs, its built-in client, and the suggestion in the saved file."""
    file = write("a.py", "")
    script = tmp_path / "session.el"
    command = " ".join(f'"{part}"' for part in server)
    script.write_text(_SESSION.format(server=command, file=file))
    done = subprocess.run(
        [program("emacs"), "--batch", "-q", "-l", str(script)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    assert "self.width * self.height" in done.stderr
    assert "return self.width * self.height" == file.read_text().strip()
