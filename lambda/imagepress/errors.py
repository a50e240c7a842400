"""Every error of the domain, in one tree.

Permanent errors end a run or a row with an outcome; passing ones make the work come back later.
Each message says what happened, to what, and what to do.
"""

from imagepress.outcome import FailureCode, SkipReason


class ImagepressError(Exception):
    """Root of all errors that this package raises on purpose."""


class Refused(ImagepressError):  # noqa: N818 - the run is refused; it is an answer, not a fault
    """A run that cannot start: a wrong parameter, an unreadable manifest. Permanent."""


class TokenReused(Refused):
    """A `client_token` that came back with other parameters."""


class RowSkipped(ImagepressError):  # noqa: N818 - an outcome, not a fault
    """The object stays as it is, on purpose."""

    def __init__(self, reason: SkipReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RowFailed(ImagepressError):  # noqa: N818 - an outcome, not a fault
    """The row cannot be done, now or later; the object stays as it is."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class PassingError(ImagepressError):
    """Throttling, a broken connection, a service that refuses for a while: try again later."""


class Throttled(PassingError):  # noqa: N818 - a pace to keep, not a fault
    """A service is asked too much of: nothing is wrong with the work, it only has to wait."""


class UploadLost(ImagepressError):  # noqa: N818 - somebody else has ended it
    """A multipart upload, or a part of it, is not there any more."""


class AttemptSuperseded(ImagepressError):  # noqa: N818 - the work is in other hands
    """Another invocation holds this chunk or this cursor."""
