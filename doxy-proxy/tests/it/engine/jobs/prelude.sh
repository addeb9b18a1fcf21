# Runs before every job: functions and variables that the scripts share. Each job has a folder of
# its own as its working directory.
set -u
LABEL=doxy.test=1
# No network: a private engine has none.
run="docker run --network none --label $LABEL --name $NAME"
create="docker create --network none --label $LABEL --name $NAME"

# await COMMAND…: repeats the command until it succeeds, 400 times at most.
await() {
    looks=0
    until "$@"; do
        looks=$((looks + 1))
        [ "$looks" -lt 400 ] || { echo "gave up waiting for: $*"; exit 99; }
        sleep 0.05
    done
}
# says FILE WORDS, logged WORDS, running: conditions for `await`.
says() { grep -qs -- "$2" "$1"; }
logged() { docker logs "$NAME" 2>/dev/null | grep -q -- "$1"; }
running() { [ "$(docker inspect -f '{{.State.Running}}' "$NAME" 2>/dev/null)" = true ]; }
# status COMMAND…: runs the command and prints its exit status.
status() {
    "$@"
    echo "status $?"
}
# ended PID: waits for a background process and prints its exit status.
ended() {
    wait "$1"
    echo "status $?"
}
# keyboard: makes the pipe `keys`, the input of the terminal. It never ends; bytes written to it are
# typed.
keyboard() { mkfifo keys; }
# on_terminal COMMAND: runs the command on a pseudo-terminal with `keys` as its keyboard.
on_terminal() { script -qec "$1" /dev/null <>keys | tr -d '\r'; }
# big: makes the file `big` of 110 MB. same: prints whether the checksum on standard input is that
# of `big`.
big() { head -c 110000000 /dev/urandom >big && SUM=$(md5sum <big | cut -d ' ' -f 1); }
same() { [ "$(cut -d ' ' -f 1)" = "$SUM" ] && echo same || echo different; }
