"""A code as a QR code, drawn on the server: one path in an SVG, crisp at any size, with no script and no request."""

import qrcode
from django.utils.html import format_html
from django.utils.safestring import SafeString
from qrcode.constants import ERROR_CORRECT_M

QUIET = 4  # modules of white around it, as the standard asks


def svg(text: str, *, label: str) -> SafeString:
    """The picture, ready to stand in a page; `label` is what those hear who do not see it."""
    drawn = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=QUIET)
    drawn.add_data(text)
    drawn.make(fit=True)
    rows = drawn.get_matrix()
    path = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
    )  # numbers alone
    return format_html(
        '<svg class="qr" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{}" viewBox="0 0 {} {}" '
        'shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{}v{}H0z"/><path fill="#000" d="{}"/></svg>',
        label,
        len(rows),
        len(rows),
        len(rows),
        len(rows),
        path,
    )
