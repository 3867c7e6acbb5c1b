"""The numbers and layouts of OpenFlow are those that os_ken has, and os_ken is not imported for them."""

import subprocess
import sys

import pytest
from os_ken.ofproto import ofproto_common, ofproto_v1_3

from stasis_offload.openflow import ofp

OURS = {name: value for name, value in vars(ofp).items() if name.isupper() or name[0] == "O"}


@pytest.mark.parametrize(("name", "value"), OURS.items(), ids=OURS)
def test_it_is_as_os_ken_has_it(name: str, value: object) -> None:
    assert value == getattr(ofproto_v1_3, name, None) or value == getattr(ofproto_common, name)


def test_the_application_starts_without_os_ken() -> None:
    program = "import sys, stasis_offload.service; sys.exit('os_ken' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
