"""The page as one WSGI application over a store."""

from __future__ import annotations

from flask import Flask

from appliance.resources import shipped
from appliance.store.store import Store
from appliance.web import assets, calls, cookies, errors, fragments, headers, language, templating, visitor
from appliance.web.api import agent, calibration, describe, discs, films, house, metrics, people, studies
from appliance.web.hosts import OnlyOurHosts
from appliance.web.pages import PAGES

OPERATIONS = (films, calibration, studies, discs, house, people, agent)
"""Modules whose import makes the operations of the API."""


def create_app(store: Store) -> Flask:
    """An application serving `store`. Its extensions hold the store and the page files."""
    app = Flask("appliance.web", template_folder=str(shipped("templates") / "pages"))
    app.extensions["store"] = store
    app.extensions["pages"] = PAGES
    app.secret_key = cookies.signing_key(store)
    app.session_interface = cookies.PageCookies()
    app.config.update(
        MAX_CONTENT_LENGTH=store.settings.web.upload_mib << 20,
        MAX_FORM_MEMORY_SIZE=500_000,
        MAX_FORM_PARTS=1000,
    )
    for part in (headers, visitor, language, errors, assets, templating, fragments, calls):
        part.install(app)
    for page in PAGES:
        app.register_blueprint(page.blueprint)
    for blueprint in (describe.blueprint, house.blueprint, metrics.blueprint):
        app.register_blueprint(blueprint)
    visitor.check_views(app)
    app.wsgi_app = OnlyOurHosts(app.wsgi_app, store.settings.web.hosts)  # type: ignore[method-assign]
    return app
