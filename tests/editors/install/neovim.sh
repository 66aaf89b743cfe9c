#!/bin/sh
# usage: neovim.sh PREFIX SUITE
# Unpacks a Debian suite's neovim, with all libraries that it needs, into PREFIX; the system's own
# packages stay as they are. Needs apt and patchelf.
set -eu
prefix=$(mkdir -p "$1" && cd "$1" && pwd)
suite=$2
[ -x "$prefix/usr/bin/nvim" ] && [ -f "$prefix/.complete" ] && exit 0
mirror=${DEBIAN_MIRROR:-$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources | head -1)}
apt=$prefix/.apt
mkdir -p "$apt/state/lists/partial" "$apt/cache" "$apt/debs/partial"
: > "$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$apt/sources.list"
# An empty status: the solver takes the complete closure, the C library too.
options="-o Dir::Etc::sourcelist=$apt/sources.list -o Dir::Etc::sourceparts=/dev/null
  -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
  -o Dir::State=$apt/state -o Dir::State::status=$apt/status -o Dir::Cache=$apt/cache
  -o Dir::Cache::archives=$apt/debs -o APT::Install-Recommends=false
  -o Acquire::Languages=none -o APT::Sandbox::User=root"
# shellcheck disable=SC2086  # options, to be split
apt-get -qq $options update
# shellcheck disable=SC2086
apt-get -qq -y $options install -d neovim
for package in "$apt"/debs/*.deb; do dpkg -x "$package" "$prefix"; done
rm -rf "$apt"
# Its own loader and library path, not LD_LIBRARY_PATH: what nvim starts keeps the system's.
libraries=$prefix/usr/lib/x86_64-linux-gnu
patchelf --force-rpath --set-rpath "$libraries" \
  --set-interpreter "$libraries/ld-linux-x86-64.so.2" "$prefix/usr/bin/nvim"
"$prefix/usr/bin/nvim" --version | head -1
touch "$prefix/.complete"
