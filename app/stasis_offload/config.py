"""The configuration. It is accepted as a whole, or rejected with every wrong key named at once."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from stasis_offload.config_mistakes import misnamed_variables, mistake, unreachable_rules
from stasis_offload.config_sections import (
    AriSettings,
    AsteriskSettings,
    HepSettings,
    HttpSettings,
    LogSettings,
    MediaSettings,
    OpenFlowSettings,
    RuleSettings,
    SwitchSettings,
)
from stasis_offload.errors import ConfigError

DEFAULT_FILE = Path("/etc/stasis-offload/stasis-offload.toml")
ENV_PREFIX = "STASIS_OFFLOAD_"

_BOTH = (
    "not beside [openflow]: give each switch a section [[switch]] with a name and the keys of [openflow], and leave out"
    " [openflow] and its variables"
)


class _FromFileAndEnvironment(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,  # no JSON in a variable: one variable, one key
        extra="forbid",
        frozen=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources: the environment overrides the file; no other source is read."""
        del dotenv_settings, file_secret_settings
        return env_settings, TomlConfigSettingsSource(settings_cls), init_settings


class _HttpAlone(_FromFileAndEnvironment):
    """What a command needs to reach the running application: whoever types it may not be able to read the secrets."""

    model_config = SettingsConfigDict(extra="ignore")

    http: HttpSettings = HttpSettings()

    @field_validator("http", mode="before")
    @classmethod
    def _without_token(cls, given: object) -> object:
        if not isinstance(given, dict) or given.get("socket") == "":
            return given  # the TCP port alone takes it
        return {key: value for key, value in given.items() if key != "token_file"}


class Config(_FromFileAndEnvironment):
    """All settings of the application; immutable."""

    app: str = Field(
        default="offload",
        pattern=r"^[\w.-]+$",
        max_length=32,  # ids of channels begin with it, and callees by Local channels have it several times
        description="the name used in Stasis(NAME), of at most 32 characters",
    )
    ari: AriSettings
    asterisk: AsteriskSettings = AsteriskSettings()
    openflow: OpenFlowSettings | None = None
    switch: tuple[SwitchSettings, ...] = Field(
        default=(), description="sections [[switch]] with keys in them, one for each switch"
    )
    http: HttpSettings = HttpSettings()
    media: MediaSettings = MediaSettings()
    policy: tuple[RuleSettings, ...] = Field(
        default=(), description="rules in the file, each begun by [[policy]] with two brackets"
    )
    hep: HepSettings = HepSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, given: dict[str, object]) -> dict[str, object]:
        """Return what is given with an empty section [openflow] where no switch is given, so that what is missing is named."""
        return given if given.get("switch") else {"openflow": {}, **given}

    @field_validator("switch")
    @classmethod
    def _apart(cls, switches: tuple[SwitchSettings, ...], info: ValidationInfo) -> tuple[SwitchSettings, ...]:
        if switches and info.data.get("openflow"):
            raise ValueError(_BOTH)
        for key in ("name", "connection"):
            values = [getattr(each, key) for each in switches]
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(f"two have the {key} {value}")
        return switches

    @property
    def switches(self) -> tuple[tuple[str, OpenFlowSettings], ...]:
        """The switches in the operator's order, each with its name; the only one of [openflow] has none."""
        return tuple((each.name, each) for each in self.switch) or (
            (("", self.openflow),) if self.openflow else ()
        )


SECTIONS: dict[str, type[BaseModel]] = {
    name: section
    for name, field in Config.model_fields.items()
    for section in (field.annotation, *get_args(field.annotation)[:1])
    if name not in ("policy", "switch") and isinstance(section, type) and issubclass(section, BaseModel)
}
_LISTED: dict[str, type[BaseModel]] = {"policy": RuleSettings, "switch": SwitchSettings}
_LISTED_KEYS = {
    f"{section}.{name}": field
    for section, model in _LISTED.items()
    for name, field in model.model_fields.items()
}
_KEYS: dict[str, FieldInfo] = {
    f"{section}.{name}": field
    for section, model in SECTIONS.items()
    for name, field in model.model_fields.items()
} | {name: field for name, field in Config.model_fields.items() if name not in SECTIONS}


def load(file: Path | None = None) -> Config:
    """Read the configuration from a TOML file (DEFAULT_FILE if there is one) and the environment.

    A key `section.key` is overridden by the variable STASIS_OFFLOAD_SECTION__KEY.

    Raises:
        ConfigError: one line per mistake, without any secret.

    """
    chosen, content = _readable_toml(file)

    class FromFile(Config):
        model_config = SettingsConfigDict(toml_file=chosen)

    mistakes = [*misnamed_variables(_KEYS, SECTIONS, prefix=ENV_PREFIX), *unreachable_rules(content)]
    config: Config | None = None
    try:
        # An empty section, so that each missing key of it is named.
        config = FromFile.model_validate({"ari": {}})
    except ValidationError as error:
        mistakes += _mistakes(error)
    if config is None or mistakes:
        raise _wrong(chosen, mistakes)
    return config


def load_http(file: Path | None = None) -> HttpSettings:
    """Read where the running application listens, as `load` does, and nothing else.

    Raises:
        ConfigError: one line per mistake in that section.

    """
    chosen, _ = _readable_toml(file)

    class FromFile(_HttpAlone):
        model_config = SettingsConfigDict(toml_file=chosen)

    try:
        return FromFile().http
    except ValidationError as error:
        raise _wrong(chosen, _mistakes(error)) from None


def _wrong(chosen: Path | None, mistakes: Iterable[str]) -> ConfigError:
    where = (
        f"{chosen} and the environment"
        if chosen
        else f"the environment (there is no {DEFAULT_FILE}, which `stasis-offload setup` writes)"
    )
    return ConfigError("\n  ".join([f"wrong configuration in {where}:", *mistakes]))


def _mistakes(error: ValidationError) -> list[str]:
    expected = {key: field.description for key, field in (_KEYS | _LISTED_KEYS).items()}
    return [
        f"switch: {e['ctx']['error']}"  # of all of them together (`_apart`)
        if e["loc"] == ("switch",) and "ctx" in e
        else mistake(e["loc"], e["type"], e["input"], expected=expected, sections=SECTIONS)
        for e in error.errors(include_url=False)
    ]


def _readable_toml(file: Path | None) -> tuple[Path | None, Mapping[str, object]]:
    """Return the file to read and what is in it; None if none was given and the default does not exist."""
    chosen = file or DEFAULT_FILE
    try:
        with chosen.open("rb") as stream:
            return chosen, tomllib.load(stream)
    except FileNotFoundError as error:
        if file is None:
            return None, {}
        raise ConfigError(f"there is no file {file}") from error
    except PermissionError as error:
        raise ConfigError(f"cannot read {chosen}: {error.strerror}; root may") from error
    except OSError as error:
        raise ConfigError(f"cannot read {chosen}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{chosen} is not TOML: {error}") from error
