"""Forms: what was typed stays, each error stands at its field, a checkbox unticked says no."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import flash
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import SelectMultipleField, validators, widgets

from appliance.errors import ConflictError, UsageError
from appliance.security.roles import ROLES as PEOPLES_ROLES
from appliance.web.language import translated
from appliance.web.wording import ROLE_MEANS, ROLES


class Form(FlaskForm):
    """The base of our forms."""

    def does(self, verb: Callable[[], Any]) -> bool:
        """Call a verb once the fields are fine; its complaint goes to the field it names, else above the form."""
        if not self.validate_on_submit():
            return False
        try:
            verb()
        except (UsageError, ConflictError) as error:
            self.complain(error)
            return False
        return True

    def complain(self, error: Exception) -> None:
        """Put a verb's complaint at the field it names, else above the form."""
        name = getattr(error, "field", None)
        field = self._fields.get(name) if name else None
        if field is None:
            self.form_errors.append(translated(error))
        else:
            field.errors = [*field.errors, translated(error)]


class TickBoxes(SelectMultipleField):
    """Several of a few choices."""

    widget = widgets.ListWidget(prefix_label=False)
    option_widget = widgets.CheckboxInput()


def required() -> Any:
    return validators.InputRequired(_("Fill this in."))


def at_most(length: int) -> Any:
    return validators.Length(max=length, message=_("At most %(max)d characters."))


def between(least: float, most: float) -> Any:
    return validators.NumberRange(min=least, max=most, message=_("From %(min)s to %(max)s."))


def optional() -> Any:
    return validators.Optional()


def same_password() -> Any:
    return validators.EqualTo("password", _("The two passwords differ."))


def choices(words: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(keyword, words) for a select or tick boxes."""
    return list(words.items())


def role_choices(roles: Sequence[str] = PEOPLES_ROLES) -> list[tuple[str, str]]:
    return [(role, f"{ROLES[role]} – {ROLE_MEANS[role]}") for role in roles]


def strip(text: Any) -> Any:
    """A filter: text without blanks around it."""
    return text.strip() if isinstance(text, str) else text


def say_done(message: Any) -> None:
    """Show a message on the next page. It travels in a cookie: no patient's name goes in."""
    flash(str(message), "done")
