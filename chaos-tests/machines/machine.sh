#!/bin/bash
# One machine, started by world.sh in namespaces of its own: the file system of the host, on which what it writes is its
# own; disks, programs that play others, and a name. Stays until it is killed.
set -euo pipefail
dir=$1 name=$2 source=$3 built=$4 shims=$5 disks=$6
: >"$dir/$name/apart"

hostname "$name"
mkdir "$dir/$name"/{upper,work,root}
root=$dir/$name/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/$name/upper,workdir=$dir/$name/work" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
chmod 1777 "$root/tmp"
mkdir "$root/run/machines" "$root/run/units"
mount --bind "$dir/shared" "$root/run/machines"
mkdir -p "$root/source" "$root/built"
mount --bind -o ro "$source" "$root/source"
mount --bind -o ro "$built" "$root/built"

mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
done
mknod -m 666 "$root/dev/tty" c 5 0
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mkdir -p "$root/dev/disk/by-label" "$root/dev/shm"
# The disks, and the links that udev would make once they have a label.
letter=b number=1
while [ -n "$disks" ]; do
    IFS=: read -r major minor disks <<<"$disks"
    mknod -m 660 "$root/dev/sd$letter" b "$major" "$minor"
    ln -s "../../sd$letter" "$root/dev/disk/by-label/shelf$number"
    letter=$(tr b-y c-z <<<"$letter") number=$((number + 1))
done

# Nothing of what an earlier set-up of the host may have left.
rm -rf "$root/etc/holdfast" "$root/var/lib/holdfast" "$root/srv/holdfast" "$root/etc/letsencrypt"
mkdir -p "$root/usr/local/sbin" "$root/var/log/units" "$root$HOME" "$root/etc/systemd/system"
cp "$shims"/* "$root/usr/local/sbin/"
cp "$dir/hosts" "$root/etc/hosts"
echo "$name" >"$root/etc/hostname"
: >"$root/etc/fstab"

mkdir "$root/.host"
cd "$root"
pivot_root . .host
umount -l /.host
rmdir /.host
: >"/run/machines/$name.ready"
exec sleep infinity
