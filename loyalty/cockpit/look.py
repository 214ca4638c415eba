"""Where a page finds the merchant's logo and colours."""

from dataclasses import dataclass

from django.urls import reverse

from loyalty.merchant import branding
from loyalty.merchant.models import Brand, Programme

LOGO_WIDTH, LOGO_HEIGHT = 140, 36  # pixels, at most


@dataclass(frozen=True, slots=True)
class Look:
    """Addresses; empty where the merchant chose nothing."""

    sheet: str = ""
    logo: str = ""
    width: int = 0
    height: int = 0
    home_text: str = ""


def of(programme: Programme) -> Look:
    brand: Brand | None = getattr(programme, "brand", None)
    if brand is None:
        return Look()
    colours = branding.colours_of(programme=programme)
    sheet = reverse("cockpit:brand_sheet", args=[colours.digest]) if colours else ""
    if not brand.logo_digest:
        return Look(sheet=sheet, home_text=brand.home_text)
    logo = reverse("cockpit:brand_logo", args=[brand.logo_digest, brand.logo_kind])
    width, height = branding.fitted(brand, width=LOGO_WIDTH, height=LOGO_HEIGHT)
    return Look(sheet=sheet, logo=logo, width=width, height=height, home_text=brand.home_text)
