#!/bin/sh
# Starts Asterisk in the foreground, with whole checksums on its interface and the lab's password for ARI.
set -eu

# A veth hands on unfinished UDP checksums; a real card would not, and the captures here want to see real ones.
# Node 2's interfaces belong to the ovs container.
[ -e /sys/class/net/breth0 ] || ethtool -K eth0 tx off >/dev/null

# Asterisk's files read no environment variables, and a password has no place in an image.
if [ -n "${ARI_PASSWORD:-}" ]; then
    (umask 077 && printf '[offload]\ntype = user\npassword = %s\n' "$ARI_PASSWORD" >/etc/asterisk/ari_user.conf)
    chown asterisk /etc/asterisk/ari_user.conf
fi

exec setpriv --reuid=asterisk --regid=asterisk --init-groups asterisk -f
