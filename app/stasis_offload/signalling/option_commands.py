"""Commands of the signalling machine that only an option of Dial() needs, or a call that is forwarded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadLimitSounds:
    """Read what the caller's variables say of the announcements of a time limit; answered by LimitSoundsRead."""


@dataclass(frozen=True, slots=True)
class FindExit:
    """Look for the extension to which a digit of the caller's leads; answered by ExitFound if there is one."""

    digit: str


@dataclass(frozen=True, slots=True)
class ResetCdr:
    """Begin the caller's CDR anew."""


@dataclass(frozen=True, slots=True)
class RunSub:
    """Run a subroutine on leg n, who is in no bridge; `sub` is Gosub()'s argument. Ends when it has returned."""

    n: int
    sub: str


@dataclass(frozen=True, slots=True)
class RunPreDialSub:
    """As RunSub on a callee that is not dialled yet: of a Local channel the other half runs it."""

    n: int
    sub: str


@dataclass(frozen=True, slots=True)
class Inherit:
    """Give callee n now, and not when it is dialled, what a callee has from the caller: variables, identity, language."""

    n: int


@dataclass(frozen=True, slots=True)
class SetConnected:
    """Have callee n be sent another identity than the caller's: `"Name" <number>`, presentation, tag; None: unchanged."""

    n: int
    party: str
    presentation: str | None
    tag: str | None


@dataclass(frozen=True, slots=True)
class SetCallerId:
    """Give the channel of callee n a caller id of its own, `"Name" <number>`; empty: the caller's."""

    n: int
    party: str


@dataclass(frozen=True, slots=True)
class StartTone:
    """Play a tone of Asterisk's to the caller, as early media before the answer, or ringing if there is none of that name."""

    tone: str


@dataclass(frozen=True, slots=True)
class StartMusic:
    """Play music on hold of a class to the caller, as early media before the answer; empty: the channel's own class."""

    music: str


@dataclass(frozen=True, slots=True)
class StopMusic:
    """Stop the music on hold of the caller."""


@dataclass(frozen=True, slots=True)
class SetTimeLimit:
    """Have Asterisk hang up callee n after so many seconds."""

    n: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Unbridge:
    """Take callee n, who has answered, out of the bridge in which Asterisk dialled it."""

    n: int


@dataclass(frozen=True, slots=True)
class Play:
    """Play media to leg n, one after the other, as ARI names them (`sound:FILE`, `number:N`); answered by Played."""

    n: int
    media: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopPlaying:
    """Stop what Play began."""

    n: int


@dataclass(frozen=True, slots=True)
class RunAnswerSub:
    """Run a subroutine on callee n, who has answered and is in no bridge; answered by SubReturned."""

    n: int
    sub: str


@dataclass(frozen=True, slots=True)
class RunHAtEnd:
    """Have the h extension where the caller is run on callee n, too, when that ends."""

    n: int


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Send digits (DTMF) to leg n; ends when all are sent."""

    n: int
    digits: str


@dataclass(frozen=True, slots=True)
class SendCallee:
    """Send callee n to a place in the dialplan; it leaves the application."""

    n: int
    place: tuple[str, str, str]


OptionCommand = (
    ReadLimitSounds
    | FindExit
    | ResetCdr
    | RunSub
    | RunPreDialSub
    | Inherit
    | SetConnected
    | SetCallerId
    | StartTone
    | StartMusic
    | StopMusic
    | SetTimeLimit
    | Unbridge
    | Play
    | StopPlaying
    | RunAnswerSub
    | RunHAtEnd
    | SendDigits
    | SendCallee
)
