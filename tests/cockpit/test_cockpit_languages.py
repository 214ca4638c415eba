"""The pages speak English and German, as the customer chooses."""

import gettext
import io
import re

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.cockpit import speech, translations
from loyalty.cockpit.translations import Sentence
from loyalty.customers.models import Customer
from loyalty.merchant import branding
from loyalty.merchant import queries as merchant
from loyalty.program.models import ReferralSettings
from tests.factories.catalogue import GiftFactory
from tests.factories.earning import RuleFactory
from tests.factories.people import CustomerFactory

GERMAN = {"headers": {"accept-language": "fr;q=0.9, de-AT;q=0.8, en;q=0.1"}}
MISSING_IN_GERMAN = "Dir fehlen noch 21500 Punkte für diese Prämie"


def choose(browser: Client, language: str, **more: str):
    return browser.post(reverse("cockpit:language"), {"language": language} | more)


def text_of(answer) -> str:
    return " ".join(answer.content.decode().split())


@pytest.mark.parametrize("language", speech.TRANSLATED)
def test_every_sentence_is_translated_with_the_names_it_holds(language):
    catalogue = translations.read((translations.folder(language) / "django.po").read_text("utf-8"))

    assert set(catalogue) == translations.found(), "Run `manage.py write_translations`."
    assert translations.unfinished(catalogue) == []


@pytest.mark.parametrize("language", speech.TRANSLATED)
def test_the_file_that_is_read_says_what_the_file_that_is_edited_says(language):
    folder = translations.folder(language)
    catalogue = translations.read((folder / "django.po").read_text("utf-8"))

    raw = (folder / "django.mo").read_bytes()

    assert raw == translations.compiled(catalogue), "Run `manage.py write_translations`."
    told = gettext.GNUTranslations(io.BytesIO(raw))
    for sentence, said in catalogue.items():
        if sentence.many:
            assert (
                told.ngettext(sentence.one, sentence.many, 1),
                told.ngettext(sentence.one, sentence.many, 0),
            ) == said
        else:
            assert told.gettext(sentence.one) == said[0]


def test_a_translation_that_is_missing_or_names_something_else_is_told():
    catalogue = {
        Sentence("Good %(name)s"): ("Gut %(name)s",),
        Sentence("None"): ("",),
        Sentence("Wrong %(name)s"): ("Falsch %(nam)s",),
        Sentence("one", "%(n)s many"): ("eins", "%(n)s viele"),
        Sentence("two", "%(n)s lost"): ("zwei", "verloren"),
    }

    assert translations.unfinished(catalogue) == ["None", "Wrong %(name)s", "two"]
    assert translations.read(translations.written(catalogue)) == catalogue


def test_strangers_are_spoken_to_as_their_browser_asks_and_get_their_mail_so(db, client):
    door = client.get(reverse("account_request_login_code"), **GERMAN)
    client.post(reverse("account_request_login_code"), {"email": "neu@example.com"}, **GERMAN)

    assert '<html lang="de">' in door.content.decode()
    assert "Willkommen bei Rewards" in text_of(door)
    assert door.headers["Content-Language"] == "de"
    assert "Accept-Language" in door.headers["Vary"]
    assert mail.outbox[0].subject == "Dein Anmeldecode für Rewards"
    assert "Dein Code zum Anmelden" in mail.outbox[0].body


@pytest.mark.parametrize(
    ("header", "programme", "spoken"), [("pl, ja", "de", "de"), ("", "de", "de"), ("pl", "pl", "en")]
)
def test_a_browser_that_asks_for_neither_hears_the_language_of_the_programme(db, client, header, programme, spoken):
    row = merchant.programme()
    row.language = programme
    row.save()

    page = client.get(reverse("account_request_login_code"), headers={"accept-language": header})

    assert f'<html lang="{spoken}">' in page.content.decode()


def test_a_customer_hears_their_own_language_whatever_the_browser_asks(visitor, customer, gift):
    Customer.objects.filter(pk=customer.pk).update(language="de")
    gift.reward.texts.create(language="de", name="Ein Becher")

    page = text_of(visitor.get("/", headers={"accept-language": "en"}))

    assert '<html lang="de">' in page
    assert "Wähle deine Prämie" in page
    assert 'lang="de">Ein Becher</h3>' in page
    assert '<span class="balance-number">1.000</span>' in page
    assert "Punkte verfügbar" in page


