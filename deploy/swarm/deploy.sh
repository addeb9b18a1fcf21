#!/bin/sh
# Rolls a policy out over a swarm, and says what has become of it.
#
#   deploy.sh [STACK]    from a manager; STACK is `doxy` unless it is given
#
#   DOXY_FOLDER    the folder of the policy (default: policy/ beside this file)
#   DOXY_IMAGE     the image (default: doxy:0.2.0)
#   DOXY_ENGINE    the engine's socket on every node (default: /var/run/docker.sock)
#   DOXY_WAIT      seconds to wait for the end (default: 600)
#
# Ends with 0 when every node runs the policy, with 3 when the swarm has taken it back or stopped, with 2 if
# it was not even tried. Where doxy is installed here, it checks the policy first.
set -eu

stack=${1:-doxy}
here=$(cd "$(dirname "$0")" && pwd)
DOXY_FOLDER=$(cd "${DOXY_FOLDER:-$here/policy}" && pwd)
# The same contents have the same name, on every machine: a policy that is deployed again changes nothing.
DOXY_POLICY=$(cd "$DOXY_FOLDER" && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-12)
export DOXY_FOLDER DOXY_POLICY

if command -v doxy >/dev/null; then
    doxy --config "$DOXY_FOLDER/doxy.toml" check || exit 2
fi

service=${stack}_doxy
state() {
    docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.State}} {{.UpdateStatus.StartedAt}}{{end}}' \
        "$service" 2>/dev/null || true
}
policy() {
    docker service inspect --format '{{range .Spec.TaskTemplate.ContainerSpec.Configs}}{{.ConfigName}} {{end}}' \
        "$service" 2>/dev/null || true
}
# Nodes that run a task as it should be, and those that should.
running() { docker service ls --filter "name=$service" --format '{{.Replicas}}'; }

# The last words of those that did not start.
last_words() {
    docker service ps --no-trunc --format '{{.Node}}: {{.CurrentState}} {{.Error}}' "$service" | head -n 5 >&2
    docker service logs --raw "$service" 2>&1 | grep -aE '^(doxy|help):' | tail -n 2 >&2 || true
}

taken_back() {
    echo "policy $DOXY_POLICY was taken back; in force is: $(policy)" >&2
    last_words
    exit 3
}

before=$(state)
had=$(policy)
docker stack deploy --detach=true --resolve-image=never -c "$here/stack.yml" "$stack" || exit 2

sleep 2 # until the swarm has begun, if there is something to do
waited=2 back=0
while [ "$waited" -lt "${DOXY_WAIT:-600}" ]; do
    now=$(state)
    case $now in
    "$before") # nothing to update, or the first deployment
        counts=$(running)
        if [ "${counts%%/*}" = "${counts##*/}" ] && [ "${counts%%/*}" != 0 ]; then
            [ "$had" = "$(policy)" ] && echo "policy $DOXY_POLICY is in force already" && exit
            [ -n "$had" ] || { echo "policy $DOXY_POLICY is in force on $counts nodes" && exit; }
        elif [ "$(docker service ps --quiet --filter desired-state=shutdown "$service" | wc -l)" -gt 2 ] && [ -z "$had" ]; then
            echo "doxy does not start; the swarm goes on trying, docker stack rm $stack ends that" >&2
            last_words
            exit 3
        fi
        ;;
    completed*)
        echo "policy $DOXY_POLICY is in force on $(running) nodes"
        exit
        ;;
    rollback_completed*) taken_back ;;
    rollback_started*) # a swarm may stay there though all is done
        back=$((back + 1))
        counts=$(running)
        [ "$back" -lt 30 ] || [ "${counts%%/*}" != "${counts##*/}" ] || taken_back
        ;;
    paused* | rollback_paused*)
        echo "the swarm has stopped in the middle: $now; see docker service ps $service" >&2
        exit 3
        ;;
    esac
    sleep 1
    waited=$((waited + 1))
done
echo "not through after $waited s: $(state); see docker service ps $service" >&2
exit 3
