"""The numbers and layouts of OpenFlow are those that os_ken has, and os_ken is not needed for them."""

import pytest
from os_ken.ofproto import ofproto_common, ofproto_v1_3

from stasis_offload.openflow import ofp
from stasis_offload.openflow.error_names import ONF_ERRORS, error_names, message_name, onf_error_name
from tests.support.source import MODULES, others

OURS = {name: value for name, value in vars(ofp).items() if name.isupper() or name[0] == "O"}


@pytest.mark.parametrize(("name", "value"), OURS.items(), ids=OURS)
def test_it_is_as_os_ken_has_it(name: str, value: object) -> None:
    assert value == getattr(ofproto_v1_3, name, None) or value == getattr(ofproto_common, name)


@pytest.mark.parametrize("kind", range(16))
@pytest.mark.parametrize("code", range(24))
def test_an_error_has_the_names_that_os_ken_gives_it(kind: int, code: int) -> None:
    type_name, code_name = error_names(kind, code)
    assert type_name == ofproto_v1_3.ofp_error_type_to_str(kind)
    assert code_name == ofproto_v1_3.ofp_error_code_to_str(kind, code)


def test_a_message_has_the_name_that_os_ken_gives_it() -> None:
    names = [message_name(kind) for kind in range(256)]
    assert names == [ofproto_v1_3.ofp_msg_type_to_str(kind) for kind in range(256)]


def test_an_error_of_the_onf_has_the_name_that_os_ken_gives_it() -> None:
    known = {value: name for name, value in vars(ofproto_v1_3).items() if name.startswith("ONFERR_")}
    assert known == ONF_ERRORS
    assert onf_error_name(2304) == "ONFERR_ET_BUNDLE_CLOSED(2304)"
    assert onf_error_name(1) == "experimenter error(1)"


def test_no_os_ken_is_needed() -> None:
    assert "os_ken" not in set().union(*(others(name) for name in MODULES))
