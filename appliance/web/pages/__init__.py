"""The page files. Each has a ``blueprint``; ``PANELS`` and ``advise`` of those that have them stand on the overview."""

from appliance.web.pages import (
    about,
    account,
    audit,
    calibration,
    first_run,
    jobs,
    login,
    overview,
    peers,
    printers,
    profiles,
    settings,
    tokens,
    users,
)

PAGES = (
    overview,
    login,
    first_run,
    account,
    jobs,
    printers,
    calibration,
    profiles,
    peers,
    users,
    tokens,
    settings,
    audit,
    about,
)
