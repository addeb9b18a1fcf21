# Keeps one private Docker engine for one test process, and takes it down with that process.
#
# The test process holds the other end of standard input: when it ends, however it ends, `read`
# sees the end of file. Commands: `start`, `kill`. Told on standard output: `dir PATH` once, and
# `ended` whenever the engine is gone, asked for or not.
#
# The engine is process 1 of a PID namespace and has a mount namespace: when it dies, the kernel
# takes its containerd, shims, containers and mounts along, so nothing has to be searched for.
set -u

dir=$(mktemp -d /tmp/doxy-e.XXXXXX) || exit 1 # short: a socket's path has at most 108 bytes
exec 2>>"$dir/log"
keeper=

start() {
    # The run-time state of a killed engine holds process numbers; in the new namespace other
    # processes have them, and dockerd would take those for itself or for its containerd.
    rm -rf "$dir/pid" "$dir/init" "$dir/exec"
    {
        # shellcheck disable=SC2016 # expanded inside
        unshare --mount --pid --fork --kill-child=KILL sh -c '
            read -r init rest </proc/self/stat # the outer /proc still: the number seen from outside
            echo "$init" >"$0/init"
            mount -t proc proc /proc || exit 1
            exec "$@"
        ' "$dir" dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
            --host "unix://$dir/s" --bridge=none --iptables=false --ip6tables=false \
            --storage-driver=vfs --exec-opt native.cgroupdriver=cgroupfs \
            --cgroup-parent="/${dir##*/}" </dev/null >>"$dir/log" 2>&1
        echo ended
    } &
    keeper=$!
}

# SIGKILL: everything the engine owns is thrown away anyway, and no container can delay it.
stop() {
    [ -n "$keeper" ] || return 0
    until [ -s "$dir/init" ] || ! kill -0 "$keeper" 2>/dev/null; do sleep 0.05; done
    kill -KILL "$(cat "$dir/init")" 2>/dev/null
    wait "$keeper"
    keeper=
}

clean() {
    trap '' INT HUP TERM
    stop
    find /sys/fs/cgroup -depth -type d -path "*/${dir##*/}*" -exec rmdir {} \; 2>/dev/null
    rm -rf "$dir"
}

trap clean EXIT
trap 'exit 0' INT HUP TERM
PATH=$PATH:/usr/sbin:/sbin # where dockerd, runc and iptables are, also for a user without them on PATH

echo "dir $dir"
start
while read -r word; do
    case $word in
    start) start ;;
    kill) stop ;;
    esac
done
