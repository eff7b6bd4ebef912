"""The page files. Each has a ``blueprint``; ``PANELS`` and ``advise`` of those that have them stand on the overview."""

from appliance.web.pages import about, account, audit, first_run, login, overview, peers, settings, tokens, users

PAGES = (overview, login, first_run, account, peers, users, tokens, settings, audit, about)
