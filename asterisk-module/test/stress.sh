#!/bin/sh
# Right, no crash, no leak: rows against packets, then the modules under valgrind, then under Asterisk's own
# log of references, while calls come and go.
#
# Usage: stress.sh [ANSWERS]        10000 by default
#
# Runs as root with CAP_NET_RAW where Asterisk, these modules (make install), valgrind and python3 are there
# and loopback has IPv6. Touches nothing outside its own directory under /tmp, ends by itself in four minutes.
set -eu

ANSWERS=${1:-10000}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/rtpstreams-stress.XXXXXX)
asterisk_pid=

fail() {
	echo "stress: $1" >&2
	[ -z "$asterisk_pid" ] || kill -9 "$asterisk_pid" 2>/dev/null || true
	echo "stress: logs are in $work" >&2
	exit 1
}

for tool in asterisk valgrind python3; do
	command -v $tool >/dev/null || fail "$tool is not installed"
done

# wait_until CONDITION: two minutes at most
wait_until() {
	deadline=$(($(date +%s) + 120))
	until eval "$1"; do
		[ "$(date +%s)" -lt $deadline ] || return 1
		sleep 0.1
	done
}

cli() { timeout 120 asterisk -C "$work/etc/asterisk.conf" -rx "$1"; }

# start OPTION=VALUE COMMAND...: Asterisk with that line in asterisk.conf, COMMAND before its name
start() {
	rm -rf "$work/etc" "$work/run" "$work/log"
	mkdir -p "$work/run" "$work/log" "$work/lib" "$work/spool"
	cp -r /etc/asterisk "$work/etc"
	rm -f "$work/etc/users.conf"
	cp "$here"/etc/* "$work/etc"
	cat > "$work/etc/asterisk.conf" <<-END
		[directories]
		astetcdir => $work/etc
		astdbdir => $work/lib
		astspooldir => $work/spool
		astrundir => $work/run
		astlogdir => $work/log
		[options]
		hideconnect = yes
		$1
	END
	shift
	"$@" asterisk -f -C "$work/etc/asterisk.conf" >"$work/console.txt" 2>&1 &
	asterisk_pid=$!
	wait_until "cli 'core waitfullybooted' >/dev/null 2>&1" || fail "Asterisk does not start"
	cli "rtpstreams version" | grep -q '^res_rtpstreams ' || fail "res_rtpstreams is not loaded"
}

udp_sockets() { cat "/proc/$asterisk_pid/net/udp" "/proc/$asterisk_pid/net/udp6" | grep -vc address; }

# load ANSWERS CALLS_PER_S ANSWERS_PER_CALL: the load, then every RTP socket of its calls must be closed again
load() {
	before=$(udp_sockets)
	python3 "$here/load.py" "$work/run/asterisk.ctl" "$@" || fail "wrong answers, or calls that stay"
	kill -0 "$asterisk_pid" 2>/dev/null || fail "Asterisk died"
	wait_until "[ \$(udp_sockets) -le $before ]" || fail "$(udp_sockets) UDP sockets are open, $before before"
}

stop() {
	cli "core stop gracefully" >/dev/null
	wait_until "! kill -0 $asterisk_pid 2>/dev/null" || fail "Asterisk does not stop"
	wait "$asterisk_pid" || fail "Asterisk ended with status $?"
	asterisk_pid=
}

echo "stress: rows against packets"
start "verbose = 0" env
python3 "$here/fields.py" "$work/run/asterisk.ctl" || fail "a row is wrong"
stop

echo "stress: $ANSWERS answers under valgrind"
start "verbose = 0" valgrind --quiet --leak-check=full --show-leak-kinds=definite,possible \
	--keep-debuginfo=yes --num-callers=40 --log-file="$work/valgrind.txt"
load "$ANSWERS" 2 40
stop
python3 "$here/judge.py" valgrind "$work/valgrind.txt" || fail "valgrind found something"

echo "stress: 1000 answers with every reference logged"
start "refdebug = yes"
load 1000 5 10
stop
python3 "$here/judge.py" refs "$work/log/refs" || fail "objects stayed alive"

rm -rf "$work"
echo "stress: passed"