def test_the_merchants_words_are_said_in_german_where_there_are_some(visitor, customer):
    words = {"de": {"home_text": "Schön, dass du da bist!", "points_one": "Stern", "points_other": "Sterne"}}
    branding.save(accent="", accent_dark="", home_text="Nice to see you", logo=None, now=timezone.now(), words=words)

    german, english = text_of(visitor.get("/", **GERMAN)), text_of(visitor.get("/"))

    assert '<p class="from-us" lang="de">Schön' in german
    assert "Sterne verfügbar" in german
    assert '<p class="from-us" lang="en">Nice to see you</p>' in english
    assert "active points" in english


def test_the_missing_points_are_said_in_german_and_in_the_words_of_the_seed_in_english(visitor, on_offer):
    on_offer(GiftFactory(), price=22_500, name="A dear mug")

    assert MISSING_IN_GERMAN in text_of(visitor.get("/", **GERMAN))
    assert "You must have 21500 more points to get reward" in text_of(visitor.get("/"))


def test_a_button_on_each_page_changes_it_for_the_customer_and_the_browser(visitor, customer):
    page = text_of(visitor.get("/points/?page=1"))
    assert '<button class="link" type="submit" name="language" value="de" lang="de">Deutsch</button>' in page
    assert '<input type="hidden" name="next" value="/points/?page=1">' in page

    answer = choose(visitor, "de", next="/points/?page=1")

    assert answer.url == "/points/?page=1"
    customer.refresh_from_db()
    assert customer.language == "de"
    assert "Was wann verfällt" in text_of(visitor.get("/points/"))
    visitor.logout()
    visitor.cookies[settings.LANGUAGE_COOKIE_NAME] = answer.cookies[settings.LANGUAGE_COOKIE_NAME].value
    assert "Willkommen bei" in text_of(visitor.get(reverse("account_request_login_code")))


def test_a_stranger_changes_it_at_the_door(db, client):
    assert choose(client, "de").url == "/"

    assert "Willkommen bei" in text_of(client.get(reverse("account_request_login_code")))
    assert not Customer.objects.exists()


@pytest.mark.parametrize("wanted", ["", "pl", "de-AT", "<b>"])
def test_a_language_the_pages_do_not_speak_is_not_taken(visitor, customer, wanted):
    assert choose(visitor, wanted).status_code == 404

    customer.refresh_from_db()
    assert customer.language == ""


def test_changing_it_leads_nowhere_else(visitor):
    assert choose(visitor, "de", next="https://evil.example/").url == "/"
    assert choose(visitor, "en", next="/account/address/").url == "/account/"
    assert visitor.get(reverse("cockpit:language")).status_code == 405


def test_staff_pages_and_the_api_stay_english(db, client):
    assert b'lang="en' in client.get("/admin/login/", follow=True, **GERMAN).content
    assert "Content-Language" not in client.get("/api/v1/customers", **GERMAN).headers


def test_no_sentence_of_a_page_stays_english(visitor, customer, gift, on_offer):
    """What stands between the tags of the main pages is German, but for the names merchants gave."""
    CustomerFactory()
    on_offer(GiftFactory(), price=5000, name="NAME")
    catalogue = translations.read((translations.folder("de") / "django.po").read_text("utf-8"))
    english = {each.one for each, said in catalogue.items() if " " in each.one and said[0] != each.one}

    RuleFactory(name="NAME", kind="activity", token="photo", points=20, most_times=2, period="week", minimum=None)
    ReferralSettings.objects.create(pk=1, active=True, friend_reward=gift.reward, sender_reward=gift.reward)
    inside = ("earn", "friends", "account", "account/privacy", "account/e-mails", "my-rewards", "points", "rewards")
    for path in ("/", f"/rewards/{gift.pk}/", *(f"/{name}/" for name in inside)):
        page = visitor.get(path, **GERMAN).content.decode()
        said = {" ".join(text.split()) for text in re.findall(r">([^<]+)<", page)}
        assert said & english == set(), path


def test_a_language_that_runs_from_right_to_left_says_so(visitor, monkeypatch):
    monkeypatch.setattr(speech, "CODES", speech.CODES | {"ar"})

    page = visitor.get(reverse("cockpit:home"), headers={"accept-language": "ar"}).content.decode()

    assert '<html lang="ar" dir="rtl">' in page
    assert 'dir="rtl"' not in visitor.get(reverse("cockpit:home"), headers={"accept-language": "de"}).content.decode()
