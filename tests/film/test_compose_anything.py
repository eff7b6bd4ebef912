"""Whatever a modality asks of a film, it is composed or refused in words: never a crash, never a blank."""

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import RefusedError
from appliance.film.boxes import AnnotationBox, FilmBox, FilmSession, Image, ImageBox, PixelReference, PresentationLUT
from appliance.film.compose import compose
from appliance.film.sheet import Characteristic, GreyPolicy, Margins, Sheet

WORDS = st.sampled_from([None, "", "YES", "NO", "BLACK", "WHITE", "150", "9999", "-1", "nonsense", "15"])
HUNDREDTHS = st.none() | st.integers(0, 65535)
LUTS = st.none() | st.builds(
    PresentationLUT,
    PresentationLUTShape=st.sampled_from([None, "IDENTITY", "LIN OD", "INVERSE"]),
    first_value=st.integers(-10, 5000),
    bits=st.integers(8, 16),
    data=st.lists(st.integers(0, 65535), max_size=5).map(tuple),
)
IMAGES = st.builds(
    lambda photometric, rows, columns, bits, shift, signed, big, aspect: Image(
        SamplesPerPixel=3 if photometric == "RGB" else 1,
        PhotometricInterpretation=photometric,
        Rows=rows,
        Columns=columns,
        BitsAllocated=8 if bits == 8 and not shift else 16,
        BitsStored=bits,
        HighBit=min(15, bits - 1 + shift),
        PixelRepresentation=int(signed),
        PlanarConfiguration=int(signed),
        PixelAspectRatio=aspect,
        pixels=PixelReference(file="noise", offset=0, length=0, big_endian=big),
    ),
    st.sampled_from(["MONOCHROME1", "MONOCHROME2", "RGB"]),
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(8, 16),
    st.integers(0, 8),
    st.booleans(),
    st.booleans(),
    st.tuples(st.integers(0, 1000), st.integers(0, 1000)),
)
BOXES = st.builds(
    ImageBox,
    ImageBoxPosition=st.integers(1, 7),
    image=st.none() | IMAGES,
    Polarity=st.sampled_from(["NORMAL", "REVERSE"]),
    MagnificationType=st.sampled_from([None, "CUBIC", "NONE", "REPLICATE", "BILINEAR", "odd"]),
    SmoothingType=WORDS,
    MinDensity=HUNDREDTHS,
    MaxDensity=HUNDREDTHS,
    ConfigurationInformation=WORDS,
    RequestedImageSize=st.none() | st.floats(-1, 1e6),
    RequestedDecimateCropBehavior=st.sampled_from([None, "DECIMATE", "CROP", "FAIL", "odd"]),
    presentation_lut=LUTS,
)
FILMS = st.builds(
    FilmBox,
    ImageDisplayFormat=st.sampled_from(
        ["STANDARD\\2,3", "ROW\\1,2", "COL\\3,1", "SLIDE", "SUPERSLIDE", "CUSTOM\\1", "CUSTOM\\4"]
    ),
    image_boxes=st.lists(BOXES, max_size=3).map(tuple),
    FilmOrientation=st.sampled_from([None, "PORTRAIT", "LANDSCAPE"]),
    BorderDensity=WORDS,
    EmptyImageDensity=WORDS,
    MinDensity=HUNDREDTHS,
    MaxDensity=HUNDREDTHS,
    Trim=WORDS,
    Illumination=HUNDREDTHS,
    ReflectedAmbientLight=HUNDREDTHS,
    presentation_lut=LUTS,
    annotation_boxes=st.lists(
        st.builds(AnnotationBox, AnnotationPosition=st.integers(0, 5), TextString=st.text(max_size=9))
    ).map(tuple),
)
SHEETS = st.builds(
    Sheet,
    width_mm=st.just(203.2),
    height_mm=st.just(254.0),
    resolution=st.sampled_from([20, 50]),
    bits=st.sampled_from([8, 12, 16]),
    color=st.booleans(),
    reflective=st.booleans(),
    margins=st.sampled_from([Margins(), Margins(top=10, left=3)]),
    gap_mm=st.sampled_from([0.0, 1.0, 40.0]),
    characteristic=st.sampled_from(["p-values", "assumed-film", "assumed-paper"]).map(
        lambda kind: Characteristic(kind=kind)
    ),
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=150
)
@given(film=FILMS, sheet=SHEETS, without=st.sampled_from(["p-values", "lin-od", "gone"]))
def test_any_film_is_composed_or_refused_in_words(tmp_path: Path, film: FilmBox, sheet: Sheet, without: str) -> None:
    noise = tmp_path / "noise"
    if not noise.exists():
        noise.write_bytes(np.random.default_rng(0).bytes(90 * 90 * 6 + 1))
    try:
        raster = compose(FilmSession(film_boxes=(film,)), 1, sheet, tmp_path, policy=GreyPolicy(without_lut=without))
    except RefusedError as refusal:
        assert refusal.dimse_status in (0x0106, 0xC603) and len(str(refusal)) > 20
        return
    assert raster.bits == (8 if raster.color else sheet.bits)
    assert int(raster.pixels.max()) < 1 << raster.bits
    assert all(len(warning) > 15 for warning in raster.warnings)
