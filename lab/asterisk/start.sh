#!/bin/sh
# Starts Asterisk in the foreground, with whole checksums on its interface, its lab's addresses and password for ARI.
set -eu

# A veth hands on unfinished UDP checksums; a real card would not, and the captures here want to see real ones.
# Node 2's interfaces belong to the ovs container.
[ -e /sys/class/net/breth0 ] || ethtool -K eth0 tx off >/dev/null

# Asterisk's files read no environment variables, and a password has no place in an image.
if [ -n "${ARI_PASSWORD:-}" ]; then
    (umask 077 && printf '[offload]\ntype = user\npassword = %s\n' "$ARI_PASSWORD" >/etc/asterisk/ari_user.conf)
    chown asterisk /etc/asterisk/ari_user.conf
fi

# The files have the addresses of the first lab.
if [ "${LAB_BLOCK:-50}" != 50 ]; then
    sed -i "s/198\.18\.50\./198.18.$LAB_BLOCK./g; s/fd00:198:18:50:/fd00:198:18:$LAB_BLOCK:/g" /etc/asterisk/*.conf
fi

exec setpriv --reuid=asterisk --regid=asterisk --init-groups asterisk -f
