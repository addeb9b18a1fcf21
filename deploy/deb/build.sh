#!/usr/bin/env bash
# Makes the Debian package from a binary that was built before.
#
#   deploy/deb/build.sh BINARY FOLDER [OPTION…]    writes FOLDER/doxy_VERSION-1_ARCHITECTURE.deb and prints its
#                                                  path. The options are cargo-deb's: --fast compresses less
#
# Needs cargo-deb (`cargo install cargo-deb --locked`). The binary of the musl target runs on every Debian;
# one of the machine's own C library wants that version of it.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,/^$/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
binary=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
shift 2
cd "$(dirname "$0")/../.."

stage=target/deb
rm -rf "$stage"
mkdir -p "$stage/man"
install -m 755 "$binary" "$stage/doxy"
"$stage/doxy" man --force "$stage/man" >&2
"$stage/doxy" completions bash >"$stage/doxy.bash"
"$stage/doxy" completions zsh >"$stage/_doxy"
"$stage/doxy" completions fish >"$stage/doxy.fish"
# The time of the last change, so that the same sources and binary make the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
package=$(cargo deb --quiet -p doxy-proxy --no-build --no-strip --output "$out/" "$@" | tail -n 1)
echo "$package"
