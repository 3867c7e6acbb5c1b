"""The configuration: what is accepted, and that every mistake is named, at once, without a secret."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stasis_offload import config
from stasis_offload.config import Config, load
from stasis_offload.config_sections import RuleSettings
from stasis_offload.errors import ConfigError
from stasis_offload.openflow.endpoint import Ptcp

GOOD = """
[ari]
url = "http://127.0.0.1:8088/"
username = "offload"
password = "s3cret"
[openflow]
connection = "unix:/run/openvswitch/breth0.mgmt"
"""


@pytest.fixture(autouse=True)
def _no_variables_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(config.ENV_PREFIX)]:
        monkeypatch.delenv(name)


def written(directory: Path, text: str) -> Path:
    file = directory / "offload.toml"
    file.write_text(text)
    return file


def refusal(directory: Path, text: str) -> list[str]:
    """Return the lines of the error that loading this text ends with, the heading left out."""
    with pytest.raises(ConfigError) as caught:
        load(written(directory, text))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_a_file_with_only_what_has_no_default_is_enough(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, GOOD))
    assert loaded.ari.url == "http://127.0.0.1:8088"
    assert loaded.ari.password.get_secret_value() == "s3cret"
    assert (loaded.app, loaded.http.host, loaded.http.port) == ("offload", "127.0.0.1", 8086)
    assert (loaded.media.idle_timeout, loaded.media.verify_within, loaded.media.recheck) == (10, 1.0, 30.0)


def names(configuration: dict[str, Any]) -> set[str]:
    """Return the keys of a configuration, those of sections dotted."""
    plain = {key for key, value in configuration.items() if not isinstance(value, dict)}
    return plain | {
        f"{section}.{key}" for section in configuration.keys() - plain for key in configuration[section]
    }


def test_the_example_names_every_key_and_shows_the_defaults(tmp_path: Path) -> None:
    example = (Path(__file__).parents[3] / "stasis-offload.toml.example").read_text()
    secret = written(tmp_path, "s3cret").rename(tmp_path / "secret")
    shown = load(written(tmp_path, example.replace("/etc/stasis-offload/ari-password", str(secret))))
    commented = (
        *("password =", "token_file =", "capture_password_file =", "capture_password ="),
        *("[[policy]]", "endpoint =", "context =", "offload ="),
    )
    every = tomllib.loads(
        re.sub(rf"^# (?={'|'.join(map(re.escape, commented))})", "", example, flags=re.MULTILINE)
    )
    assert [set(rule) for rule in every["policy"]] == [set(RuleSettings.model_fields), {"offload"}]
    assert names(every) == names(shown.model_dump(warnings=False)) - {"switch"}
    plain = load(written(tmp_path, GOOD))
    for section in ("app", "asterisk", "http", "media", "hep", "log"):
        assert getattr(shown, section) == getattr(plain, section)


def test_the_environment_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "DEFAULT_FILE", Path("/nonexistent/offload.toml"))
    monkeypatch.setenv("STASIS_OFFLOAD_ARI__URL", "https://pbx:8089")
    monkeypatch.setenv("STASIS_OFFLOAD_ARI__USERNAME", "offload")
    monkeypatch.setenv("STASIS_OFFLOAD_ARI__PASSWORD", "1234")
    monkeypatch.setenv("STASIS_OFFLOAD_OPENFLOW__CONNECTION", "ptcp:6653")
    monkeypatch.setenv("STASIS_OFFLOAD_APP", "other")
    loaded = load()
    assert (loaded.app, loaded.ari.password.get_secret_value()) == ("other", "1234")
    assert loaded.switches[0][1].connection == Ptcp(6653)


def test_the_environment_wins_over_the_file_key_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STASIS_OFFLOAD_ARI__PASSWORD", "other")
    monkeypatch.setenv("STASIS_OFFLOAD_HTTP__PORT", "9000")
    loaded = load(written(tmp_path, GOOD))
    assert loaded.ari.password.get_secret_value() == "other"
    assert (loaded.ari.username, loaded.http.port) == ("offload", 9000)


def test_the_default_file_is_read_when_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "DEFAULT_FILE", written(tmp_path, GOOD))
    assert load().ari.username == "offload"


def test_a_loaded_configuration_cannot_be_changed(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, GOOD))
    with pytest.raises(ValidationError):
        loaded.http.port = 1
    with pytest.raises(ValidationError):
        loaded.app = "x"


def test_every_mistake_is_reported_at_once_with_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STASIS_OFFLOAD_ARI_PASSWORD", "x")
    monkeypatch.setenv("STASIS_OFFLOAD_ARY__URL", "x")
    lines = refusal(
        tmp_path,
        """
        ap = "x"
        [ari]
        url = "ftp://pbx"
        usrname = "offload"
        [http]
        port = 70000
        [media]
        idle_timeout = 0
        recheck = "soon"
        [log]
        level = "loud"
        [media2]
        """,
    )
    assert lines == [
        "STASIS_OFFLOAD_ARI_PASSWORD: unknown variable, did you mean STASIS_OFFLOAD_ARI__PASSWORD?",
        "STASIS_OFFLOAD_ARY__URL: unknown variable, did you mean STASIS_OFFLOAD_ARI__URL?",
        "ari.url: given 'ftp://pbx', expected an address such as http://127.0.0.1:8088, without user, password or query",
        "ari.username: missing, expected the name of a section of ari.conf",
        "ari.password: expected the password of that ari.conf section, here or in the file that password_file names",
        "ari.usrname: unknown key, did you mean ari.username?",
        "openflow.connection: missing, expected unix:PATH, tcp:HOST:PORT or ptcp:PORT[:HOST], or, with all three files for TLS, ssl:HOST:PORT or pssl:PORT[:HOST]; HOST is an address, or a name with 1 to 63 letters, digits, - and _ between its dots",
        "http.port: given 70000, expected a TCP port, 1 to 65535, or 0 for none",
        "media.idle_timeout: given 0, expected whole seconds, 2 to 3600",
        "media.recheck: given 'soon', expected seconds, 0.5 to 3600",
        "log.level: given 'loud', expected debug, info, warning or error",
        "ap: unknown key, did you mean app?",
        "media2: unknown key, did you mean media?",
    ]


def test_the_rules_of_the_policy_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    rules = '[[policy]]\nendpoint = "PJSIP/trunk-*"\ncontext = "from-trunk"\noffload = "2.5%"\n'
    first, last = load(written(tmp_path, f'{GOOD}{rules}[[policy]]\noffload = "never"')).policy
    assert (first.endpoint, first.context, first.offload) == ("PJSIP/trunk-*", "from-trunk", 2.5)
    assert (last.endpoint, last.context, last.offload) == (None, None, 0.0)


def test_every_mistake_of_every_rule_is_named(tmp_path: Path) -> None:
    wrong = """
