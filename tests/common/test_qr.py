"""A QR code drawn as SVG: the very modules of the code, with white around them, and a name for those who listen."""

import re

import qrcode
from qrcode.constants import ERROR_CORRECT_M

from loyalty.common import qr


def test_draws_every_dark_module_and_no_other():
    drawn = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=4)
    drawn.add_data("GARDEN-7KQ2M9XWPB")
    drawn.make(fit=True)
    dark = {(x, y) for y, row in enumerate(drawn.get_matrix()) for x, filled in enumerate(row) if filled}

    picture = qr.svg("GARDEN-7KQ2M9XWPB", label="QR code")

    shown = {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", picture)}
    assert shown == dark
    assert min(x for x, _ in shown) == min(y for _, y in shown) == 4
    assert f'viewBox="0 0 {len(drawn.get_matrix())} {len(drawn.get_matrix())}"' in picture


def test_is_safe_whatever_it_is_called():
    assert 'aria-label="&lt;b&gt; &quot;"' in qr.svg("A", label='<b> "')
