#!/bin/sh
# Install the packages from the mirror on the machine's second disk.
set -eu
export DEBIAN_FRONTEND=noninteractive
mkdir -p /mirror
mount -o ro /dev/vdb /mirror
rm -f /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/mirror locked main' >/etc/apt/sources.list
apt-get -q update
# Words of the caller's own.
# shellcheck disable=SC2086
apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends $PACKAGES
umount /mirror
