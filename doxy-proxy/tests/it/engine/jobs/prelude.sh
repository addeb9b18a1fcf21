# Before every job: what the scripts share. A job's folder is its working directory, and its own.
set -u
LABEL=doxy.test=1
# No network: a private engine has none to give.
run="docker run --network none --label $LABEL --name $NAME"
create="docker create --network none --label $LABEL --name $NAME"

# await COMMAND…: looks until it succeeds, and gives up at last.
await() {
    looks=0
    until "$@"; do
        looks=$((looks + 1))
        [ "$looks" -lt 400 ] || { echo "gave up waiting for: $*"; exit 99; }
        sleep 0.05
    done
}
# says FILE WORDS / logged WORDS / running: conditions to wait for.
says() { grep -qs -- "$2" "$1"; }
logged() { docker logs "$NAME" 2>/dev/null | grep -q -- "$1"; }
running() { [ "$(docker inspect -f '{{.State.Running}}' "$NAME" 2>/dev/null)" = true ]; }
# status COMMAND…: runs it and tells how it ended.
status() {
    "$@"
    echo "status $?"
}
# ended PID: waits for a job of this shell and tells how it ended.
ended() {
    wait "$1"
    echo "status $?"
}
# typing: the terminal's input is a pipe that never ends; what is written to `keys` is typed.
keyboard() { mkfifo keys; }
# on_terminal COMMAND: on a pseudo-terminal, with `keys` as its keyboard.
on_terminal() { script -qec "$1" /dev/null <>keys | tr -d '\r'; }
# big: makes the file `big`, of 110 MB. same: whether the checksum that is read is that of `big`.
big() { head -c 110000000 /dev/urandom >big && SUM=$(md5sum <big | cut -d ' ' -f 1); }
same() { [ "$(cut -d ' ' -f 1)" = "$SUM" ] && echo same || echo different; }
