"""Options of devices and burners from plain values, as JSON and TOML have them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from appliance.errors import SettingError
from appliance.words import say


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
