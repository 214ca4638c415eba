"""Texts of mails: the merchant's own words are checked, shown as they will be, tried on oneself, and given up again."""

import re
import uuid
from html import unescape

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.accounts import roles
from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.merchant.models import MailKind
from loyalty.messages import letters, texts, wording
from loyalty.messages.editable import TEXTS
from loyalty.messages.models import Mail, MailText
from loyalty.messages.wording import Words
from tests.factories.people import StaffFactory
from tests.messages.conftest import NOW, send

pytestmark = pytest.mark.django_db
STAFF = actors.staff(1)
OURS = wording.WORDS["en"][MailKind.READY]
WRITTEN = {
    "subject": "{reward} from {programme}",
    "heading": "Yours: {reward}",
    "body": "We <b>thank</b> you.\nSee you soon.",
    "button": "Look",
}


@pytest.fixture
def sign_in(programme):
    roles.sync()

    def sign_in(role: str) -> Client:
        user = StaffFactory(email=f"{role}@example.com")
        user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def manager(sign_in) -> Client:
    return sign_in("manager")


def page(kind: str = "ready", language: str = "en") -> str:
    return reverse("admin:messages_out_mailtext_one", args=(kind, language))


def refused(**changes: str) -> list[tuple[str, str]]:
    _, found = texts.checked(kind=MailKind.EXPIRING, **{**WRITTEN, **changes})
    return [(each.field, each.sentence) for each in found]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"subject": "{rewrad} ends"},
            (
                "subject",
                "Subject: {rewrad} is no placeholder of this e-mail. These are: {reward}, {last_day}, {programme}.",
            ),
        ),
        ({"heading": " "}, ("heading", "Heading: write something, or go back to our text.")),
        (
            {"body": "Use {reward until {last_day}"},
            ("body", "Body: a brace stands alone. Braces are for placeholders: {reward}, {last_day}, {programme}."),
        ),
        (
            {"body": "{reward.__class__}"},
            ("body", "Body: a brace stands alone. Braces are for placeholders: {reward}, {last_day}, {programme}."),
        ),
        ({"button": "x" * 61}, ("button", "Button: 61 letters are too many. At most 60 fit.")),
        (
            {"subject": "Hello\nBcc: thief@example.com"},
            ("subject", "Subject: it holds a character that cannot be seen. Type the text anew instead of pasting it."),
        ),
    ],
)
def test_what_no_mail_can_say_is_refused_with_a_sentence(changes, expected):
    assert refused(**changes) == [expected]
    assert refused() == []


def test_refused_words_are_not_kept(programme):
    with pytest.raises(texts.TextRefused):
        texts.save(
            kind=MailKind.READY, language="en", actor=STAFF, now=NOW,
            written=Words(subject="{nobody}", heading="A", lines=("B",), button="C"),
        )  # fmt: skip

    assert not MailText.objects.exists()


def test_the_words_of_every_kind_are_fit_to_be_edited():
    for kind, text in TEXTS.items():
        for language, ours in text.ours.items():
            _, found = texts.checked(
                kind=kind, subject=ours.subject, heading=ours.heading, body="\n".join(ours.lines), button=ours.button
            )
            assert found == [], (language, kind)


def test_a_mail_says_the_merchants_words_in_their_language_alone(programme):
    words, _ = texts.checked(kind=MailKind.READY, **WRITTEN)
    texts.save(kind=MailKind.READY, language="en", written=words, actor=STAFF, now=NOW)

    english = letters.sample(kind=MailKind.READY, language="en", words=texts.words(kind=MailKind.READY, language="en"))

    assert english.subject == "$5 off from Stars"
    assert "We <b>thank</b> you.\n\nSee you soon." in english.text
    assert "We &lt;b&gt;thank&lt;/b&gt; you." in english.html
    assert "<b>" not in english.html
    assert texts.words(kind=MailKind.READY, language="de") == wording.WORDS["de"][MailKind.READY]
    assert Event.objects.get(kind="mail_text.changed").data["mail"] == "ready"


def test_a_name_that_looks_like_a_placeholder_stays_a_name():
    assert wording.filled("{a} {b}", {"a": "{b}", "b": "x"}) == "{b} x"


def test_staff_save_words_try_them_on_themselves_and_go_back_to_ours(manager, mail_server):
    saved = manager.post(page(), {**WRITTEN, "act": "save"})
    token = str(uuid.uuid4())
    for _ in range(2):
        manager.post(page(), {"act": "test", "token": token})
    send(timezone.now())

    assert saved.status_code == 302
    [taken] = mail_server.taken
    assert (taken["To"], taken["Subject"]) == ("manager@example.com", "$5 off from Stars")
    assert "We <b>thank</b> you." in taken.get_body(("plain",)).get_content()
    assert Mail.objects.get().kind == "test"

    manager.post(page(), {"act": "reset"})

    assert texts.words(kind=MailKind.READY, language="en") == OURS
    assert Event.objects.filter(kind="mail_text.reset").count() == 1


def test_the_preview_follows_what_is_typed_and_says_what_is_wrong(manager):
    good = manager.post(page(), {**WRITTEN, "act": "check"}).json()
    bad = manager.post(page(), {**WRITTEN, "heading": "{what}", "act": "check"}).json()

    assert good["subject"] == "$5 off from Stars"
    assert "We &lt;b&gt;thank&lt;/b&gt; you." in good["html"]
    assert bad == {
        "errors": {"heading": ["Heading: {what} is no placeholder of this e-mail. These are: {reward}, {programme}."]}
    }
    assert not MailText.objects.exists()


