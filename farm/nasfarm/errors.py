"""What can go wrong, sorted by what the caller must do.

FarmError                 has `code` and a message that names place, got, wanted, next step
├── RejectError           asking again will not help      (command line: exit 2)
│   ├── UnknownNameError  a name that does not exist, with the nearest one that does
│   ├── MissingExtraError a command of a part that is not installed
│   └── NewerFormatError  a file of a newer release: this machine's nasfarm must be updated
├── RetryError            the farm cannot do it now       (command line: exit 75)
│   ├── BrokerError       the broker does not answer or refuses
│   ├── StorageError      a disk or share does not answer, is full or is away
│   └── StoppingError     this worker has to stop: it hands its chunk back
├── ImageError            one of the images cannot be run; its line names the code
└── LeaseLostError        this worker's right to the chunk has gone: stop, publish nothing
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FarmError(Exception):
    """Base of all errors of ours. `code` is stable and part of the interface."""

    code = "farm"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class RejectError(FarmError):
    """The request can never succeed as it stands."""

    code = "rejected"


class UnknownNameError(RejectError):
    """A name that does not exist."""

    code = "unknown_name"

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownNameError:
        """Build the message `no <kind> is called '<name>'`, with the nearest of `known`."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1)
        if near:
            found = f"did you mean '{near[0]}'?"
        elif names:
            found = f"there are: {', '.join(names[:12])}."
        else:
            found = "there are none yet."
        return cls(f"no {kind} is called '{name}': {found}{' ' + hint if hint else ''}")


class MissingExtraError(RejectError):
    """A command of a part of nasfarm that is not installed here."""

    code = "missing_extra"


class NewerFormatError(RejectError):
    """A file that a newer release has written. Another node may well understand it."""

    code = "newer_format"


class RetryError(FarmError):
    """The request is fine; the farm cannot do it now."""

    code = "retry"


class BrokerError(RetryError):
    """Redis or Valkey does not answer, or refuses."""

    code = "broker"


class StorageError(RetryError):
    """A disk or share does not answer, is full, or is away."""

    code = "storage"


class StoppingError(RetryError):
    """This worker was asked to stop and cannot finish its chunk in time."""

    code = "stopping"


class ImageError(FarmError):
    """One of these images cannot be run; alone, it gets an error line of this code."""

    code = "model"


class LeaseLostError(FarmError):
    """The lease was refused on renewal: somebody else may run the chunk now."""

    code = "lease_lost"
