#!/bin/bash
# Sets up machines that share nothing but a kernel and a network, and keeps them until its input ends. Runs as the first
# process of a PID namespace, with mounts and a network of its own, so that everything goes with it.
#
#   world.sh DIR SOURCE BUILT SHIMS NAME:ADDRESS:MAJOR:MINOR[:MAJOR:MINOR...]...
#
# DIR     an empty directory; it gets a file system in memory
# SOURCE  a directory that each machine sees as /source
# BUILT   one that it sees as /built
# SHIMS   programs that come first on each machine's PATH
set -euo pipefail
dir=$1 source=$2 built=$3 shims=$4
shift 4
here=$(dirname "$(readlink -f "$0")")

mount -t proc proc /proc
mount -t tmpfs -o size=4g tmpfs "$dir"
mkdir "$dir/shared"
ip link set lo up
ip link add br0 type bridge
ip addr add 192.0.2.1/24 dev br0
ip link set br0 up

{
    echo "127.0.0.1 localhost"
    for machine in "$@"; do
        IFS=: read -r name address _ <<<"$machine"
        echo "$address $name.example.org"
        echo "$address mail.example.org"
    done
} >"$dir/hosts"
mount --bind "$dir/hosts" /etc/hosts

for machine in "$@"; do
    IFS=: read -r name address disks <<<"$machine"
    mkdir "$dir/$name"
    unshare --mount --net --uts bash "$here/machine.sh" "$dir" "$name" "$source" "$built" "$shims" "$disks" &
    pid=$!
    until [ -e "$dir/$name/apart" ]; do
        kill -0 "$pid" || exit 1
        sleep 0.05
    done
    ip link add "$name" type veth peer name eth0 netns "$pid"
    ip link set "$name" master br0 up
    nsenter -t "$pid" -n ip link set lo up
    nsenter -t "$pid" -n ip addr add "$address/24" dev eth0
    nsenter -t "$pid" -n ip link set eth0 up
    nsenter -t "$pid" -n ip route add default via 192.0.2.1
    echo "$pid" >"$dir/shared/$name.pid"
    until [ -e "$dir/shared/$name.ready" ]; do
        kill -0 "$pid" || exit 1
        sleep 0.05
    done
done
echo ready
# Children of children that ended are reaped by bash meanwhile.
read -r _ || true
