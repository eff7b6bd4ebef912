"""What verbs say, and what was kept in English, in a reader's language."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

from appliance import errors
from appliance.errors import DeviceError, NotFoundError
from appliance.language import in_language
from appliance.words import row, say, say_many

ROOT = Path(__file__).parents[1] / "appliance"
SAYING = ("film", "media", "network", "pixels", "printing", "security", "store", "studies", "upkeep")
"""Rooms whose errors people read on the page."""

GONE = "Printer room1 is gone: move the job to another one."


def test_a_message_is_translated_with_what_stands_in_it() -> None:
    said = say("Printer %(printer)s is gone: move the job to another one.", printer="room1")
    assert said == GONE
    assert in_language(said, "ru") == "Принтера room1 больше нет: переместите задание на другой."
    assert in_language(NotFoundError(said), "zh_Hans") == "打印机 room1 已不存在：请将任务移至另一台。"
    assert in_language(said, "en") == GONE


KEPT = [
    (GONE, "Принтера room1 больше нет: переместите задание на другой."),
    ("It will be tried again.", "Будет новая попытка."),
    (  # several sentences, a message within a message, a word of the operating system
        "Folder /srv/out: No space left on device. It will be tried again.",
        "Папка /srv/out: на накопителе нет места. Будет новая попытка.",
    ),
    ("The film can't be composed: film size '9IN' is not known; known are 8INX10IN", None),
    ("3 print jobs are held for a person.", "3 задания печати задержаны и ждут человека."),
    ("1 print job is held for a person.", "1 задание печати задержано и ждёт человека."),
    ("Nobody foresaw this sentence.", "Nobody foresaw this sentence."),
    ("", ""),
]


@pytest.mark.parametrize(("kept", "wanted"), KEPT)
def test_text_kept_in_english_is_known_again(kept: str, wanted: str | None) -> None:
    told = in_language(kept, "ru")
    assert told == wanted if wanted is not None else "Плёнку нельзя составить: размер плёнки '9IN' неизвестен" in told


def test_days_and_amounts_within_a_message_are_written_in_the_readers_way() -> None:
    said = say("%(free)s of %(total)s are free where %(root)s lies.", free="1.5 GiB", total="1,024.5 GiB", root="/srv")
    assert "1,5\N{NO-BREAK SPACE}ГиБ" in in_language(said, "ru")
    assert "1.024,5\N{NO-BREAK SPACE}GiB" in in_language(said, "pt")
    assert in_language("200,704", "ru") == "200\N{NO-BREAK SPACE}704" and in_language("200,704", "pt") == "200.704"
    ended = say("The DICOM TLS certificate is good until %(not_after)s only.", not_after="2026-12-31")
    assert "31.12.2026" in in_language(ended, "ru") and "2026/12/31" in in_language(ended, "zh_Hans")


def test_a_message_that_counts_takes_the_form_of_its_number() -> None:
    def told(number: int) -> str:
        one, several = "%(number)s film worker at work.", "%(number)s film workers at work."
        return in_language(say_many(one, several, number), "uk")

    assert told(1) == "Працює 1 процес плівок."
    assert told(3) == "Працюють 3 процеси плівок."
    assert told(5) == "Працюють 5 процесів плівок."
    assert str(say_many("%(number)s disc", "%(number)s discs", 1)) == "1 disc"


def test_messages_in_a_row_are_translated_each_and_foreign_text_stays() -> None:
    said = row((say("It will be tried again."), "100 % HP-7 says 42"), " ")
    assert in_language(said, "pt") == "Será tentado de novo. 100 % HP-7 says 42"


def test_a_message_goes_to_another_process_whole() -> None:
    inner = DeviceError(say("The drive is ready."))
    said = pickle.loads(pickle.dumps(say("The copy can't be read: %(why)s.", why=inner)))
    assert said == "The copy can't be read: The drive is ready.."
    assert in_language(said, "ru").startswith("Копия не читается: Привод готов.")


def test_a_longer_text_than_any_message_is_left_alone() -> None:
    text = "It will be tried again. " * 1000
    assert in_language(text, "ru") == text


def test_a_hostile_text_costs_no_more_than_its_length() -> None:
    text = "The compressed frame says " + " x " * 600 + ", its header " + " x " * 600
    assert len(in_language(text, "ru")) > 1000  # with a pattern that tries again it would take years


OURS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
TEXT_IN_ERROR = re.compile(r"""Error\((?:[\w.]+,)?\s*f?["']""")


def bare_messages(path: Path) -> list[str]:
    """Errors of ours raised with a text that nobody could translate."""
    source = path.read_text("utf-8")
    if not TEXT_IN_ERROR.search(source):  # most files: not worth parsing
        return []
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [call for call in calls if getattr(call.func, "id", "") in OURS]
    return [
        f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(argument)}"
        for call in named
        for argument in call.args
        if isinstance(argument, ast.Constant | ast.JoinedStr) and has_words(argument)
    ]


def has_words(text: ast.Constant | ast.JoinedStr) -> bool:
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    said = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
    return " " in said and any(letter.isalpha() for letter in said)


def test_every_error_people_may_read_is_said_so_that_it_can_be_translated() -> None:
    files = [path for room in SAYING for path in (ROOT / room).rglob("*.py")]
    assert len(files) > 200
    assert [bare for path in files for bare in bare_messages(path)] == []
