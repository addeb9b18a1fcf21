#!/bin/sh
# Lists what is in doxy's binary, as CycloneDX 1.5 in JSON, on standard output.
#
#   deploy/sbom.sh BINARY > doxy.cdx.json
#
# The crates that are linked are `required`; those that only run while it is built (procedural macros, build
# scripts) are `excluded`, which is CycloneDX's word for that. TARGET is as in build-static.sh, and
# SOURCE_DATE_EPOCH dates the list; without it there is no date, and the same sources give the same text.
# It needs jq.
set -eu

binary=$(sha256sum <"${1:?the binary is missing: deploy/sbom.sh BINARY}" | cut -d ' ' -f 1)
cd "$(dirname "$0")/.."
target=${TARGET:-$(uname -m)-unknown-linux-musl}

checksums=$(awk -F '"' '
    /^name = / { name = $2 }
    /^version = / { version = $2 }
    /^checksum = / { printf "%s{\"key\":\"%s@%s\",\"value\":\"%s\"}", comma, name, version, $2; comma = "," }
' Cargo.lock)

# name@version of what is reached by dependencies of some kinds, with the features that doxy is built with.
reached() {
    cargo tree --locked --package doxy-proxy --target "$target" --prefix none --format '{p}' --edges "$1" |
        awk '{ sub(/^v/, "", $2); print $1 "@" $2 }' | sort -u
}
linked=$(reached normal,no-proc-macro)
all=$(reached normal,build)

cargo metadata --format-version 1 --locked --filter-platform "$target" |
    jq --sort-keys \
        --arg binary "$binary" \
        --arg rust "$(rustc --version | cut -d ' ' -f 2)" \
        --arg date "${SOURCE_DATE_EPOCH-}" \
        --arg linked "$linked" \
        --arg all "$all" \
        --argjson checksums "[$checksums]" '
def keys_of: split("\n") | map({key: ., value: true}) | from_entries;
def named: "\(.name)@\(.version)";
def purl: "pkg:cargo/\(named)";
($checksums | from_entries) as $checksums
| ($linked | keys_of) as $linked
| ($all | keys_of) as $all
| ([.packages[] | select($all[named]) | {key: .id, value: .}] | from_entries) as $packages
| ($packages[] | select(.name == "doxy-proxy")) as $root
| {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: ({
        component: {
            type: "application",
            "bom-ref": ($root | purl),
            name: "doxy",
            version: $root.version,
            description: $root.description,
            licenses: [{expression: $root.license}],
            hashes: [{alg: "SHA-256", content: $binary}]
        }
    } + if $date == "" then {} else {timestamp: ($date | tonumber | todate)} end),
    components: ([
        $packages[] | select(.id != $root.id)
        | {
            type: "library",
            "bom-ref": purl,
            name,
            version,
            purl: purl,
            scope: (if $linked[named] then "required" else "excluded" end)
        }
        + if .description then {description: (.description | gsub("\\s+"; " "))} else {} end
        + if .license then {licenses: [{expression: (.license | gsub(" ?/ ?"; " OR "))}]} else {} end
        + if .repository then {externalReferences: [{type: "vcs", url: .repository}]} else {} end
        + ($checksums[named] as $checksum
            | if $checksum then {hashes: [{alg: "SHA-256", content: $checksum}]} else {} end)
    ] + [{
        type: "library",
        "bom-ref": "pkg:generic/rust-std@\($rust)",
        name: "rust-std",
        version: $rust,
        description: "The standard library of Rust, and for musl the C library that comes with it",
        scope: "required",
        licenses: [{expression: "MIT OR Apache-2.0"}]
    }] | sort_by(.["bom-ref"])),
    dependencies: ([
        .resolve.nodes[] | select($packages[.id])
        | {ref: ($packages[.id] | purl), dependsOn: ([.dependencies[] | $packages[.] // empty | purl] | unique)}
    ] | sort_by(.ref))
}'
