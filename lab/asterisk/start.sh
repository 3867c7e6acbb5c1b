#!/bin/sh
# Starts Asterisk in the foreground, with whole checksums on its interface, its lab's addresses and password for ARI.
set -eu

# A veth hands on unfinished UDP checksums; a real card would not, and the captures here want to see real ones.
# Node 2's interfaces belong to the container of its network: breth0, or eth1 where the switch is in front (tor.yml).
[ -e /sys/class/net/breth0 ] || [ -e /sys/class/net/eth1 ] || ethtool -K eth0 tx off >/dev/null

# Asterisk's files read no environment variables, and a password has no place in an image.
if [ -n "${ARI_PASSWORD:-}" ]; then
    (umask 077 && printf '[offload]\ntype = user\npassword = %s\n' "$ARI_PASSWORD" >/etc/asterisk/ari_user.conf)
    chown asterisk /etc/asterisk/ari_user.conf
fi

# The files have the addresses of the first lab, and of its node 2.
if [ "${LAB_BLOCK:-50}" != 50 ]; then
    sed -i "s/198\.18\.50\.12\>/198.18.50.${LAB_NODE:-12}/g; s/198\.18\.50\./198.18.$LAB_BLOCK./g; s/fd00:198:18:50:/fd00:198:18:$LAB_BLOCK:/g" /etc/asterisk/*.conf
fi

# As Debian's unit starts it, with the rights that has: in no group but asterisk's. Without -p, for which a container has none.
start=$(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/asterisk.service | sed 's/ -p / /')
case $start in
    *" -U asterisk -G asterisk"*) ;;
    *) echo "start.sh: Debian's unit starts Asterisk otherwise: $start" >&2 && exit 1 ;;
esac
exec $start
