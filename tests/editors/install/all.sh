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
command -v chromium >/dev/null || apt-get -qq -y install chromium || { echo "can't install Chromium" >&2; exit 1; }
