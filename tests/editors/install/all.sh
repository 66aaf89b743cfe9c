#!/bin/sh
# usage: all.sh FOLDER
# Everything that `make test-editors` needs, into FOLDER; what is there already stays. Fails with the
# name of what can't be installed.
set -eu
folder=$1
here=$(cd "$(dirname "$0")" && pwd)
sh "$here/neovim.sh" "$folder/nvim-0.12" forky || { echo "can't install Neovim 0.12" >&2; exit 1; }
sh "$here/neovim.sh" "$folder/nvim-0.10" trixie || { echo "can't install Neovim 0.10" >&2; exit 1; }
sh "$here/code-server.sh" "$folder/code-server" || { echo "can't install code-server" >&2; exit 1; }
# A machine that has installed nothing yet has no package lists either.
command -v chromium >/dev/null && command -v emacs >/dev/null || apt-get -qq update || { echo "can't read the package lists" >&2; exit 1; }
command -v chromium >/dev/null || apt-get -qq -y install chromium || { echo "can't install Chromium" >&2; exit 1; }
# Before version 29 its language client is a package of its own.
command -v emacs >/dev/null || apt-get -qq -y install --no-install-recommends emacs-nox || { echo "can't install Emacs" >&2; exit 1; }
emacs --batch -q --eval "(progn (package-initialize) (require 'eglot))" 2>/dev/null || apt-get -qq -y install --no-install-recommends elpa-eglot || { echo "can't install eglot for Emacs" >&2; exit 1; }
