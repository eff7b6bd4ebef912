"""/openapi.json (OpenAPI 3.1), made from the endpoints and their models."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import metadata
from typing import Any

from pydantic.json_schema import models_json_schema

from appliance.security.roles import PERMISSIONS
from appliance.web.api.describe import ENDPOINTS, Endpoint
from appliance.web.api.models import Problem

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_PLACE = re.compile(r"<(?:(\w+)(?:\(([^)]*)\))?:)?(\w+)>")


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for each in ENDPOINTS:
        paths.setdefault("/api/v1" + _PLACE.sub(r"{\3}", each.rule), {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Appliance", "version": metadata.version("appliance")},
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _schemas() -> dict[str, Any]:
    """Each model as it is read, or as it is written: none is both."""
    read = {model for each in ENDPOINTS for model in (each.body, each.query) if model}
    written = {each.gives for each in ENDPOINTS if each.gives} | {Problem}
    wanted: Any = [(model, "validation") for model in read | written]
    _, definitions = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def _operation(each: Endpoint) -> dict[str, Any]:
    parameters = [_placed(*match) for match in _PLACE.findall(each.rule)] + _queried(each)
    if each.versioned and each.method == "PUT":
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": True,
                "description": "The ETag of the version that was read",
                "schema": {"type": "string"},
            }
        )
    operation: dict[str, Any] = {
        "operationId": each.name,
        "summary": each.summary,
        "description": f"Roles: {', '.join(sorted(PERMISSIONS[each.permission]))}.",
        "parameters": parameters,
        "responses": _responses(each),
    }
    if each.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(each.body)}}}
    if each.upload:
        files = {"type": "array", "items": {"type": "string", "format": "binary"}}
        texts = {name: {"type": "string"} for name in each.fields}
        schema = {"type": "object", "properties": {"files": files, **texts}, "required": ["files"]}
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    return operation


def _responses(each: Endpoint) -> dict[str, Any]:
    if each.gives is not None:
        done = {
            str(each.status): {"description": "Done", "content": {"application/json": {"schema": _ref(each.gives)}}}
        }
    elif each.media_type != "application/json":
        done = {"200": {"description": "Done", "content": {each.media_type: {}}}}
    else:
        done = {"204": {"description": "Done"}}
    return {**done, "default": {"description": "Refused: see field and detail", "content": PROBLEM}}


def _ref(model: Any) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _placed(kind: str, choices: str, name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer", "minimum": 0} if kind == "int" else {"type": "string"}
    if kind == "any":
        schema["enum"] = [choice.strip() for choice in choices.split(",")]
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _queried(each: Endpoint) -> list[dict[str, Any]]:
    if each.query is None:
        return []
    properties = each.query.model_json_schema().get("properties", {})
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in properties.items()]
