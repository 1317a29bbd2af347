"""The one error every layer may raise and every door turns into an answer."""

from collections.abc import Sequence
from typing import Any


class DomainError(Exception):
    """Something the caller asked for cannot be done; `message` says what, which, limit and found.

    Subclasses live beside the function that raises them and set `status` when 422 is not meant.
    """

    status = 422
    title = "The request cannot be carried out"
    # Words and addresses a page leads to, where it can say more than “the dashboard”.
    exits: Sequence[tuple[str, str]] = ()

    def __init__(self, code: str, message: str, *, field: str | None = None, **data: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.data = data


class NotFound(DomainError):
    """Nothing of that kind belongs to the caller; the same answer for foreign and unknown."""

    status = 404
    title = "Not found"

    def __init__(self, what: str, value: object) -> None:
        super().__init__("NOT_FOUND", f"There is no {what} {value!s:.80}.", value=str(value)[:80])


class Conflict(DomainError):
    """The state changed or does not allow it."""

    status = 409
    title = "Conflict"


class Forbidden(DomainError):
    """The caller's plan or role does not include it."""

    status = 403
    title = "Not allowed"


class TooMany(DomainError):
    """A quota or rate is used up."""

    status = 429
    title = "Limit reached"


class Unavailable(DomainError):
    """A part this needs does not answer; trying again later may work."""

    status = 503
    title = "Temporarily unavailable"
