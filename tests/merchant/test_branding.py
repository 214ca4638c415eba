"""The look: colours everybody can read, a logo that is only a picture, on the customers' pages and in the mails."""

import re
from html import unescape
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from loyalty.accounts import roles
from loyalty.cockpit import speech
from loyalty.events.models import Event
from loyalty.merchant import branding, colours, own_words
from loyalty.merchant import queries as merchant
from loyalty.merchant.colours import DARK, LIGHT
from loyalty.merchant.models import Brand, MailKind
from loyalty.messages import letters, texts, wording
from tests.factories.people import StaffFactory
from tests.fakes.pictures import png
from tests.messages.conftest import NOW

STYLES = (Path(__file__).resolve().parents[2] / "templates/static/cockpit/cockpit.css").read_text()
EVERY_HUE = ["#0f5c49", "#b00020", "#1a3fd0", "#6a1b9a", "#ffcc00", "#00e5ff", "#808080", "#ffffff", "#000000"]
PAGE = "admin:merchant_brand_changelist"


@pytest.mark.parametrize("colour", EVERY_HUE)
@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_that_follows_can_be_read(colour, scheme):
    chosen = colours.readable(colour, scheme)
    made = colours.palette(chosen, scheme)

    assert colours.unreadable(chosen, scheme) is None
    assert min(colours.contrast(chosen, ground) for ground in (*scheme.grounds, made.accent_soft)) >= 4.5
    assert colours.contrast(made.on_accent, made.accent) >= 4.5
    assert colours.contrast(made.on_accent, made.accent_strong) >= 4.5
    assert colours.contrast(scheme.ink, made.accent_soft) >= 4.5
    assert colours.contrast("#ffffff", made.hero_to) >= 4.5
    assert colours.contrast(made.on_hero_soft, made.hero_from) >= 4.5
    assert colours.contrast(colours.SUN, made.hero_from) >= 4.5


def test_a_refusal_says_the_ratio_and_the_nearest_colour_that_passes():
    [refusal] = branding.require_readable(accent="#ffcc00", accent_dark="")

    assert refusal.field == "accent"
    nearest = re.search(
        r"has a contrast of 1\.\d\d to 1, and 4\.5 to 1 is needed .* passes is (#[0-9a-f]{6})\.$", refusal.sentence
    )
    assert nearest
    assert branding.require_readable(accent=nearest[1], accent_dark="") == []
    one_step_back = colours.mixed(nearest[1], "#ffcc00", 0.03)
    assert branding.require_readable(accent=one_step_back, accent_dark="") != []


@pytest.mark.parametrize("typed", ["red", "#fff", "#12345", "#0f5c49;}", "url(x)"])
def test_what_is_no_colour_is_refused(typed):
    [refusal] = branding.require_readable(accent=typed, accent_dark="")

    assert refusal.sentence.endswith("is no colour. Write one as #0f5c49.")


def test_the_grounds_are_those_of_the_pages():
    light, _, dark = STYLES.partition("@media (prefers-color-scheme: dark)")
    for scheme, block in ((LIGHT, light), (DARK, dark)):
        for name, colour in (("ground", scheme.grounds[0]), ("surface", scheme.grounds[1]), ("off", scheme.off)):
            assert f"--{name}: {colour};" in block


@pytest.fixture
def manager(db) -> Client:
    roles.sync()
    user = StaffFactory()
    user.groups.add(Group.objects.get(name="manager"))
    client = Client()
    client.force_login(user)
    return client


def save(client: Client, **changes):
    return client.post(reverse(PAGE), {"act": "save", "accent": "", "accent_dark": "", "home_text": "", **changes})


