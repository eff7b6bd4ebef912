"""What a person, or a program, is told when something can't be done."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from flask import Flask, jsonify, render_template, request
from flask_babel import gettext
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from appliance.errors import ApplianceError, UsageError
from appliance.web.language import translated

logger = logging.getLogger(__name__)


def install(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(ApplianceError, _ours)
    app.register_error_handler(Exception, _broken)


def _titles() -> dict[int, tuple[str, str]]:
    return {
        400: (gettext("That was not understood"), gettext("Go back and try again.")),
        401: (gettext("Not logged in"), gettext("Log in first.")),
        403: (
            gettext("Not allowed"),
            gettext("Your role does not allow this, or the form was too old. Ask an administrator, or try again."),
        ),
        404: (gettext("Not here"), gettext("There is no such page, or what it showed is gone.")),
        405: (gettext("Not this way"), gettext("This address can't be used like that.")),
        409: (gettext("That does not fit"), gettext("It was changed meanwhile, or is not in a state for that.")),
        412: (gettext("Changed meanwhile"), gettext("Someone else changed it since you read it: read it again.")),
        413: (gettext("Too large"), gettext("What was sent is larger than the appliance takes here.")),
        415: (gettext("Not that kind of content"), gettext("Send JSON, or files as multipart/form-data.")),
        428: (gettext("Which version?"), gettext("Send the ETag you read as If-Match.")),
        429: (gettext("Too often"), gettext("Wait a little and try again.")),
        502: (gettext("A device did not answer"), gettext("Look at the printer or burner, then try again.")),
        503: (gettext("No room at the moment"), gettext("The disk, the memory or a queue is full. Try again later.")),
    }


def _http(error: HTTPException) -> Any:
    if error.response is not None:
        return error.response
    status = error.code or 500
    answer = _answer(status, "")
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            answer.headers[name] = value
    return answer


def _ours(error: ApplianceError) -> Response:
    if error.http_status >= 500:
        logger.error("A request could not be done: %s", error)
    return _answer(error.http_status, translated(error), field=error.field if isinstance(error, UsageError) else None)


def _broken(error: Exception) -> Response:
    """Something of ours is broken: say a number that stands in the log, and nothing else."""
    number = secrets.token_hex(4)
    logger.error("A page broke: %s %s", request.method, request.path, exc_info=error, extra={"number": number})
    return _answer(500, "", number=number)


def _answer(status: int, message: str, *, number: str = "", field: str | None = None) -> Response:
    broken = (gettext("Something is broken here"), gettext("It is noted in the log under this number."))
    title, advice = _titles().get(status, broken)
    if request.path.startswith("/api/"):
        return _problem(status, title, message or advice, number=number, field=field)
    page = render_template("error.html", title=title, message=message, advice=advice, status=status, number=number)
    return Response(page, status=status, mimetype="text/html")


def _problem(status: int, title: str, detail: str, *, number: str, field: str | None) -> Response:
    """RFC 9457."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    answer = jsonify(body | ({"number": number} if number else {}) | ({"field": field} if field else {}))
    answer.status_code = status
    answer.mimetype = "application/problem+json"
    return answer
