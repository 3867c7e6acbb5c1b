"""What `setup` would do to a host: read as Asterisk would read it afterwards."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from stasis_offload.dialplan.config_file import ConfigFile, parse_config
from stasis_offload.setup_plan import (
    CONFIG,
    FOLDER,
    MODULES,
    PASSWORD,
    SERVICE,
    Change,
    Command,
    Host,
    Plan,
    plan_setup,
    plan_undo,
)

ETC = "/etc/asterisk"
UNITS = frozenset({"stasis-offload-socket@breth0.path", "stasis-offload-socket@breth0.service", SERVICE})
BARE = Host(
    asterisk=ETC,
    bridge="breth0",
    user=False,
    in_group=False,
    systemd=True,
    enabled=frozenset(),
    active=frozenset(),
    asterisk_runs=True,
    loaded=frozenset(),
    control_socket_open=False,
)
SET_UP = replace(
    BARE,
    user=True,
    in_group=True,
    enabled=UNITS,
    active=frozenset({SERVICE}),
    loaded=frozenset(MODULES),
    control_socket_open=True,
)
# As a distribution ships them.
SHIPPED = {
    "ari.conf": b"[general]\nenabled = yes\n;password = no\n",
    "http.conf": b"[general]\nservername=Asterisk\n;enabled=yes\nbindaddr=127.0.0.1\n",
    "asterisk.conf": b"[directories](!)\nastetcdir => /etc/asterisk\n[options]\n;verbose = 3\n",
    "modules.conf": b"[modules]\nautoload=yes\n",
    "cli_permissions.conf": b"[general]\ndefault_perm=permit\n",
    "pjsip.conf": b"[phone]\ntype=endpoint\ndirect_media=no\n",
}


class Etc(dict[str, bytes]):
    """Asterisk's directory, and ours."""

    def included(self, name: str) -> Iterator[tuple[str, bytes]]:
        if name in self:
            yield f"{ETC}/{name}", self[name]

    def plan(self, host: Host = BARE) -> Plan:
        ours = {name: self.get(name) for name in (CONFIG, PASSWORD)}
        return plan_setup(host, ours, read=self.get, included=self.included, new_password="generated")

    def carry_out(self, plan: Plan) -> None:
        for change in changes(plan):
            name = change.path.removeprefix(f"{ETC}/")
            assert self.get(name) == change.before
            if change.after is None:
                del self[name]
            else:
                self[name] = change.after

    def parsed(self, name: str) -> ConfigFile:
        return parse_config(name, self[name], included=self.included)

    def value(self, name: str, section: str, key: str) -> str | None:
        """Return what Asterisk has in force: the last of the first section of that name."""
        found = next(each for each in self.parsed(name).sections if each.name == section)
        values = [entry.value for entry in found.entries if entry.name == key]
        return values[-1] if values else None


@pytest.fixture
def etc() -> Etc:
    return Etc(SHIPPED)


def changes(plan: Plan) -> list[Change]:
    return [step for step in plan.steps if isinstance(step, Change)]


def commands(plan: Plan) -> list[Command]:
    return [step for step in plan.steps if not isinstance(step, Change)]


def test_asterisk_then_has_what_the_application_needs(etc: Etc) -> None:
    etc.carry_out(etc.plan())
    assert etc.value("http.conf", "general", "enabled") == "yes"
    assert etc.value("http.conf", "general", "bindaddr") == "127.0.0.1"
    assert etc.value("ari.conf", "general", "websocket_write_timeout") == "10000"
    assert etc.value("ari.conf", "offload", "type") == "user"
    assert etc.value("ari.conf", "offload", "password") == "generated"
    assert etc.value("asterisk.conf", "options", "hideconnect") == "yes"
    assert etc.value("asterisk.conf", "options", "disable_remote_console_shell") == "yes"
    assert etc.value("asterisk.conf", "files", "astctlpermissions") == "0660"
    rules = [(e.name, e.value) for e in etc.parsed("cli_permissions.conf").sections[-1].entries]
    assert rules == [("deny", "all"), ("permit", "rtpstreams"), ("permit", "core waitfullybooted")]
    assert etc[PASSWORD] == b"generated\n"
    assert b'url = "http://127.0.0.1:8088"' in etc[CONFIG]
    assert b'connection = "unix:/run/openvswitch/breth0.mgmt"' in etc[CONFIG]


def test_with_autoload_no_module_is_named(etc: Etc) -> None:
    assert f"{FOLDER}/modules.conf" not in {
        change.path.removeprefix(f"{ETC}/") for change in changes(etc.plan())
    }


def test_without_autoload_every_module_is_loaded_that_is_not_yet(etc: Etc) -> None:
    etc["modules.conf"] = b"[modules]\nautoload=no\nload = res_ari.so\nload => app_dial\n"
    etc.carry_out(etc.plan())
    (section,) = etc.parsed("modules.conf").sections
    loaded = [entry.value.removesuffix(".so") for entry in section.entries if entry.name == "load"]
    assert set(loaded) >= {
        *MODULES,
        "app_stasis",
        "res_ari_bridges",
        "bridge_native_rtp",
        "res_http_websocket",
    }
    assert len(loaded) == len(set(loaded))