def upload(data: bytes, name: str = "logo.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, content_type="image/png")


def test_staff_choose_the_look_and_customers_see_it(manager):
    answer = save(manager, accent="#B00020", home_text="Welcome <b>back</b>", logo=upload(png(notes=b"secret")))

    assert answer.status_code == 302
    assert Event.objects.get(kind="brand.changed").data["fields"] == ["accent", "home_text", "logo"]
    page = Client().get(reverse("account_request_login_code")).content.decode()
    sheet = Client().get(re.search(r'href="(/brand/[0-9a-f]{20}\.css)"', page)[1])
    logo = Client().get(re.search(r'src="(/brand/[0-9a-f]{20}\.png)"', page)[1])
    assert sheet["Content-Type"] == "text/css"
    assert "--accent:#b00020;" in sheet.content.decode()
    assert b"secret" not in logo.content
    assert (logo["Content-Type"], logo["X-Content-Type-Options"]) == ("image/png", "nosniff")
    assert logo["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("path", ["/brand/00000000000000000000.css", "/brand/00000000000000000000.png"])
def test_what_the_look_has_not_is_not_found(db, path):
    assert Client().get(path).status_code == 404


def test_a_refused_logo_or_colour_changes_nothing(manager):
    for changes in ({"logo": upload(b"<svg/>", "logo.svg")}, {"accent": "#ffcc00"}, {"accent_dark": "#6fdcb6"}):
        assert save(manager, home_text="New", **changes).status_code == 200
    assert not Brand.objects.exists()


def test_a_logo_is_left_until_it_is_taken_away(manager):
    save(manager, logo=upload(png()))
    save(manager, home_text="Hello")
    assert Brand.objects.get().logo_kind == "png"

    save(manager, remove_logo="on")

    assert (Brand.objects.get().logo_kind, bytes(Brand.objects.get().logo)) == ("", b"")


def test_the_preview_shows_what_was_typed_and_keeps_nothing(manager):
    text = manager.post(reverse(PAGE), {"act": "preview", "accent": "#1a3fd0", "home_text": "Soon"}).content.decode()

    address = re.search(r"/admin/merchant/brand/preview\.css\?accent=%231a3fd0&amp;amp;accent_dark=", text)
    assert address
    assert "--accent:#1a3fd0;" in manager.get(address[0].replace("&amp;amp;", "&")).content.decode()
    assert "Soon" in text
    assert not Brand.objects.exists()


def test_those_who_only_look_change_nothing(db):
    roles.sync()
    user = StaffFactory()
    user.groups.add(Group.objects.get(name="viewer"))
    viewer = Client()
    viewer.force_login(user)

    assert viewer.get(reverse(PAGE)).status_code == 200
    assert save(viewer, home_text="New").status_code == 403


GERMAN = {"home_text": "Hello", "home_text_de": "Hallo", "points_one_de": "Stern", "points_other_de": "Sterne"}


def test_customers_read_the_merchants_words_in_their_language_else_in_the_programmes(manager):
    assert save(manager, **GERMAN).status_code == 302
    programme = merchant.programme()

    said = {code: own_words.home_text(programme=programme, language=code) for code in ("de-AT", "en", "fr")}
    called = [
        own_words.points_label(programme=programme, number=number, language=code)
        for code, number in (("de", 1), ("de", 2), ("pl", 1), ("en", 2))
    ]

    assert [(each.text, each.language) for each in said.values()] == [("Hallo", "de"), ("Hello", "en"), ("Hello", "en")]
    assert called == ["Stern", "Sterne", "point", "points"]
    assert "words" not in Event.objects.get(kind="brand.changed").data
    assert "home_text_de" in Event.objects.get(kind="brand.changed").data["fields"]


def test_words_are_shown_in_each_language_before_they_are_saved(manager):
    answer = manager.post(reverse(PAGE), {"act": "preview", "accent": "", **GERMAN, "home_text_de": ""})
    frame = unescape(re.search(r'srcdoc="([^"]*)"', answer.content.decode())[1])

    english, german = frame.split('<h2 class="trial-title">')[1:]
    assert 'lang="en">Hello</p>' in english
    assert "active points" in " ".join(english.split())
    assert 'lang="en">Hello</p>' in german  # nothing is written in German: the fallback
    assert "Sterne verfügbar" in " ".join(german.split())
    assert not Brand.objects.exists()


def test_one_word_for_points_without_the_other_is_refused(manager):
    answer = save(manager, points_one_de="Stern")

    assert "Write both words in German, or neither." in answer.content.decode()
    assert not Brand.objects.exists()


def test_the_languages_of_the_words_are_those_of_pages_and_mails():
    assert tuple(own_words.PAGES) == tuple(code for code, _ in speech.LANGUAGES)
    assert tuple(own_words.MAILS) == wording.LANGUAGES


@pytest.mark.django_db
def test_mails_call_points_as_the_merchant_does_in_their_language():
    words = {"pl": {"points_one": "gwiazdka", "points_other": "gwiazdki"}}
    branding.save(accent="", accent_dark="", home_text="", logo=None, now=NOW, words=words)
    programme = merchant.programme()

    amounts = [letters.amount(1_250, programme, language) for language in wording.LANGUAGES]

    assert amounts == ["1,250 points", "1.250 Punkte", "1\u00a0250 gwiazdki", "1,250 ポイント"]


@pytest.mark.django_db
def test_mails_have_the_colours_and_the_logo(settings):
    settings.PUBLIC_URL = "https://rewards.example.com"
    branding.save(accent="#b00020", accent_dark="", home_text="", logo=png(480, 240), now=NOW)

    words = texts.words(kind=MailKind.READY, language="en")
    html = letters.sample(kind=MailKind.READY, language="en", words=words).html

    assert "background: #b00020; color: #ffffff" in html
    assert re.search(
        r'<img class="logo" src="https://rewards\.example\.com/brand/\w+\.png"[^>]+ width="96" height="48"', html
    )
    assert "{{" not in html


@pytest.mark.django_db
def test_the_look_costs_no_question_more(django_assert_num_queries):
    branding.save(accent="#b00020", accent_dark="", home_text="Hi", logo=png(), now=NOW)

    with django_assert_num_queries(1):
        programme = merchant.programme()
        assert (programme.brand.accent, programme.brand.home_text) == ("#b00020", "Hi")
