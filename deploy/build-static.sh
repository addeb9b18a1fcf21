#!/bin/sh
# Builds doxy as one static binary, the same bytes wherever it is built.
#
#   deploy/build-static.sh [FOLDER]      writes FOLDER/doxy, by default dist/doxy
#
# TARGET is another target than this processor's musl, such as aarch64-unknown-linux-musl. It needs that
# target's standard library (rustup target add TARGET) and a C compiler for it (Debian: musl-tools).
# The same sources, rustc and linker give the same file: the paths of folders do not get into it, nor does
# chance. `.ci/long reproducible` checks that.
set -eu

out=${1:-dist}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."
target=${TARGET:-$(uname -m)-unknown-linux-musl}

# What rustc writes of paths: of the sources, and of what cargo has fetched. Where that comes from has a
# folder of its own in the registry.
cargo fetch --locked --target "$target"
cargo_home=${CARGO_HOME:-$HOME/.cargo}
flags="--remap-path-prefix=$PWD=/doxy"
set -- "--remap-path-prefix=$cargo_home=/cargo"
for sources in "$cargo_home"/registry/src/*; do
    set -- "$@" "--remap-path-prefix=$sources=/crates"
done
# Packed, the relocations take half a megabyte less, all of which the start would read.
for flag in "$@" \
    "--remap-path-prefix=$(rustc --print sysroot)=/rust" \
    -Ctarget-feature=+crt-static \
    -Clink-arg=-Wl,-z,pack-relative-relocs; do
    flags=$flags$(printf '\037')$flag
done
export CARGO_ENCODED_RUSTFLAGS="$flags"
# A dependency of the script language makes up constants at compile time, from this if it is there.
export CONST_RANDOM_SEED=doxy
# What the C compiler writes of them.
export CFLAGS="${CFLAGS-} -ffile-prefix-map=$PWD=/doxy -ffile-prefix-map=$cargo_home=/cargo"
export CARGO_INCREMENTAL=0

cargo build --profile dist --locked --package doxy-proxy --bin doxy --target "$target"
cp "${CARGO_TARGET_DIR:-target}/$target/dist/doxy" "$out/doxy"
# If it runs here, it must start: a C library that does not know packed relocations would not let it.
if [ "$target" = "$(uname -m)-unknown-linux-musl" ]; then
    "$out/doxy" --version
fi
