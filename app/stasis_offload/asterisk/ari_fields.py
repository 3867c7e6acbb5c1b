"""The fields of ARI's JSON objects."""

from stasis_offload.errors import AriError


class BadEventError(AriError):
    """Asterisk sent an object whose field is missing or malformed; the text names the field."""


class Fields:
    """The fields of one JSON object, each checked when it is read."""

    def __init__(self, kind: str, value: object) -> None:
        self._kind = kind
        self._value = value

    def get(self, *path: str) -> object:
        """Return the value at a path; None if any part of the path is missing."""
        value = self._value
        for key in path:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    def text(self, *path: str, default: str | None = None) -> str:
        """Return the text at a path."""
        value = self.get(*path)
        value = default if value is None else value
        if not isinstance(value, str):
            raise self._bad("text", *path)
        return value

    def number(self, *path: str, default: int | None = None) -> int:
        """Return the whole number at a path."""
        value = self.get(*path)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._bad("a whole number", *path)
        return value

    def texts(self, *path: str) -> tuple[str, ...]:
        """Return the list of texts at a path."""
        value = self.get(*path)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._bad("a list of texts", *path)
        return tuple(value)

    def ids(self, *keys: str) -> tuple[str, ...]:
        """Return the ids of those objects that are present."""
        return tuple(self.text(key, "id") for key in keys if self.get(key) is not None)

    def _bad(self, kind: str, *path: str) -> BadEventError:
        return BadEventError(f"{self._kind} of ARI: {'.'.join(path)} is not {kind}")
