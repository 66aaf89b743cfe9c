#!/bin/sh
# Hostile completions are tested behind bubblewrap. Installs it where that is allowed; else says what is missing.
set -eu
works() { bwrap --unshare-all --ro-bind / / true 2>/dev/null; }
[ "$(uname -s)" = Linux ] || exit 0
works && exit 0
if ! command -v bwrap >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing bubblewrap"
    apt-get -qq update && apt-get -qq -y install bubblewrap >/dev/null || true
    works && exit 0
fi
if command -v bwrap >/dev/null; then
    echo "bubblewrap is installed, but this system lets it make no namespaces: $(bwrap --unshare-all --ro-bind / / true 2>&1 | tail -n 1)" >&2
else
    echo "bubblewrap is not installed: the tests of hostile completions need it (Debian: sudo apt install bubblewrap)" >&2
fi
echo "make test-quick runs the tests that do without it" >&2
exit 1
