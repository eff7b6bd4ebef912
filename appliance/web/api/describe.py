"""Endpoints that describe themselves: what is checked on the way in and out is what /openapi.json says."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, jsonify, request
from pydantic import BaseModel, ConfigDict, ValidationError
from werkzeug.exceptions import PreconditionFailed, PreconditionRequired, UnsupportedMediaType
from werkzeug.wrappers import Response

from appliance.errors import UsageError
from appliance.jobs.options import problem_of
from appliance.web.visitor import needs
from appliance.words import say

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

Model = type[BaseModel]


class Strict(BaseModel):
    """What programs send: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class Open(BaseModel):
    """What programs get: more keys may come."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One operation."""

    method: str
    rule: str  # as Flask writes it, below /api/v1
    name: str  # operationId
    summary: str
    permission: str
    query: Model | None = None
    body: Model | None = None
    gives: Model | None = None
    status: int = 200
    media_type: str = "application/json"  # of the answer
    upload: bool = False  # takes files, as multipart/form-data
    fields: tuple[str, ...] = ()  # text fields beside the files
    versioned: bool = False  # ETag on the answer; a change wants If-Match


ENDPOINTS: list[Endpoint] = []


def endpoint(method: str, rule: str, summary: str, *, permission: str, **values: Any) -> Callable[[Any], Any]:
    """Make a function an operation of the API.

    It gets the address's values by name, ``query`` and ``body`` as models where declared, and gives JSON-ready values
    of the model ``gives``, an (answer, headers) pair, or a whole Response.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        made = Endpoint(
            method=method, rule=rule, name=function.__name__, summary=summary, permission=permission, **values
        )
        ENDPOINTS.append(made)

        @functools.wraps(function)
        def view(**given: Any) -> Response:
            if made.query is not None:
                given["query"] = _read(made.query, _arguments())
            if made.body is not None:
                given["body"] = _read(made.body, _json())
            return _answer(made, function(**given))

        marked = needs(permission, upload=made.upload)(view)
        blueprint.add_url_rule(rule, function.__name__, marked, methods=[method])
        return function

    return decorate


def _arguments() -> dict[str, Any]:
    """The query's arguments; one given several times is a list."""
    lists = request.args.to_dict(flat=False)
    return {key: values if len(values) > 1 else values[0] for key, values in lists.items()}


def _json() -> Any:
    if request.mimetype != "application/json" and request.content_length:
        raise UnsupportedMediaType
    try:
        body = request.get_json(silent=True, force=True) if request.content_length else {}
    except RecursionError:  # thousands of brackets
        body = None
    if not isinstance(body, dict):
        raise UsageError(say("The body is a JSON object."), field="body")
    return body


def _read(model: Model, values: Any) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        where, words = problem_of(error, model)
        mark = "" if words.endswith("?") else "."
        raise UsageError(f"{where + ': ' if where else ''}{words}{mark}", field=where or None) from None


def _answer(made: Endpoint, given: Any) -> Response:
    if isinstance(given, Response):
        return given
    value, headers = given if isinstance(given, tuple) else (given, {})
    if made.gives is None:
        return Response(status=204, headers=headers)
    answer: Response = jsonify(made.gives.model_validate(value).model_dump(mode="json"))
    answer.status_code = made.status
    answer.headers.update(headers)
    return answer


# two people at once -------------------------------------------------------------------------------------------------


def etag(version: int) -> dict[str, str]:
    """The header that names a version."""
    return {"ETag": f'"{version}"'}


def check_version(version: int) -> None:
    """Raise unless If-Match names the version there is: 428 when it is missing, 412 when it is another."""
    if not request.headers.get("If-Match"):
        raise PreconditionRequired
    if str(version) not in request.if_match and not request.if_match.star_tag:
        raise PreconditionFailed
