"""Reasons of jobs, printers, discs and burners (IPP keywords) in words a person reads."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.words import Words, row, say

REASONS: dict[str, Words] = {
    # of jobs (RFC 8011 job-state-reasons)
    "job-hold-until-specified": say("held by a person"),
    "job-held-for-review": say("a person must decide"),
    "in-doubt": say("nobody knows whether it came out"),
    "restored": say("restored from a backup"),
    "reprinted-after-doubt": say("printed again after doubt"),
    "job-canceled-by-user": say("cancelled by a person"),
    "processing-to-stop-point": say("being stopped"),
    "job-completed-successfully": say("done"),
    "job-outgoing": say("on its way to the printer"),
    "queued-in-device": say("taken by the printer"),
    "media-needed": say("film or paper is missing"),
    "document-format-error": say("can't be composed"),
    "printer-stopped": say("the printer stands still"),
    "duplicate": say("the same film came before"),
    "duplicate-held": say("the same film came before"),
    # of printers and burners (RFC 8011 printer-state-reasons)
    "paused": say("paused"),
    "media-empty": say("out of film or paper"),
    "media-low": say("film or paper runs low"),
    "media-jam": say("film or paper is jammed"),
    "cover-open": say("cover open"),
    "door-open": say("door open"),
    "offline": say("off, or not reached"),
    "toner-low": say("toner runs low"),
    "toner-empty": say("out of toner"),
    "marker-supply-low": say("ink or toner runs low"),
    "marker-supply-empty": say("out of ink or toner"),
    "output-area-full": say("output tray full"),
    "connecting-to-device": say("calling the device"),
    "shutdown": say("shut down"),
    "timed-out": say("does not answer"),
    "other": say("something else"),
    # of discs
    "decision-needed": say("a person must decide"),
    "study-incomplete": say("the study is not complete"),
    "canceled": say("cancelled"),
    "aborted-by-system": say("given up by the appliance"),
    "submission-interrupted": say("interrupted while it was sent"),
    "burn-failed": say("burning failed"),
    "burn-interrupted": say("burning was interrupted"),
    "builder-died": say("the worker died while it made the disc"),
    "composer-died": say("the worker died while it composed the films"),
    "media-mismatch": say("another kind of disc lies in it"),
    "developer-empty": say("out of developer"),
    "developer-low": say("developer runs low"),
    "input-tray-missing": say("the supply magazine is missing"),
    "output-tray-missing": say("the output tray is missing"),
    "spool-area-full": say("its memory is full"),
    "busy": say("busy"),
}


def in_words(keywords: Iterable[str]) -> Words:
    """Reasons in words; one that has none is shown as it is."""
    bare = (keyword.removesuffix("-error").removesuffix("-warning").removesuffix("-report") for keyword in keywords)
    return row(REASONS.get(keyword, keyword) for keyword in bare if keyword != "none")
