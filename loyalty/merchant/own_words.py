"""The merchant's words that customers read, in the customer's language; where there are none, in the programme's own."""

from dataclasses import dataclass

from loyalty.merchant.models import Brand, Programme

PAGES = {"en": "English", "de": "German"}  # the languages of the customers' pages, as staff call them
MAILS = {**PAGES, "pl": "Polish", "ja": "Japanese"}  # those of the mails

HOME, ONE, OTHER = "home_text", "points_one", "points_other"  # the names of what is kept for each language


@dataclass(frozen=True, slots=True)
class Said:
    """A text, and the language it is in: "de", or what the programme names as its own."""

    text: str
    language: str


def home_text(*, programme: Programme, language: str) -> Said:
    """What stands on the first page; empty where the merchant wrote nothing."""
    brand: Brand | None = getattr(programme, "brand", None)
    if brand is None:
        return Said("", programme.language)
    own = _kept(brand, language).get(HOME, "")
    return Said(own, base(language)) if own else Said(brand.home_text, programme.language)


def points_label(*, programme: Programme, number: int, language: str) -> str:
    """What that many points are called: "Sterne", or "stars" where German has no word of its own."""
    brand: Brand | None = getattr(programme, "brand", None)
    own = _kept(brand, language).get(ONE if number == 1 else OTHER, "") if brand is not None else ""
    return own or (programme.points_label_one if number == 1 else programme.points_label_other)


def base(language: str) -> str:
    """de-AT → de."""
    return language.partition("-")[0].lower()


def others(programme: Programme, languages: dict[str, str]) -> dict[str, str]:
    """These languages without the programme's own, whose texts are the fallback of all."""
    return {code: name for code, name in languages.items() if code != base(programme.language)}


def _kept(brand: Brand, language: str) -> dict[str, str]:
    kept: dict[str, str] = brand.words.get(base(language), {})
    return kept
