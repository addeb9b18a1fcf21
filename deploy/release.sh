#!/usr/bin/env bash
# Makes a release: one folder with all that somebody needs who has nothing else.
#
#   deploy/release.sh FOLDER [BINARY]    the binary is built (deploy/build-static.sh) unless one is given
#
#   doxy-VERSION-ARCHITECTURE-linux    the static binary
#   doxy_VERSION-1_ARCHITECTURE.deb    the Debian package
#   doxy-VERSION-image.tar             doxy:VERSION and doxy:VERSION-tecnativa, for `docker load`
#   doxy-VERSION-deploy.tar.gz         units, compose files, stacks, dashboards, and the manual
#   doxy-VERSION.cdx.json              what is in the binary, as CycloneDX
#   NOTES.md                           the changelog of this version
#   SHA256SUMS                         of all of these
#
# It needs a clean checkout, cargo-deb, jq, and a Docker engine for the image; DOXY_RELEASE_IMAGE=no leaves the
# image out. DOXY_BUILD_IMAGE is an image with a shell that the engine has or can pull (default: busybox).
# docs/releasing.md has what to do before and after.
set -euo pipefail

[ $# = 1 ] || [ $# = 2 ] || { sed -n '2,/^$/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(realpath "$1")
[ -z "${2-}" ] || given=$(realpath "$2")
cd "$(dirname "$0")/.."
fail() { echo "release: $*" >&2; exit 1; }

version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
revision=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
[ -z "$(ls -A "$out")" ] || fail "$out is not empty"
[ -z "$(git status --porcelain --untracked-files=no)" ] || fail "there are changes that are not committed"
# The changelog's section, without its heading.
notes=$(awk -v heading="## $version" '/^## / { on = index($0, heading) == 1; next } on' CHANGELOG.md)
[ -n "$notes" ] || fail "CHANGELOG.md has no section \"## $version\""

mkdir -p dist
if [ -n "${given-}" ]; then
    [ "$given" = "$PWD/dist/doxy" ] || install -m 755 "$given" dist/doxy
else
    deploy/build-static.sh dist
fi
built=$(dist/doxy --version)
[ "$built" = "doxy $version" ] || fail "the binary says \"$built\", and Cargo.toml $version"
! ldd dist/doxy 2>/dev/null | grep -q '=>' || fail "the binary needs libraries: it is not static"

install -m 755 dist/doxy "$out/doxy-$version-$(uname -m)-linux"
deploy/sbom.sh dist/doxy >"$out/doxy-$version.cdx.json"
deploy/deb/build.sh dist/doxy "$out" >/dev/null
git archive --format=tar.gz --prefix="doxy-$version/" -o "$out/doxy-$version-deploy.tar.gz" \
    HEAD deploy scripts docs README.md SECURITY.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT
printf '# doxy %s\n%s\n' "$version" "$notes" >"$out/NOTES.md"
if [ "${DOXY_RELEASE_IMAGE-}" != no ]; then
    docker version --format '{{.Server.Version}}' >/dev/null ||
        fail "no Docker engine for the image; DOXY_RELEASE_IMAGE=no leaves it out"
    for target in doxy tecnativa; do
        tag=doxy:$version
        [ "$target" = doxy ] || tag=$tag-$target
        docker build --quiet --target "$target" --tag "$tag" \
            --build-arg BINARY=dist/doxy --build-arg "BUILD_IMAGE=${DOXY_BUILD_IMAGE:-busybox}" \
            --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
            --build-arg "CREATED=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" . >/dev/null
    done
    docker save -o "$out/doxy-$version-image.tar" "doxy:$version" "doxy:$version-tecnativa"
    chmod 644 "$out/doxy-$version-image.tar"
fi
(cd "$out" && sha256sum -- * >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS)
ls -l "$out"
