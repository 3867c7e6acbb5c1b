"""Errors that cross the rooms of the application. An error of a single room is defined there."""


class OffloadError(Exception):
    """Base class; the text is one sentence for the operator."""


class ConfigError(OffloadError):
    """The configuration cannot be used; the text names every key at fault."""


class AriError(OffloadError):
    """Asterisk's REST interface refused a request or could not be reached."""


class AriReplacedError(AriError):
    """Another program registered the name of our Stasis application, and has the calls now."""


class AriUnavailableError(AriError):
    """Asterisk's HTTP server does not respond, or the connection to it ended."""


class ModuleError(OffloadError):
    """The Asterisk CLI socket or the output of `rtpstreams` cannot be used."""


class OpenFlowError(OffloadError):
    """The switch refused a message, or the connection to it is not usable."""


class SwitchUnavailableError(OpenFlowError):
    """There is no connection to the switch, or it ended before the reply."""


class TableFullError(OpenFlowError):
    """The switch refused a flow because its table is full."""


class BadPacketError(OffloadError):
    """A packet could not be parsed; the text says what is wrong."""
