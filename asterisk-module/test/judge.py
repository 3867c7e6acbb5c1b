"""What the modules could leak is named here: their own allocations, and the calls they look at.

Usage: judge.py valgrind LOG | judge.py refs LOG

valgrind: fails on every error or leak with a frame of ours, and on every definite leak of a channel, a bridge
or an RTP instance, whoever lost it. Run valgrind with --keep-debuginfo=yes: the modules are unloaded by then.
refs: fails when a channel, a bridge or an RTP instance in Asterisk's log of references (`refdebug = yes`) was
made and never destroyed.
"""
# ruff: noqa: INP001, T201 - a script that prints

import re
import sys
from collections import Counter
from pathlib import Path

OURS = re.compile(
    r"\((?:res_rtpstreams|rtpstreams_leg|rtpstreams_row|func_offload_cause|func_offload_sub|func_offload_features|app_offload_dial|offload_(?:dial|forward|party|patience|publish))\.c:\d+\)"
)
CALLS = re.compile(
    r"\b(?:__ast_channel_alloc\w*|ast_bridge_basic_new|ast_bridge_base_new|ast_rtp_instance_new\w*)\b"
)
LEAK = re.compile(r"bytes in [\d,]+ blocks are (?:definitely|possibly) lost")
# Who constructs one, as file and function of the log's `**constructor**` lines.
MAKERS = {
    ("channel_internal_api.c", "__ast_channel_internal_alloc_with_initializers"): "channels",
    ("bridge.c", "bridge_alloc"): "bridges",
    ("rtp_engine.c", "ast_rtp_instance_new_with_options"): "RTP instances",
}


def records(log: str) -> list[str]:
    """Split a valgrind log into its records, each a heading and a stack."""
    return re.split(r"\n==\d+== \n", log)


def judge_valgrind(log: Path) -> bool:
    """Print the figures; False when something is ours."""
    found = [record for record in records(log.read_text()) if re.search(r"== {4}(?:at|by) 0x", record)]
    leaks = [record for record in found if LEAK.search(record)]
    bad = [record for record in found if OURS.search(record)]
    bad += [
        record for record in leaks if CALLS.search(record) and "definitely" in record and record not in bad
    ]
    print(
        f"judge: valgrind: {len(found) - len(leaks)} errors and {len(leaks)} leaks in all of Asterisk,"
        f" {len(bad)} of them ours"
    )
    for record in bad:
        print(record, file=sys.stderr)
    return not bad


def judge_refs(log: Path) -> bool:
    """Print the figures; False when something stayed alive, or when nothing was ever made."""
    made: Counter[str] = Counter()
    alive: dict[str, str] = {}
    with log.open(errors="replace") as lines:
        for line in lines:
            if "**" not in line:
                continue
            address, _, _, file, _, function, state, *_ = line.split(",")
            if "**constructor**" in state:
                kind = MAKERS.get((file.rpartition("/")[2], function))
                if kind:
                    made[kind] += 1
                    alive[address] = kind
            elif "**destructor**" in state:
                alive.pop(address, None)
    left = Counter(alive.values())
    print(
        "judge: refs: "
        + ", ".join(f"{made[kind]} {kind} made, {left[kind]} left" for kind in MAKERS.values())
    )
    return not left and all(made[kind] for kind in MAKERS.values())


def main() -> int:
    """Judge one log."""
    kind, log = sys.argv[1], Path(sys.argv[2])
    return 0 if {"valgrind": judge_valgrind, "refs": judge_refs}[kind](log) else 1


if __name__ == "__main__":
    sys.exit(main())
