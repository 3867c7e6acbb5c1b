"""The errors that one part of the application raises for another; what only one part knows is beside it."""


class OffloadError(Exception):
    """Base of all; its text is one sentence for the operator."""


class ConfigError(OffloadError):
    """The configuration cannot be used; the text names every key at fault."""


class AriError(OffloadError):
    """Asterisk's REST interface refused a request or could not be reached."""


class AriReplacedError(AriError):
    """Another program took the name of our Stasis application: it has the calls now."""


class AriUnavailableError(AriError):
    """No answer from Asterisk's HTTP server, or the connection to it ended."""


class ModuleError(OffloadError):
    """The Asterisk CLI socket or the output of `rtpstreams` cannot be used."""


class OpenFlowError(OffloadError):
    """The switch refused a message, or the connection to it is not usable."""


class SwitchUnavailableError(OpenFlowError):
    """There is no connection to the switch, or it ended before the answer came."""


class BadPacketError(OffloadError):
    """Bytes from the wire are not what they were taken for; the text says what is wrong."""