def test_a_file_gets_one_line_and_loses_none(etc: Etc) -> None:
    etc.carry_out(etc.plan())
    for name in SHIPPED.keys() - {"modules.conf", "pjsip.conf"}:
        assert etc[name] == SHIPPED[name] + f"#tryinclude {FOLDER}/{name}\n".encode()


def test_what_is_set_up_needs_nothing(etc: Etc) -> None:
    etc.carry_out(etc.plan())
    assert etc.plan(SET_UP).steps == ()


def test_a_file_of_ours_that_was_edited_is_left_alone(etc: Etc) -> None:
    etc.carry_out(etc.plan())
    etc[f"{FOLDER}/http.conf"] = b"[general](+)\nenabled = yes\nbindport = 8089\n"
    etc[CONFIG] = b"# mine\n"
    assert changes(etc.plan(SET_UP)) == []


@pytest.mark.parametrize("ending", [b"\n", b"", b"\n\n", b"\r\n"])
def test_undone_the_files_are_as_before(etc: Etc, ending: bytes) -> None:
    etc["ari.conf"] = b"[general]\nenabled = yes" + ending
    del etc["cli_permissions.conf"]
    before = dict(etc)
    etc.carry_out(etc.plan())
    assert etc.value("ari.conf", "offload", "password") == "generated"
    assert etc["cli_permissions.conf"]
    etc.carry_out(plan_undo(SET_UP, read=etc.get))
    assert {name: text for name, text in etc.items() if name not in (CONFIG, PASSWORD)} == before
    assert plan_undo(BARE, read=etc.get).steps == ()


def test_undone_nothing_of_ours_runs(etc: Etc) -> None:
    etc.carry_out(etc.plan())
    first, *_, last = plan_undo(SET_UP, read=etc.get).steps
    assert first == ("systemctl", "disable", "--now", *sorted(UNITS))
    assert last == ("gpasswd", "--delete", "offload", "asterisk")


def test_a_user_of_ari_that_asterisk_has_keeps_its_password(etc: Etc) -> None:
    etc["ari.conf"] += b"[offload]\ntype = user\npassword = of old\n"
    etc.carry_out(etc.plan())
    assert etc[PASSWORD] == b"of old\n"
    assert b"password" not in etc[f"{FOLDER}/ari.conf"]


def test_a_password_that_is_there_is_used(etc: Etc) -> None:
    etc[PASSWORD] = b"mine\n"
    etc.carry_out(etc.plan())
    assert etc[PASSWORD] == b"mine\n"
    assert etc.value("ari.conf", "offload", "password") == "mine"


def test_two_passwords_are_remarked_on(etc: Etc) -> None:
    etc["ari.conf"] += b"[offload]\ntype = user\npassword = of old\n"
    etc[PASSWORD] = b"mine\n"
    assert any(PASSWORD in remark for remark in etc.plan().remarks)


def test_ari_is_where_asterisk_listens(etc: Etc) -> None:
    etc["http.conf"] = b"[general]\nenabled = yes\nbindaddr = 0.0.0.0\nbindport = 9000\nprefix = pbx\n"
    etc.carry_out(etc.plan())
    assert b'url = "http://127.0.0.1:9000/pbx"' in etc[CONFIG]
    assert f"{FOLDER}/http.conf" not in etc


def test_endpoints_whose_calls_stay_with_asterisk_are_named(etc: Etc) -> None:
    etc["pjsip.conf"] = (
        b"[base](!)\ntype=endpoint\nrtp_keepalive=15\n[a](base)\ndirect_media=no\n[b](base)\n[c]\ntype=aor\n"
    )
    direct, keepalive = etc.plan().remarks
    assert "direct_media = no is missing for b:" in direct
    assert "rtp_keepalive = 0 is missing for a, b:" in keepalive


def test_only_secrets_are_secret(etc: Etc) -> None:
    for change in changes(etc.plan()):
        assert change.secret == (b"generated" in (change.after or b""))


def test_a_file_with_the_password_is_no_ones_else(etc: Etc) -> None:
    modes = {
        change.path: (change.rights.owner, change.rights.mode)
        for change in changes(etc.plan())
        if change.secret
    }
    assert modes == {PASSWORD: ("offload", 0o400), f"{ETC}/{FOLDER}/ari.conf": ("root", 0o640)}


def test_a_running_asterisk_is_not_restarted(etc: Etc) -> None:
    asked = [command[2] for command in commands(etc.plan()) if command[0] == "asterisk"]
    assert asked == [
        *("cli reload permissions", "module reload http", "module reload res_ari.so"),
        *(f"module load {module}.so" for module in MODULES),
    ]
    assert ("chmod", "0660", "/run/asterisk/asterisk.ctl") in commands(etc.plan())


def test_the_user_is_there_before_files_are_its_own_and_the_service_starts_last(etc: Etc) -> None:
    steps = etc.plan().steps
    assert steps[0][0] == "useradd" if not isinstance(steps[0], Change) else False
    assert steps[-1] == ("systemctl", "enable", "--now", SERVICE)


def test_without_systemd_and_asterisk_there_is_no_command(etc: Etc) -> None:
    host = replace(SET_UP, systemd=False, enabled=frozenset(), active=frozenset(), asterisk_runs=False)
    assert commands(etc.plan(host)) == []
