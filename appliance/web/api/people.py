"""Users and tokens."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from appliance.security import tokens, users
from appliance.security.passwords import check_password
from appliance.web.api import house_models as models
from appliance.web.api.describe import endpoint
from appliance.web.visitor import actor, store


def _user(user: users.User) -> dict[str, Any]:
    return {key: getattr(user, key) for key in models.User.model_fields}


@endpoint("GET", "/users", "Everybody who may log in", permission="people.change", gives=models.Users)
def list_users() -> Any:
    return {"items": [_user(user) for user in users.all_users(store())]}


@endpoint(
    "POST", "/users", "Add a user", permission="people.change", body=models.NewUser, gives=models.User, status=201
)
def add_user(body: models.NewUser) -> Any:
    return _user(users.add_user(store(), body.name, body.role, body.password, actor()))


@endpoint(
    "PATCH",
    "/users/<name>",
    "Change a user's role or password, keep out or let in",
    permission="people.change",
    body=models.UserChange,
    gives=models.User,
)
def change_user(name: str, body: models.UserChange) -> Any:
    if body.password is not None:
        check_password(body.password, name=name)  # before the rest is done: who is refused has changed nothing
    if body.role is not None:
        users.set_role(store(), name, body.role, actor())
    if body.disabled is not None:
        users.set_disabled(store(), name, body.disabled, actor())
    if body.password is not None:
        users.set_password(store(), name, body.password, actor())
    return _user(users.get_user(store(), name))


@endpoint("DELETE", "/users/<name>", "Remove a user", permission="people.change")
def remove_user(name: str) -> Any:
    users.remove_user(store(), name, actor())


@endpoint("GET", "/tokens", "Every token there was, the newest first", permission="people.change", gives=models.Tokens)
def list_tokens() -> Any:
    return {"items": [asdict(token) for token in tokens.all_tokens(store())]}


@endpoint(
    "POST",
    "/tokens",
    "Make a token; its secret is told this once",
    permission="people.change",
    body=models.NewToken,
    gives=models.TokenMade,
    status=201,
)
def create_token(body: models.NewToken) -> Any:
    secret = tokens.create_token(store(), body.name, body.role, actor(), days=body.days)
    newest = tokens.all_tokens(store())[0]
    return {"token": asdict(newest), "secret": secret}


@endpoint("DELETE", "/tokens/<int:token_id>", "Revoke a token", permission="people.change")
def revoke_token(token_id: int) -> Any:
    tokens.revoke_token(store(), token_id, actor())
