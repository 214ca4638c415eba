"""Pictures that people upload: known by their bytes, kept without what does not belong to them, refused when odd."""

import pytest

from loyalty.merchant import pictures
from tests.fakes.pictures import jpeg, png, png_chunk, webp

SECRET = b"52.2297N 21.0122E"


@pytest.mark.parametrize(("kind", "make"), [("png", png), ("jpeg", jpeg), ("webp", webp)])
def test_are_known_by_their_bytes_and_lose_what_cameras_write(kind, make):
    picture = pictures.read(make(notes=SECRET))

    assert (picture.kind, picture.width, picture.height) == (kind, 40, 20)
    assert SECRET not in picture.data
    assert pictures.read(picture.data) == picture


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no PNG, JPEG or WebP"),
        (b"GIF89a" + b"\0" * 40, "no PNG, JPEG or WebP"),
        (b"", "no PNG, JPEG or WebP"),
        (png() + b"<script>alert(1)</script>", "behind the end"),
        (jpeg() + b"PK\x03\x04", "behind the end"),
        (webp() + b"<html>", "longer or shorter than it says"),
        (png()[:-20], "damaged"),
        (jpeg()[:60], "damaged"),
        (png()[:45] + b"\0" + png()[46:], "damaged"),
        (png(rows=19), "damaged"),
        (png(rows=4_000), "damaged"),
        (png(width=5_000, height=20), "5000 by 20 pixels"),
        (webp(width=8), "8 by 20 pixels"),
        (png(notes=b"x" * 61 * 1024), "larger than 60 kB"),
        (png()[:33] + png_chunk(b"acTL", b"\0" * 8) + png()[33:], "moves"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_odd_ones_are_refused_with_a_sentence(data, sentence):
    with pytest.raises(pictures.PictureRefused, match=sentence):
        pictures.read(data)
