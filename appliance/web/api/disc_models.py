"""What the API takes and gives of discs, burners and disc profiles."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from appliance.media.burners import BurnerSettings
from appliance.media.copy_types import CopyType
from appliance.web.api.describe import Open, Strict
from appliance.web.api.models import Page, Text, Uid


class DiscQuery(Page):
    execution_status: Literal["IDLE", "PENDING", "CREATING", "DONE", "FAILURE", ""] = ""
    burner: Text | None = None
    study: Text | None = None
    text: Text = ""


class NewDisc(Strict):
    studies: tuple[Uid, ...] = ()
    series: tuple[Uid, ...] = ()
    instances: tuple[Uid, ...] = ()
    copy_type: Text = "patient"
    medium: Text = ""
    profile: Text = ""
    burner: Text = "folder"
    copies: Annotated[int, Field(ge=1, le=99)] = 1
    priority: Literal["HIGH", "MED", "LOW"] = "MED"
    label_text: Text = ""
    incomplete_reason: Text = ""
    decisions: tuple[Text, ...] = ()
    choices: dict[str, Any] = {}


class Volume(Open):
    volume: int
    image: str | None
    file_set_id: str
    file_set_uid: str
    sha256: str
    bytes: int
    verified: bool
    findings: list[Any]


class Disc(Open):
    disc_id: int
    execution_status: str
    execution_status_info: str
    profile: str
    burner: str
    phase: str
    done: int
    total: int
    volumes: list[Volume]


class Discs(Strict):
    items: list[Disc]
    next: int | None


class DiscNumber(Strict):
    disc_id: int


class Plan(Open):
    profile: str
    medium: str
    capacity: int | None
    ready: bool
    instances: int
    volumes: list[Any]
    conflicts: list[Any]
    incomplete: list[str]
    news: list[str]
    held: list[str]


class Decide(Strict):
    leave_out_refused: bool = False
    video: Literal["", "refuse", "mp4"] = ""
    decisions: tuple[Text, ...] = ()
    leave_out: tuple[Uid, ...] = ()
    incomplete_reason: Text = ""


class MoveDisc(Strict):
    burner: Text


class Remake(Strict):
    burner: Text | None = None
    copies: Annotated[int, Field(ge=1, le=99)] | None = None


class Burner(Open):
    name: str
    burner_uri: str
    burner_state: str
    burner_state_reasons: list[str]
    settings: BurnerSettings
    version: int


class Burners(Strict):
    items: list[Burner]


class BurnerChange(Strict):
    burner_uri: Annotated[str, Field(max_length=500)]
    settings: BurnerSettings = BurnerSettings()


class NewBurner(BurnerChange):
    name: Text


class DiscProfiles(Strict):
    items: dict[str, CopyType]


class NewDiscProfile(CopyType):
    name: Annotated[str, Field(max_length=32)]
