"""Where a page finds the merchant's logo, colours and words."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import get_language

from loyalty.cockpit import speech
from loyalty.merchant import branding, own_words
from loyalty.merchant.models import Brand, Programme
from loyalty.merchant.own_words import Said

NOTHING = Said("", "")
LOGO_WIDTH, LOGO_HEIGHT = 140, 36  # pixels, at most


@dataclass(frozen=True, slots=True)
class Look:
    """Addresses and words; empty where the merchant chose nothing."""

    sheet: str = ""
    logo: str = ""
    width: int = 0
    height: int = 0
    home: Said = NOTHING  # what the merchant says on the first page, in this language


def of(programme: Programme) -> Look:
    brand: Brand | None = getattr(programme, "brand", None)
    if brand is None:
        return Look()
    home = own_words.home_text(programme=programme, language=get_language() or speech.FALLBACK)
    colours = branding.colours_of(programme=programme)
    sheet = reverse("cockpit:brand_sheet", args=[colours.digest]) if colours else ""
    if not brand.logo_digest:
        return Look(sheet=sheet, home=home)
    logo = reverse("cockpit:brand_logo", args=[brand.logo_digest, brand.logo_kind])
    width, height = branding.fitted(brand, width=LOGO_WIDTH, height=LOGO_HEIGHT)
    return Look(sheet=sheet, logo=logo, width=width, height=height, home=home)
