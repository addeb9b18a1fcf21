# A Debian with a systemd of its own, in namespaces: what `.ci/systemd`, `.ci/package` and `.ci/release` try
# doxy in. Sourced by them, never run. Needs root, and mmdebstrap, which is installed if it is missing.
#
# machine_new makes the root, machine_engine starts an engine for it, machine_boot boots it. `dir` is a
# folder that is removed at the end, `root` the machine's own, `init` the number of its first process.

[ "$(id -u)" = 0 ] || { echo "this needs root" >&2; exit 1; }
command -v mmdebstrap >/dev/null || apt-get install -y --no-install-recommends mmdebstrap
dir=$(mktemp -d /tmp/doxy-s.XXXXXX)
root=$dir/root
init=
groups=/sys/fs/cgroup/unified
[ -d "$groups" ] || groups=/sys/fs/cgroup
groups=$groups/doxy-$$
pids=()

machine_end() {
    local pid
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    find "$groups" -depth -type d -exec rmdir {} + 2>/dev/null || true
    rm -rf "$dir"
}
trap machine_end EXIT

# machine_new PACKAGE…: with these besides what boots. What was fetched is kept for a week.
machine_new() {
    local mirror packages folder tar
    packages=systemd,systemd-sysv,dbus,procps,curl,iproute2$(printf ',%s' "$@" | sed 's/,$//')
    folder=${XDG_CACHE_HOME:-$HOME/.cache}/doxy-ci
    tar=$folder/$(sha256sum <<<"$packages" | cut -c1-16).tar
    mkdir -p "$folder" "$root" "$dir/engine"
    if [ -z "$(find "$tar" -mtime -7 2>/dev/null)" ]; then
        # The mirror that this machine uses itself.
        mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } |
            sed -nE 's/^URIs:[[:space:]]*([^ ]*\/debian)\/?([ ].*)?$/\1/p; s/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^ ]*\/debian)\/?[[:space:]].*/\2/p' |
            sed -n 1p)
        mmdebstrap --quiet --mode=root --variant=apt "--include=$packages" bookworm "$tar.$$.tar" "$mirror"
        mv "$tar.$$.tar" "$tar"
    fi
    tar -C "$root" -xf "$tar"
}

# machine_engine DOXY-BENCH: an engine at /run/engine/docker.sock, for the machine's group docker.
machine_engine() {
    "$1" engine --socket "$dir/engine/docker.sock" &
    pids+=($!)
    until [ -S "$dir/engine/docker.sock" ]; do sleep 0.1; done
    chgrp "$(sed -n 's/^docker:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/group")" "$dir/engine/docker.sock"
    chmod 660 "$dir/engine/docker.sock"
}

machine_boot() {
    local one
    : >"$root/etc/machine-id"
    cat >"$root/.boot" <<EOF
set -e
mount --make-rprivate /
mount --bind $root $root
mount -t proc proc $root/proc
mount -t sysfs -o ro sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs $root/run
mount -t tmpfs tmpfs $root/tmp
mount -t tmpfs -o mode=755 tmpfs $root/dev
mkdir $root/dev/pts $root/dev/shm
for one in null zero full random urandom tty; do
    touch $root/dev/\$one
    mount --bind /dev/\$one $root/dev/\$one
done
mount -t devpts -o newinstance,ptmxmode=666 devpts $root/dev/pts
ln -s pts/ptmx $root/dev/ptmx
ln -s /proc/self/fd $root/dev/fd
mkdir $root/run/engine
mount --bind $dir/engine $root/run/engine
cd $root
mkdir .old
pivot_root . .old
umount -l /.old
ip link set lo up
exec env -i container=doxy PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --log-target=console --show-status=0
EOF
    mkdir -p "$groups"
    setsid bash -c "echo \$\$ >$groups/cgroup.procs
        exec unshare --cgroup --mount --uts --ipc --net --pid --fork --kill-child bash $root/.boot" \
        >"$dir/log" 2>&1 </dev/null &
    one=$!
    pids+=("$one")
    for _ in $(seq 100); do
        init=$(tr -d ' ' <"/proc/$one/task/$one/children" || true)
        [ -n "$init" ] && [ -S "/proc/$init/root/run/systemd/private" ] && break
        sleep 0.1
    done
    expect "systemd runs" running inside systemctl is-system-running
}

inside() { nsenter -t "$init" -a "$@"; }
get() { inside curl -s -m 10 -o /dev/null -w '%{http_code}' "$@"; }
local_get() { get --unix-socket /run/doxy/local/docker.sock "http://d$1"; }
show() { inside systemctl show doxy.service --property "$1" --value; }

# expect WHAT TEXT COMMAND…: waits until the command prints the text.
expect() {
    local what=$1 wanted=$2 got=
    shift 2
    for _ in $(seq 100); do
        got=$("$@" || true)
        if [ "$got" = "$wanted" ]; then
            echo "ok $what"
            return
        fi
        sleep 0.1
    done
    echo "FAILED $what: $got instead of $wanted"
    inside journalctl -u doxy --no-pager -o cat || true
    exit 1
}
