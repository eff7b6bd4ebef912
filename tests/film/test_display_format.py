import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import RefusedError
from appliance.film.display_format import HOW_MANY_NUMBERS, DisplayFormat, parse

READ = {
    r"STANDARD\2,3": ("STANDARD", (2, 3)),
    r" standard\ 2 , 3 ": ("STANDARD", (2, 3)),
    "STANDARD\\1,1\0": ("STANDARD", (1, 1)),
    r"STANDARD\20,20": ("STANDARD", (20, 20)),
    r"ROW\2,3,1": ("ROW", (2, 3, 1)),
    r"COL\1,2": ("COL", (1, 2)),
    "SLIDE": ("SLIDE", ()),
    "SUPERSLIDE ": ("SUPERSLIDE", ()),
    "SLIDE\\": ("SLIDE", ()),
    r"CUSTOM\1": ("CUSTOM", (1,)),
}
REFUSED = [
    "",
    "STANDARD",
    r"STANDARD\2.3",
    "STANDARD\x01,1",
    "STANDARD\\\x01,1",
    r"STANDARD\2",
    r"STANDARD\2,3,4",
    r"STANDARD\0,3",
    r"STANDARD\-1,3",
    r"STANDARD\2,",
    r"STANDARD\2\3",
    r"STANDARD\51,1",
    r"STANDARD\50,50",
    r"STANDARD\9999999,1",
    r"STANDARD\²,1",
    r"ROW\ ",
    r"SLIDE\2",
    r"CUSTOM\1,2",
    r"GRID\2,3",
]


@pytest.mark.parametrize("text", READ)
def test_a_format_is_read(text: str) -> None:
    kind, numbers = READ[text]
    assert parse(text) == DisplayFormat(kind=kind, numbers=numbers)


@pytest.mark.parametrize("text", REFUSED)
def test_what_can_not_be_read_is_refused_and_shown(text: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        parse(text)
    assert refusal.value.dimse_status == 0x0106
    assert repr(text) in str(refusal.value)


@given(st.sampled_from(["STANDARD", "ROW", "COL"]), st.lists(st.integers(1, 30), min_size=2, max_size=2))
def test_a_format_written_out_is_read_again(kind: str, numbers: list[int]) -> None:
    display_format = DisplayFormat(kind=kind, numbers=tuple(numbers))
    assert parse(str(display_format)) == display_format


@given(
    st.text(max_size=20)
    | st.sampled_from(sorted(HOW_MANY_NUMBERS)).flatmap(lambda k: st.text().map(lambda t: f"{k}\\{t}"))
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except RefusedError as refusal:
        assert refusal.dimse_status == 0x0106
