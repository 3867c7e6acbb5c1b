"""The arguments of Stasis(), as Dial() would take them, and the ids that carry a call's identity."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stasis_offload.signalling.call_ids import CallIds, playback_id
from stasis_offload.signalling.dial_args import DialRequest, parse_dial, split_arguments
from stasis_offload.signalling.dial_options import DialOptions
from stasis_offload.signalling.option_arguments import DialArgumentError


@pytest.mark.parametrize(
    ("args", "request_"),
    [
        (["PJSIP/555@peer"], DialRequest(("PJSIP/555@peer",))),
        (
            ["PJSIP/555@peer&PJSIP/556@peer", "30", "g"],
            DialRequest(("PJSIP/555@peer", "PJSIP/556@peer"), 30.0, options=DialOptions(go_on=True)),
        ),
        (["PJSIP/peer/sip:555@192.0.2.1"], DialRequest(("PJSIP/peer/sip:555@192.0.2.1",))),
        (
            [" PJSIP/1 & &PJSIP/2& ", " 2.5 ", " g "],
            DialRequest(("PJSIP/1", "PJSIP/2"), 2.5, options=DialOptions(go_on=True)),
        ),
        (["PJSIP/1", "", ""], DialRequest(("PJSIP/1",))),
        (["PJSIP/1", ".5"], DialRequest(("PJSIP/1",), 0.5)),
        (["PJSIP/1", "5."], DialRequest(("PJSIP/1",), 5.0)),
        (["PJSIP/1", "0"], DialRequest(("PJSIP/1",))),
        (["PJSIP/1", "-1"], DialRequest(("PJSIP/1",))),
        (["PJSIP/1", "", "gg"], DialRequest(("PJSIP/1",), options=DialOptions(go_on=True))),
    ],
)
def test_what_dial_understands_is_understood(args: list[str], request_: DialRequest) -> None:
    assert parse_dial(args) == request_


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        ([], "there is no target to dial"),
        (["", "30"], "there is no target to dial"),
        ([" & "], "there is no target to dial"),
        (["PJSIP"], "'PJSIP'"),
        (["PJSIP/"], "'PJSIP/'"),
        (["/555"], "'/555'"),
        (["PJSIP/1&556"], "'556'"),
        (["PJSIP/1", "soon"], "'soon'"),
        (["PJSIP/1", "30s"], "'30s'"),
        (["PJSIP/1", "1e3"], "'1e3'"),
        (["PJSIP/1", "inf"], "'inf'"),
        (["PJSIP/1", "nan"], "'nan'"),
        (["PJSIP/1", "9" * 400], "not a number of seconds"),
        (["PJSIP/1", "٣"], "'٣'"),
        (["PJSIP/1", "30^5"], "early media"),
        (["PJSIP/1", "30", "pg"], "option 'p' is left to Dial(): Records the caller's name"),
        (["PJSIP/1", "30", "g", "http://x"], "'http://x'"),
    ],
)
def test_what_cannot_be_dialled_is_refused_by_name(args: list[str], fault: str) -> None:
    with pytest.raises(DialArgumentError) as refusal:
        parse_dial(args)
    assert fault in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("offload,PJSIP/1,30,g", ["offload", "PJSIP/1", "30", "g"]),
        ("offload,PJSIP/1,,U(a,b)g", ["offload", "PJSIP/1", "", "U(a,b)g"]),
        ("offload,[a,b],c", ["offload", "[a,b]", "c"]),
        ('offload,"a,b",c', ["offload", "a,b", "c"]),
        (r"offload,a\,b,\"c", ["offload", "a,b", '"c']),
        ("offload,a),b", ["offload", "a)", "b"]),
        ("offload,", ["offload", ""]),
    ],
)
def test_the_arguments_of_an_application_are_split_as_asterisk_splits_them(
    text: str, arguments: list[str]
) -> None:
    assert split_arguments(text) == arguments


@given(st.lists(st.one_of(st.text(), st.text(alphabet="PJSIP/&@^g. 0123456789-+"))))
def test_any_arguments_make_a_request_or_a_named_error(args: list[str]) -> None:
    try:
        request = parse_dial(args)
    except DialArgumentError:
        return
    assert request.targets
    assert all(target.partition("/")[0] and target.partition("/")[2] for target in request.targets)
    assert request.timeout is None or 0 < request.timeout < float("inf")


APPS = st.text(alphabet="ab.-_", min_size=1)


@given(APPS, st.text(min_size=1), st.integers(min_value=1), st.integers(min_value=0))
def test_the_call_is_read_back_from_the_ids_made_for_it(app: str, call: str, n: int, entry: int) -> None:
    ids = CallIds(app)
    assert ids.call_of_bridge(ids.bridge(call)) == call
    assert ids.call_of_playback(playback_id(ids.bridge(call), n)) == (call, n)
    callee = ids.callee(call, n, entry=entry)
    assert ids.call_of_callee(callee) == (call, n)
    assert ids.entry_of_callee(callee) == entry


@given(APPS, APPS, st.text(min_size=1))
@example("offload", "offload-staging", "1700000000.5")
def test_no_application_reads_the_ids_of_another_as_its_own(app: str, other: str, call: str) -> None:
    assume(app != other)
    ids, others = CallIds(app), CallIds(other)
    assert others.call_of_bridge(ids.bridge(call)) is None
    assert others.call_of_callee(ids.callee(call, 1)) is None
    assert others.call_of_playback(playback_id(ids.bridge(call), 1)) is None


@pytest.mark.parametrize(
    "id_",
    ["", "offload-", "1700000000.5", "offload-1700000000.5", "offload-1-0", "offload--1", "x-offload-1-1"],
)
def test_the_channels_of_others_are_no_callees(id_: str) -> None:
    assert CallIds("offload").call_of_callee(id_) is None


@pytest.mark.parametrize("id_", ["", "offload-", "b4a71e64-1b9e-4c2a-9c1e-1f9f6f2e8a5d"])
def test_the_bridges_of_others_belong_to_no_call(id_: str) -> None:
    assert CallIds("offload").call_of_bridge(id_) is None
