"""Options and settings from plain values, as JSON and TOML have them; what is wrong with them, in words."""

from __future__ import annotations

import codecs
import difflib
import functools
import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from appliance.errors import SettingError
from appliance.words import say

Options = TypeVar("Options")

Seconds = Annotated[float, Field(ge=0, le=1_000_000)]
"""The system waits no longer than 24 days at once."""


def _network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)
    return text


Network = Annotated[str, AfterValidator(_network)]
"""An IP address or a network."""


def _code_page(name: str) -> str:
    try:
        "".encode(codecs.lookup(name).name)
    except (LookupError, ValueError):
        raise ValueError(f"there is no code page {name}") from None
    return name


CodePage = Annotated[str, AfterValidator(_code_page)]
"""A character set Python knows."""


def options_of(kind: type[Options], values: Mapping[str, Any]) -> Options:
    """An options dataclass from plain values. Raises SettingError naming the one that is unknown or can't be.

    A mistyped one would else break the device in the middle of a job.
    """
    names = [option.name for option in fields(kind)]  # type: ignore[arg-type]
    refuse_unknown(values, names)
    return kind(**{name: _fitting(kind, name, value) for name, value in values.items()})


def _fitting(kind: type, name: str, value: Any) -> Any:
    try:
        return _adapter(kind, name).validate_python(value)
    except ValidationError as error:
        words = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise SettingError(f"{name}: {words}", field=name) from None  # not the value: it may be a password


@functools.cache
def _adapter(kind: type, name: str) -> TypeAdapter[Any]:
    lax = ConfigDict(coerce_numbers_to_str=True, allow_inf_nan=False)  # a speed or a bin is typed as a number
    return TypeAdapter(get_type_hints(kind, include_extras=True)[name], config=lax)


def refuse_unknown(values: Mapping[str, Any], names: Collection[str]) -> None:
    """Raises SettingError where a value is of no option of `names`, with the nearest one."""
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = (
                say("; did you mean %(near)s?", near=near[0])
                if near
                else say("; there are %(names)s", names=", ".join(names))
            )
            raise SettingError(say("No option %(name)s%(hint)s", name=name, hint=hint), field=name)


def problem_of(error: ValidationError, model: type[BaseModel]) -> tuple[str, str]:
    """Where the first of plain values is wrong ("" for the whole of them), and how.

    A mistyped name comes before all else, with the nearest that is known where it stands.
    """
    problems = error.errors()
    problem = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])  # else "required"
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return where, say("there is no such setting") + _nearest(problem["loc"], model)
    return where, problem["msg"].removeprefix("Value error, ")


def _nearest(where: Sequence[int | str], model: type[BaseModel]) -> str:
    for part in where[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models_in(model.model_fields[part].annotation), model)
    near = difflib.get_close_matches(str(where[-1]), model.model_fields, 1, cutoff=0.5)
    if near:
        return say("; did you mean %(near)s?", near=near[0])
    return say("; there are %(model_fields)s", model_fields=", ".join(model.model_fields))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models a field is made of: ``tuple[Medium, ...]``, ``Medium | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