def test_without_script_a_button_shows_the_preview_in_a_frame_that_may_do_nothing(manager):
    answer = manager.post(page(), {**WRITTEN, "act": "preview"})
    text = answer.content.decode()

    frame = re.search(r'<iframe class="mails-frame" sandbox title="[^"]+" srcdoc="([^"]*)"', text)
    assert frame
    assert "Yours: $5 off" in unescape(frame[1])
    assert re.search(r"style-src 'self' 'sha256-[A-Za-z0-9+/=]+'", answer["Content-Security-Policy"])
    assert not MailText.objects.exists()


def test_refused_words_come_back_with_their_sentence(manager):
    answer = manager.post(page(), {**WRITTEN, "button": "", "act": "save"})

    assert "Button: write something, or go back to our text." in answer.content.decode()
    assert not MailText.objects.exists()


def test_the_list_says_whose_words_are_used(manager):
    words, _ = texts.checked(kind=MailKind.READY, **WRITTEN)
    texts.save(kind=MailKind.READY, language="de", written=words, actor=STAFF, now=NOW)

    text = manager.get(reverse("admin:messages_out_mailtext_changelist")).content.decode()

    assert text.count("<strong>Your text</strong>") == 1
    assert text.count(">Our text<") == sum(len(each.ours) for each in TEXTS.values()) - 1
    assert f'href="{page("ready", "de")}"' in text


def test_those_who_only_look_read_the_words_and_change_nothing(sign_in):
    viewer = sign_in("viewer")

    assert OURS.subject in unescape(viewer.get(page()).content.decode())
    assert ">Save</button>" not in viewer.get(page()).content.decode()
    for act in ("save", "reset", "test", "check"):
        assert viewer.post(page(), {**WRITTEN, "act": act, "token": str(uuid.uuid4())}).status_code == 403
    assert not Mail.objects.exists()


@pytest.mark.parametrize(
    ("kind", "language"), [("alert", "en"), ("ready", "xx"), ("nothing", "en"), ("sign_in_code", "pl")]
)
def test_what_cannot_be_edited_has_no_page(manager, kind, language):
    assert manager.get(page(kind, language)).status_code == 404


SIGN_IN = {"subject": "In at {programme}", "heading": "Welcome back", "body": "Your key:\n {code} \nKeep it."}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"body": "Welcome!"},
            ("body", "Body: {code} must stand in it once, alone on a line: nobody gets in without."),
        ),
        (
            {"body": "Your code is {code}."},
            ("body", "Body: {code} must stand in it once, alone on a line: nobody gets in without."),
        ),
        (
            {"body": "{code}\n{code}"},
            ("body", "Body: {code} must stand in it once, alone on a line: nobody gets in without."),
        ),
        (
            {"subject": "{code}"},
            ("subject", "Subject: {code} may not stand here. It belongs into the text, on its own line."),
        ),
    ],
)
def test_a_mail_to_sign_in_is_never_without_its_code(changes, expected):
    def found(**given: str) -> list[tuple[str, str]]:
        _, refused = texts.checked(kind="sign_in_code", **{**SIGN_IN, **given})
        return [(each.field, each.sentence) for each in refused]

    assert found() == []
    assert found(**changes) == [expected]


def test_who_signs_in_reads_the_merchants_words_and_their_code(manager, client, mailoutbox):
    saved = manager.post(page("sign_in_code"), {**SIGN_IN, "act": "save"})
    client.post(reverse("account_request_login_code"), {"email": "new@example.com"})

    assert saved.status_code == 302
    [mail] = mailoutbox
    code = re.search(r"Your key:\n\n    ([\w-]+)\n", mail.body)
    assert (mail.subject, mail.to) == ("In at Stars", ["new@example.com"])
    assert code
    assert f'<div class="code"><strong>{code[1]}</strong></div>' in mail.alternatives[0][0]


def test_words_that_have_lost_their_code_give_way_to_ours_and_staff_are_told(manager, client, mailoutbox):
    MailText.objects.create(kind="sign_in_code", language="en", changed_at=NOW, **SIGN_IN)
    MailText.objects.update(body="Welcome to {shop_name}!")

    client.post(reverse("account_request_login_code"), {"email": "new@example.com"})
    shown = unescape(manager.get(page("sign_in_code")).content.decode())

    assert mailoutbox[0].subject == "Your sign-in code for Stars"
    assert "This text cannot be used any more, and our text is sent in its place." in shown
    assert "{shop_name} is no placeholder of this e-mail." in shown
    assert "Welcome to {shop_name}!" in shown


def test_an_alert_says_the_merchants_words(manager, mail_server, programme):
    written = {"subject": "Call {shop}!", "heading": "{shop}", "body": "Silent since {since}.", "button": "See"}
    manager.post(page("shop.unreachable"), {**written, "act": "save"})
    manager.post(page("shop.unreachable"), {"act": "test", "token": str(uuid.uuid4())})
    send(timezone.now())

    [taken] = mail_server.taken
    assert taken["Subject"] == "Call Vienna!"
    assert "Silent since 2031-12-30 09:15." in taken.get_body(("plain",)).get_content()
