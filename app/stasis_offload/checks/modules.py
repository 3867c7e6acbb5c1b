"""The modules of Asterisk that the application needs, and what is lost without each."""

from collections.abc import Mapping

from stasis_offload.checks.items import Item

# Without the first of these nothing can be asked by ARI; of the others Asterisk answers 404 to what they would do.
ASKED_BY = "res_ari_asterisk"
NEEDED = {
    ASKED_BY: "nothing of Asterisk can be asked: the application does not begin",
    "res_ari_applications": "the application cannot say which events it wants: it does not begin",
    "res_ari_events": "the application gets no event: it does not begin, and Dial() makes every call",
    "res_ari_bridges": "no two parties can be joined: Dial() makes every call",
    "res_ari_channels": "nobody can be dialled: Dial() makes every call",
    "res_ari_playbacks": "an announcement (option A or L of Dial()) goes on when it should end",
    "app_stasis": "whom the application dials has no Stasis() to be in, and is hung up: no call gets through",
    "app_dial": "OffloadDial() has no Dial() to leave a call to when the application is not there",
    "app_offload_dial": "no application OffloadDial(): a call that the dialplan makes by it is lost",
    "app_stack": "options b, B and U of Dial() have no effect, and Gosub() is missing",
    "func_offload_cause": "HANGUPCAUSE is not set after a failed dial; it comes with res_rtpstreams",
    "func_offload_sub": "options b, B, C and U of Dial() have no effect; it comes with res_rtpstreams",
    "func_offload_features": "options h, k, t and x of Dial() have no effect; it comes with res_rtpstreams",
    "func_timeout": "options S and L of Dial() have no effect: such a call does not end",
    "bridge_native_rtp": "no call is ever offloaded: each stays with Asterisk, `not-native`",
    "bridge_holding": "several targets, or one that is not PJSIP, are never called",
}
# What only some dialplans, rules or operators use.
MAYBE = {
    "func_pjsip_endpoint": "a [[policy]] with a context does not see that of the caller's endpoint, only the one that is executed",
    "res_ari_device_states": "`stasis-offload drain` is refused, which a node alone does not need",
}

# What the application uses of ours. ARI succeeds in writing a function that does not exist, so that one of an old build
# would be missed by nobody; each module names its functions in its description.
FUNCTIONS = {
    "app_offload_dial": (
        "OffloadDial()",
        "OFFLOAD_CALLER()",
        "OFFLOAD_DIAL()",
        "OFFLOAD_PARTY()",
        "OFFLOAD_CONNECTED()",
        "OFFLOAD_FORWARD()",
    ),
    "func_offload_cause": ("OFFLOAD_HANGUPCAUSE()", "OFFLOAD_HANGUP()"),
    "func_offload_sub": (
        "OFFLOAD_SUB()",
        "OFFLOAD_INHERIT()",
        "OFFLOAD_RUN_H()",
        "OFFLOAD_EXIT()",
        "OFFLOAD_TONE()",
        "OFFLOAD_RESET_CDR()",
        "OFFLOAD_REBRIDGE()",
    ),
    "func_offload_features": ("OFFLOAD_FEATURES()", "OFFLOAD_FEATURE()"),
}
_INSTALL = "make -C asterisk-module install"
_AGAIN = (
    "with `autoload = no` also `load =` in modules.conf; Asterisk refuses ours when they were built for another one"
    f" (its log says so; then `{_INSTALL}`)"
)


def load_command(module: str) -> str:
    """Return the command that loads a module."""
    return f"asterisk -rx 'module load {module}.so'"


def judge_modules(running: Mapping[str, str]) -> tuple[Item, ...]:
    """Judge the modules that run, by name and with what each says of itself: an item for each that is wrong, or one for all."""
    found = [
        *(_missing(name, lost) for name, lost in NEEDED.items() if name not in running),
        *(item for name in FUNCTIONS if name in running for item in judge_functions(name, running[name])),
    ]
    for name, lost in MAYBE.items():
        if name not in running:
            found.append(Item(name, ok=True, text=f"not loaded: {lost}", command=load_command(name)))
    if all(item.ok for item in found):
        found.insert(0, Item("modules", ok=True, text=f"all {len(NEEDED)} are loaded"))
    return tuple(found)


def _missing(name: str, lost: str) -> Item:
    why = f"; {_AGAIN}" if name in FUNCTIONS else "; with `autoload = no` also `load =` in modules.conf"
    return Item(name, ok=False, text=f"not loaded: {lost}{why}", command=load_command(name))


def judge_functions(module: str, description: str) -> tuple[Item, ...]:
    """Judge by its description whether a module has every function that the application uses."""
    missing = [name for name in FUNCTIONS.get(module, ()) if name not in description]
    if not missing:
        return ()
    text = f"an old build, without {', '.join(missing)}; build it anew, and load it anew when no call is up"
    return (
        Item(
            module, ok=False, text=text, command=f"{_INSTALL} && asterisk -rx 'core restart when convenient'"
        ),
    )
