# Runs one private Docker engine for one test process, and stops it when that process ends.
#
# The test process holds the other end of standard input. When it ends, even by a signal, `read`
# returns the end of file. Standard input takes the commands `start` and `kill`. Standard output
# gets `dir PATH` once, and `ended` each time the engine has ended, by a command or by itself.
#
# The engine is process 1 of a PID namespace and has a mount namespace. When it dies, the kernel
# also ends its containerd, shims and containers, and removes its mounts.
set -u

dir=$(mktemp -d /tmp/doxy-e.XXXXXX) || exit 1 # short: a socket's path has at most 108 bytes
exec 2>>"$dir/log"
keeper=

start() {
    # The run-time state of a killed engine contains process ids. In the new namespace other
    # processes have them, and dockerd would mistake those for itself or for its containerd.
    rm -rf "$dir/pid" "$dir/init" "$dir/exec"
    {
        # shellcheck disable=SC2016 # expanded inside
        unshare --mount --pid --fork --kill-child=KILL sh -c '
            read -r init rest </proc/self/stat # still the outer /proc: the process id seen from outside
            echo "$init" >"$0/init"
            mount -t proc proc /proc || exit 1
            exec "$@"
        ' "$dir" dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
            --debug --host "unix://$dir/s" --bridge=none --iptables=false --ip6tables=false \
            --storage-driver=vfs --exec-opt native.cgroupdriver=cgroupfs \
            --cgroup-parent="/${dir##*/}" </dev/null >>"$dir/log" 2>&1
        echo ended
    } &
    keeper=$!
}

# SIGKILL: everything the engine owns is removed anyway, and no container can delay it.
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
PATH=$PATH:/usr/sbin:/sbin # dockerd, runc and iptables may be there only

echo "dir $dir"
start
while read -r word; do
    case $word in
    start) start ;;
    kill) stop ;;
    esac
done
