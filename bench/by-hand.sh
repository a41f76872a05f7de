#!/bin/sh
# What a careful user writes instead of uciprov: no check of anything, not atomic, no way back.
# sh by-hand.sh ROOT NAME NAME-SERVER
set -e
root=$1
uri=$(busybox nslookup -type=txt "$2" "$3" | busybox sed -n 's/.*provuri=https\([^"]*\).*/http\1/p')
busybox mkdir -p "$root/tmp"
cd "$root/tmp"
busybox wget -q -O list "$uri/list"
while read -r name; do
  busybox wget -q -O "$name" "$uri/$name.uci"
  busybox cp "$name" "$root/etc/config/$name"
done <list
busybox wget -q -O overlay.tar.gz "$uri/overlay.tar.gz"
busybox tar -xzf overlay.tar.gz -C "$root"
