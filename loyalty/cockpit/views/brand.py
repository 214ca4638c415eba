"""The merchant's logo and colours as files. Their addresses name what is in them, so browsers keep them for good."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from loyalty.merchant import branding
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Brand

FOR_GOOD = "public, max-age=31536000, immutable"
NOTHING_MORE = "default-src 'none'; sandbox"  # of a file that somebody uploaded


@require_safe
def sheet(request: HttpRequest, digest: str) -> HttpResponse:
    colours = branding.colours_of(programme=merchant.programme())
    if colours is None or colours.digest != digest:
        raise Http404("There are no such colours.")
    return HttpResponse(branding.stylesheet(colours), content_type="text/css", headers={"Cache-Control": FOR_GOOD})


@require_safe
def logo(request: HttpRequest, digest: str, kind: str) -> HttpResponse:
    """The picture as it was put together when it was uploaded."""
    brand = Brand.objects.filter(logo_digest=digest, logo_kind=kind).exclude(logo_digest="").first()
    if brand is None:
        raise Http404("There is no such logo.")
    headers = {
        "Cache-Control": FOR_GOOD,
        "Content-Security-Policy": NOTHING_MORE,
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f'inline; filename="logo.{kind}"',
    }
    return HttpResponse(bytes(brand.logo), content_type=f"image/{kind}", headers=headers)
