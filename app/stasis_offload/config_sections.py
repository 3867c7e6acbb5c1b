"""The sections of the configuration: the type, bounds and default of each key, and what an operator reads after a mistake."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from stasis_offload.media.exclusion import parse_share
from stasis_offload.openflow.endpoint import Endpoint, Pssl, Ptcp, Ssl, Tls, parse_endpoint
from stasis_offload.openflow.instance import INSTANCES
from stasis_offload.packets.address import is_host

# What `is_host` takes.
_HOST = "an address, or a name with 1 to 63 letters, digits, - and _ between its dots"


class _Section(BaseModel):
    """What sections have in common; each description of a key completes the sentence "expected …"."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file, and the secret that is its first line, as it was read."""

    path: Path
    secret: str = field(repr=False)


class AriSettings(_Section):
    """Asterisk's REST interface, as configured in its http.conf and ari.conf."""

    url: str = Field(description="an address such as http://127.0.0.1:8088, without user, password or query")
    username: str = Field(min_length=1, description="the name of a section of ari.conf")
    password_file: Path | None = Field(
        default=None, description="a readable file that holds the password alone"
    )
    password: SecretStr = Field(
        default=SecretStr(""),
        validate_default=True,
        description="the password of that ari.conf section, here or in the file that password_file names",
    )

    @field_validator("url")
    @classmethod
    def _address_only(cls, url: str) -> str:
        parts = urlsplit(url)
        _ = parts.port  # a ValueError when it is not a number or out of range
        if parts.scheme not in ("http", "https") or not is_host(parts.hostname or ""):
            raise ValueError("scheme or host")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("more than an address")
        return url.rstrip("/")

    @field_validator("password_file")
    @classmethod
    def _readable(cls, file: Path | None) -> Path | None:
        return _with_a_line(file)

    @field_validator("password")
    @classmethod
    def _from_one_place(cls, password: SecretStr, info: ValidationInfo) -> SecretStr:
        file = info.data.get("password_file")
        if "password_file" not in info.data:
            return password  # the file is wrong, and reported on its own
        if (file is None) == (not password.get_secret_value()):
            raise ValueError("one of the two")
        return SecretStr(_first_line(file)) if file is not None else password


class AsteriskSettings(_Section):
    """The Asterisk process itself."""

    control_socket: Path = Field(
        default=Path("/run/asterisk/asterisk.ctl"),
        description="the path of Asterisk's CLI socket (astctl in asterisk.conf)",
    )


class OpenFlowSettings(_Section):
    """The connection to the switch."""

    private_key: str = Field(default="", description="a file with the private key, for ssl and pssl")
    certificate: str = Field(default="", description="a file with our certificate, for ssl and pssl")
    ca_certificate: str = Field(
        default="", description="a file with the certificate of the authority that has signed the switch's"
    )
    datapath_id: str = Field(
        default="",
        pattern="^([0-9a-f]{16})?$",
        description="the 16 hexadecimal digits of the only bridge that may get flows (ovs-vsctl get bridge BRIDGE datapath_id)",
    )
    instance: int = Field(
        default=0,
        ge=0,
        le=INSTANCES - 1,
        description="a whole number, 0 to 7, that no other application at that bridge has",
    )
    table_miss: Literal["none", "normal"] = Field(
        default="none",
        description="none, or normal where no other controller says what becomes of packets that no flow takes",
    )
    connection: Endpoint = Field(
        description="unix:PATH, tcp:HOST:PORT or ptcp:PORT[:HOST], or, with all three files for TLS, ssl:HOST:PORT or pssl:PORT[:HOST];"
        f" HOST is {_HOST}"
    )

    @field_validator("connection", mode="plain")
    @classmethod
    def _parsed(cls, text: object, info: ValidationInfo) -> Endpoint:
        if not isinstance(text, str):
            raise ValueError("not text")  # noqa: TRY004 - pydantic turns only a ValueError into a mistake
        endpoint = parse_endpoint(text)
        if not isinstance(endpoint, Ssl | Pssl):
            return endpoint
        files = [info.data.get(key) for key in ("private_key", "certificate", "ca_certificate")]
        if not all(files):
            raise ValueError("files are missing")
        return replace(endpoint, tls=Tls(*map(str, files)))

    @property
    def switch_dials(self) -> bool:
        """Whether the switch connects to the application, so that nobody else can ask it."""
        return isinstance(self.connection, Ptcp | Pssl)


class SwitchSettings(OpenFlowSettings):
    """One of several switches, with the keys of [openflow] and a name; the order of these sections is that of preference."""

    name: str = Field(
        pattern=r"^[\w.-]+$", max_length=32, description="a name of at most 32 letters, digits, -, _ and ."
    )


