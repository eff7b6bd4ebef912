"""Every error the appliance raises on purpose.

ApplianceError
├── UsageError              what was asked for makes no sense (exit 2, HTTP 400)
│   └── SettingError        a setting or environment name is unknown or wrong
├── NotFoundError           no such printer, job, study, disc, user (HTTP 404)
├── ConflictError           it is not in a state for that, or exists already (HTTP 409)
├── NotAllowedError         the actor may not do that (HTTP 403)
├── RefusedError            bad input from a peer; carries the DIMSE status
├── ResourceError           disk, memory or queue is full (HTTP 503)
│   └── UncertainError      the database was lost while it was committing: it may have been done
├── DeviceError             a printer or burner did not do what it was asked
└── DamagedError            kept data is not as it was written

Messages say what happened, to which film, printer, study or disc, and what to do next.
``permanent`` tells a queue whether trying again could help.
"""

from __future__ import annotations

import errno

PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""What an OSError says that is no fault of the file: descriptors or memory ran out, and will be there again."""


class ApplianceError(Exception):
    """Something went wrong inside the appliance."""

    permanent = True
    exit_code = 1
    http_status = 500
    dimse_status = 0x0110


class UsageError(ApplianceError):
    """What was asked for makes no sense."""

    exit_code = 2
    http_status = 400

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class SettingError(UsageError):
    """A setting is unknown or wrong."""


class NotFoundError(ApplianceError):
    """There is nothing of that name."""

    http_status = 404
    dimse_status = 0x0112


class ConflictError(ApplianceError):
    """It is not in a state for that."""

    http_status = 409


class NotAllowedError(ApplianceError):
    """The actor may not do that."""

    http_status = 403
    dimse_status = 0x0124


class RefusedError(ApplianceError):
    """Bad input from a peer, answered with a DIMSE status (PS3.7 Annex C, PS3.4 Annex H)."""

    http_status = 422

    def __init__(self, dimse_status: int, message: str) -> None:
        super().__init__(message)
        self.dimse_status = dimse_status


class ResourceError(ApplianceError):
    """Disk, memory or a queue is full."""

    permanent = False
    http_status = 503
    dimse_status = 0x0213


class UncertainError(ResourceError):
    """The database was lost in the moment of a commit: nobody knows whether it was done. What it names must stay."""


class DeviceError(ApplianceError):
    """A printer or burner did not do what it was asked."""

    permanent = False
    http_status = 502


class DamagedError(ApplianceError):
    """Kept data is not as it was written."""

    exit_code = 3