[[policy]]
offload = "always"

[[policy]]
endpoint = "trunk-a"
contxt = "from-trunk"
offload = 10

[[policy]]
context = ""

[[policy]]
offload = "110%"
"""
    share = "expected never, always or a share of the calls, such as 10%"
    assert refusal(tmp_path, GOOD + wrong) == [
        "policy 1: expected an endpoint or a context, or to be the last: no rule behind it would ever decide",
        "policy 2, endpoint: given 'trunk-a', expected an endpoint as in channel names, such as PJSIP/trunk-a or PJSIP/fax-*",
        f"policy 2, offload: given 10, {share}",
        "policy 2, contxt: unknown key, did you mean policy.context?",
        "policy 3, context: given '', expected a context of the dialplan, such as from-trunk-a or from-*",
        f"policy 3, offload: missing, {share}",
        f"policy 4, offload: given '110%', {share}",
    ]


@pytest.mark.parametrize("endpoint", ["PJSIP/", "", "PJSIP/a b", "PJSIP/a, PJSIP/b", "PJSIP/a\\n"])
def test_an_endpoint_that_no_channel_could_have_is_refused(tmp_path: Path, endpoint: str) -> None:
    [line] = refusal(tmp_path, f'{GOOD}[[policy]]\nendpoint = "{endpoint}"\noffload = "never"')
    assert line.startswith("policy 1, endpoint: given ")


def test_a_policy_that_is_no_list_of_rules_is_refused(tmp_path: Path) -> None:
    [line] = refusal(tmp_path, f'{GOOD}[policy]\noffload = "never"')
    assert line.endswith(", expected rules in the file, each begun by [[policy]] with two brackets")


def test_a_key_of_before_the_rules_is_refused_with_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f'{GOOD}[media]\nexclude = ["PJSIP/trunk-a"]\npercentage = 5'
    excluded, percentage = refusal(tmp_path, text)
    assert excluded.startswith(
        "media.exclude: a key that there is no more, for each endpoint write [[policy]]"
    )
    assert percentage.startswith("media.percentage: a key that there is no more, write [[policy]]")
    monkeypatch.setenv("STASIS_OFFLOAD_MEDIA__PERCENTAGE", "5")
    assert 'offload = "10%"' in "".join(refusal(tmp_path, GOOD))


def test_other_programs_variables_with_our_prefix_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STASIS_OFFLOAD_PORT", "tcp://10.0.0.1:8086")  # Kubernetes, for a service of our name
    assert load(written(tmp_path, GOOD)).app == "offload"


@pytest.mark.parametrize("app", ["", "a" * 33, "a,b", "a b"])
def test_a_name_of_which_no_ids_can_be_made_is_refused(tmp_path: Path, app: str) -> None:
    assert load(written(tmp_path, f'app = "{"a" * 32}"{GOOD}')).app == "a" * 32
    [line] = refusal(tmp_path, f'app = "{app}"{GOOD}')
    assert line.startswith("app")
    assert line.endswith("the name used in Stasis(NAME), of at most 32 characters")


@pytest.mark.parametrize("instance", ["-1", "8", '"one"', "0.5"])
def test_an_instance_that_is_none_is_refused(tmp_path: Path, instance: str) -> None:
    assert load(written(tmp_path, f"{GOOD}instance = 7")).switches[0][1].instance == 7
    [line] = refusal(tmp_path, f"{GOOD}instance = {instance}")
    assert line.endswith(", expected a whole number, 0 to 7, that no other application at that bridge has")


@pytest.mark.parametrize("connection", ['"ssl:pbx:6653"', '"breth0"', "6653", "[]"])
def test_what_is_no_way_to_a_switch_is_refused(tmp_path: Path, connection: str) -> None:
    [line] = refusal(tmp_path, GOOD.replace('"unix:/run/openvswitch/breth0.mgmt"', connection))
    assert line.startswith("openflow.connection: given ")
    assert line.endswith(
        ", expected unix:PATH, tcp:HOST:PORT or ptcp:PORT[:HOST], or, with all three files for TLS, ssl:HOST:PORT or pssl:PORT[:HOST]"
        "; HOST is an address, or a name with 1 to 63 letters, digits, - and _ between its dots"
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://offload:s3cret@pbx:8088",
        "http://pbx:8088/?api_key=offload:s3cret",
        "s3cret",
        "http://",
        "http://pbx:notaport",
        "http://pbx:99999",
    ],
)
def test_a_url_that_is_more_or_less_than_an_address_is_refused(tmp_path: Path, url: str) -> None:
    lines = refusal(tmp_path, GOOD.replace("http://127.0.0.1:8088/", url))
    assert len(lines) == 1
    assert lines[0].startswith("ari.url: ")
    assert "offload:" not in lines[0]


def test_a_password_in_a_wrong_place_or_of_a_wrong_type_is_never_shown(tmp_path: Path) -> None:
    for line in ('pasword = "s3cret"', "password = 53254", 'password = ["s3cret"]'):
        text = "\n".join(refusal(tmp_path, GOOD.replace('password = "s3cret"', line)))
        assert "s3cret" not in text
        assert "53254" not in text
    text = "\n".join(refusal(tmp_path, 'ari = "s3cret"\n[openflow]\nconnection = "ptcp:6653"'))
    assert text == "ari: expected a section [ari] with keys in it"


def test_a_password_is_not_in_the_representation_of_the_configuration(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, GOOD))
    assert "s3cret" not in f"{loaded!r} {loaded} {loaded.ari}"


def test_a_password_file_holds_the_password(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("from file\n")
    loaded = load(written(tmp_path, GOOD.replace('password = "s3cret"', f'password_file = "{secret}"')))
    assert loaded.ari.password.get_secret_value() == "from file"


def test_a_password_file_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    for name in ("empty", "missing"):
        text = GOOD.replace('password = "s3cret"', f'password_file = "{tmp_path / name}"')
        [line] = refusal(tmp_path, text)
        assert line.startswith("ari.password_file: given ")


def test_a_password_from_two_places_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("other")
    [line] = refusal(
        tmp_path, GOOD.replace("[openflow]", f'password_file = "{tmp_path}/password"\n[openflow]')
    )
    assert line.startswith("ari.password: expected the password")


def test_a_file_that_is_missing_or_not_toml_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^there is no file /nonexistent\.toml$"):
        load(Path("/nonexistent.toml"))
    with pytest.raises(ConfigError, match=r"is not TOML: .*line 1"):
        load(written(tmp_path, "ari: yaml"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(tmp_path / "binary")
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path)


leaf = st.one_of(
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="\\'")).map(repr),
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.sampled_from(
        ["true", "inf", "nan", "1979-05-27", "[]", "[1, 'a']", "{a = 1}", '"http://h"', '"tcp:h:1"']
    ),
)
key = st.sampled_from(
    [
        *("url", "username", "password", "password_file", "connection", "host", "port", "level", "recheck"),
        *("idle_timeout", "policy", "offload", "control_socket", "_env_file", "_secrets_dir", "unknown"),
    ]
)
section = st.sampled_from(
    ["ari", "asterisk", "openflow", "http", "media", "log", "policy", "_env_prefix", "unknown"]
)
table = st.dictionaries(key, leaf, max_size=6)


@given(tables=st.dictionaries(section, table), top=st.dictionaries(section | st.just("app"), leaf))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_toml_is_a_configuration_or_a_named_error(
    tmp_path: Path, tables: dict[str, dict[str, str]], top: dict[str, str]
) -> None:
    lines = [f"{name} = {value}" for name, value in top.items() if name not in tables]
    for name, values in tables.items():
        lines += [f"[{name}]", *(f"{field} = {value}" for field, value in values.items())]
    text = "\n".join(lines)
    tomllib.loads(text)
    try:
        assert isinstance(load(written(tmp_path, text)), Config)
    except ConfigError as error:
        assert len(str(error).splitlines()) > 1  # noqa: PT017 - either outcome is right, this one must say more