class HttpSettings(_Section):
    """Where the operator's interface is: a socket for the command line, and a TCP port, read-only without a token."""

    socket: Path | None = Field(
        default=Path("/run/stasis-offload/http.sock"),
        description='the path of a socket for the command line, or "" for none',
    )
    host: str = Field(default="127.0.0.1", description=f"where to listen: {_HOST}")
    port: int = Field(default=8086, ge=0, le=65535, description="a TCP port, 1 to 65535, or 0 for none")
    token_file: SecretFile | None = Field(
        default=None,
        description="a readable file that holds the token alone by which the TCP port takes commands",
    )

    @field_validator("host")
    @classmethod
    def _host(cls, host: str) -> str:
        if not is_host(host):
            raise ValueError("no host")
        return host

    @field_validator("socket", mode="before")
    @classmethod
    def _none_if_empty(cls, given: object) -> object:
        return given or None

    @field_validator("token_file", mode="plain")
    @classmethod
    def _read(cls, given: object) -> SecretFile | None:
        if given is None or isinstance(given, SecretFile):
            return given
        if not isinstance(given, str | Path):
            raise ValueError("no path")  # noqa: TRY004 - pydantic turns only a ValueError into a mistake
        return SecretFile(Path(given), _first_line(Path(given)))

    @property
    def token(self) -> str | None:
        """The token; None if the TCP port is read-only."""
        return self.token_file.secret if self.token_file else None


class MediaSettings(_Section):
    """When a call's media moves; times in seconds."""

    idle_timeout: int = Field(default=10, ge=2, le=3600, description="whole seconds, 2 to 3600")
    verify_within: float = Field(default=1.0, ge=0.75, le=60, description="seconds, 0.75 to 60")
    recheck: float = Field(default=30.0, ge=0.5, le=3600, description="seconds, 0.5 to 3600")
    rtcp: Literal["forward", "asterisk"] = Field(default="forward", description="forward or asterisk")
    returns_per_minute: int = Field(default=6, ge=1, le=60, description="a whole number, 1 to 60")
    flap_wait: float = Field(default=60.0, ge=1, le=3600, description="seconds, 1 to 3600")
    grace: float = Field(default=60.0, ge=0, le=3600, description="seconds, 0 to 3600")


class RuleSettings(_Section):
    """A rule of the policy, one [[policy]]: which calls it is of, and the percent of them that may be offloaded."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^[^/\s]+/\S+$",
        description="an endpoint as in channel names, such as PJSIP/trunk-a or PJSIP/fax-*",
    )
    context: str | None = Field(
        default=None,
        pattern=r"^\S+$",
        description="a context of the dialplan, such as from-trunk-a or from-*",
    )
    offload: float = Field(description="never, always or a share of the calls, such as 10%")

    @field_validator("offload", mode="plain")
    @classmethod
    def _percent(cls, given: object) -> float:
        share = parse_share(given) if isinstance(given, str) else None
        if share is None:
            raise ValueError("no share")
        return share


class HepSettings(_Section):
    """A Homer collector: the keys of Asterisk's hep.conf, with the meaning that they have there, and `rtcp`."""

    capture_address: tuple[str, int] | None = Field(
        default=None,
        description=f'HOST:PORT of a collector that takes HEP3 by UDP, or "" for none; HOST is {_HOST}',
    )
    capture_id: int = Field(default=0, ge=0, lt=2**32, description="a whole number, 0 to 4294967295")
    capture_name: str = Field(default="", max_length=255, description="a name, of at most 255 characters")
    capture_password_file: Path | None = Field(
        default=None, description="a readable file that holds the collector's password alone"
    )
    capture_password: SecretStr = Field(
        default=SecretStr(""),
        validate_default=True,
        description="the collector's password, here or in the file that capture_password_file names",
    )
    uuid_type: Literal["call-id", "channel"] = Field(default="call-id", description="call-id or channel")
    rtcp: bool = Field(default=False, description="true or false")

    @field_validator("capture_address", mode="plain")
    @classmethod
    def _host_and_port(cls, given: object) -> tuple[str, int] | None:
        if given in ("", None):
            return None
        parts = urlsplit(f"//{given}")
        if not isinstance(given, str) or parts.netloc != given or "@" in given:
            raise ValueError("more than host and port")
        if not parts.hostname or not is_host(parts.hostname) or not parts.port:
            raise ValueError("host or port")
        return parts.hostname, parts.port

    @field_validator("capture_password_file")
    @classmethod
    def _readable(cls, file: Path | None) -> Path | None:
        return _with_a_line(file)

    @field_validator("capture_password")
    @classmethod
    def _from_one_place(cls, password: SecretStr, info: ValidationInfo) -> SecretStr:
        file = info.data.get("capture_password_file")
        if file is not None and password.get_secret_value():
            raise ValueError("one of the two")
        return SecretStr(_first_line(file)) if file is not None else password


class LogSettings(_Section):
    """What is logged; the format depends on whether the output is a terminal."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )


def _first_line(file: Path) -> str:
    """Return the secret in a file; raise ValueError, which pydantic reports as a mistake, if there is none."""
    try:
        line = file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except OSError as error:
        raise ValueError(str(error.strerror)) from error
    if not line:
        raise ValueError("empty")
    return line


def _with_a_line(file: Path | None) -> Path | None:
    """Return the file of a secret; raise as `_first_line` if there is none in it."""
    if file is not None:
        _ = _first_line(file)
    return file
