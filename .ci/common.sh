# What `.ci/run` and `.ci/long` share: the environment, steps, and the tools they install.
# Sourced from the root of the repository, never run.
set -euo pipefail
exec </dev/null

export CI=true # a test that cannot run for lack of something then fails instead of being skipped
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0 CARGO_NET_RETRY=5
export DEBIAN_FRONTEND=noninteractive
export PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

now=
trap '[ -z "$now" ] || echo "==> FAILED: $now"' EXIT

# step TITLE COMMAND…: prints a line before the command, and one with its duration after it.
step() {
    local start=$SECONDS
    now=$1
    shift
    echo "==> $now"
    "$@"
    echo "==> passed in $((SECONDS - start)) s: $now"
    now=
}

# attempt COMMAND…: for what goes over a network. The last exit status counts.
attempt() {
    "$@" && return
    sleep 5
    "$@" && return
    sleep 20
    "$@"
}

apt() { attempt apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"; }

# tool NAME VERSION: a cargo subcommand. One that is installed already is kept as it is.
tool() {
    cargo "$1" --version 2>/dev/null || attempt cargo install "cargo-$1" --locked --version "$2"
}

# axe: sets `axe` to the file of axe-core, which looks for what keeps people from using the live page.
axe() {
    local folder=${XDG_CACHE_HOME:-$HOME/.cache}/doxy-ci
    axe=$folder/node_modules/axe-core/axe.min.js
    [ -f "$axe" ] || attempt npm install --no-save --ignore-scripts --no-audit --prefix "$folder" axe-core@4.14.1
}

# fuzz_seeds: sets `seeds` to a new folder with the corpus of raw requests.
fuzz_seeds() {
    tool fuzz 0.13.2
    seeds=$(mktemp -d /tmp/doxy-f.XXXXXX)
    mkdir "$seeds/rules" "$seeds/texts"
    DOXY_FUZZ_SEEDS=$seeds cargo test -q -p doxy-proxy --test it corpus::seeds -- --ignored
}

# fuzz_target CRATE NAME SECONDS OPTION…: one target, from `$seeds` on. Its output is shown if it fails.
fuzz_target() {
    local crate=$1 name=$2 seconds=$3 log=$seeds/$2.log
    shift 3
    if ! (cd "$crate" && CARGO_TARGET_DIR=$PWD/fuzz/target cargo fuzz run -s none "$name" \
        "$seeds/$name" "fuzz/seeds/$name" -- -dict="fuzz/$name.dict" \
        -max_total_time="$seconds" -timeout=20 -print_final_stats=1 "$@") >"$log" 2>&1; then
        cat "$log"
        return 1
    fi
    echo "$name: $(grep -a 'DONE' "$log")"
}

# fuzz_all PROXY PATH RULES: all targets, for so many seconds each; `texts` takes those of the rules.
fuzz_all() {
    local seeds
    fuzz_seeds
    fuzz_target doxy-proxy proxy "$1" -max_len=3100
    fuzz_target doxy-filter path "$2" -max_len=2000
    fuzz_target doxy-filter rules "$3" -max_len=600
    fuzz_target doxy-filter texts "$3" -max_len=2000
    rm -r "$seeds"
}

# mutants SECONDS OPTION…: mutates doxy-filter for at most so long, in random order, and fails if its
# tests catch less than 99 % of what was tried. The mutants that they miss are printed.
mutants() {
    local seconds=$1 out caught missed unviable status=0
    shift
    tool mutants 27.1.0
    out=$(mktemp -d /tmp/doxy-m.XXXXXX)
    mkdir "$out/mutants.out"
    # Interrupted, it has written what it found until then.
    PROPTEST_CASES=32 timeout --signal=INT "$seconds" cargo mutants --package doxy-filter --output "$out" --shuffle \
        --timeout 180 --no-times --colors never "$@" >"$out/log" 2>&1 || status=$?
    # 2 and 3: some were missed or ran out of time; 124: the time was over.
    case $status in
    0 | 2 | 3 | 124) ;;
    *)
        tail -n 50 "$out/log"
        return 1
        ;;
    esac
    touch "$out/mutants.out/"{caught,timeout,missed,unviable}.txt
    count() { wc -l <"$out/mutants.out/$1.txt"; }
    # One that runs out of time is caught: the tests would not pass.
    caught=$(($(count caught) + $(count timeout)))
    missed=$(count missed)
    unviable=$(count unviable)
    [ "$missed" = 0 ] || sed 's/^/not caught: /' "$out/mutants.out/missed.txt"
    [ "$status" != 124 ] || echo "the time of $seconds s was over before all mutants were tried"
    figures="doxy-filter: $caught of $((caught + missed)) mutants caught, $unviable do not compile"
    echo "$figures"
    if [ $((caught + missed)) = 0 ] && ! grep -q 'No mutants' "$out/log"; then
        tail -n 50 "$out/log"
        return 1
    fi
    rm -r "$out"
    # One in a hundred may be missed. A part of the mutants may be fewer than a hundred.
    local most=$(((caught + missed) / 100))
    [ "$status" != 124 ] || most=$((most > 1 ? most : 1))
    [ "$missed" -le "$most" ]
}
