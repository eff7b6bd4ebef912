"""Tokens end with the right to make them: who is no admin any more may have kept one that is."""

from __future__ import annotations

from sqlalchemy import Connection

from appliance.events import Actor
from appliance.security.audit import record
from appliance.store import tokens


def as_maker(name: str) -> str:
    """A name as tokens keep it of who made them."""
    return name[:64]


def by_token(name: str) -> str:
    """What a program is called that came with a token."""
    return f"token:{name}"


def revoke_made_by(connection: Connection, maker: str, actor: Actor) -> None:
    """End what somebody made, and what was made with that in turn, inside the caller's transaction.

    `maker`: a person, or ``token:NAME``. Of several tokens of one name each counts as the maker.
    """
    todo, seen = [as_maker(maker)], set()
    while todo:
        seen.add(each := todo.pop())
        for row in tokens.made_by(connection, each):
            if tokens.revoke(connection, row.token_id) is not None:
                token_id, detail = str(row.token_id), {"made_by": each}
                record(connection, "token-revoked", actor, object_kind="token", object_id=token_id, detail=detail)
            if (name := as_maker(by_token(row.name))) not in seen:
                todo.append(name)
