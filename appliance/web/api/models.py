"""What all of the API takes and gives. Keys are those of the verbs' views, which command line and page show, too."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator, Field

from appliance.web.api.describe import Open, Strict

Number = Annotated[int, Field(ge=1, le=2**53)]
Text = Annotated[str, Field(max_length=200)]
Uid = Annotated[str, Field(max_length=64, pattern=r"^[0-9.]+$")]
Limit = Annotated[int, Field(ge=1, le=500)]


def _in_utc(moment: dt.datetime) -> dt.datetime:
    try:
        return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    except OverflowError:
        raise ValueError("there is no such moment in UTC") from None


Moment = Annotated[dt.datetime, AfterValidator(_in_utc)]
"""One without a zone, or a day alone, is in UTC, as every moment the API gives."""


class Problem(Open):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None


class Page(Strict):
    """Keyset paging: `before` is the `next` of the answer before."""

    before: Number | None = None
    limit: Limit = 50
