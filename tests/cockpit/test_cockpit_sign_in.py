"""Signing in: a code by e-mail or a password; nobody learns which addresses are known."""

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.accounts.models import User
from loyalty.customers.models import Customer, CustomerState
from loyalty.merchant import branding
from loyalty.merchant import queries as merchant
from tests.factories.people import CustomerFactory
from tests.fakes.pictures import png

pytestmark = pytest.mark.django_db

ASK = "account_request_login_code"
CONFIRM = "account_confirm_login_code"


def ask(client: Client, email: str, **more: str):
    return client.post(reverse(ASK), {"email": email} | more)


def mailed_code() -> str:
    found = re.search(r"^ {4}(\S+)$", mail.outbox[-1].body, re.MULTILINE)
    assert found, mail.outbox[-1].body
    return found[1]


def confirm(client: Client, code: str, **more: str):
    return client.post(reverse(CONFIRM), {"code": code} | more)


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def words(answer) -> str:
    """The page without what differs at every load."""
    return re.sub(r'csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())


def test_a_code_signs_a_customer_of_the_shop_in_who_never_signed_in_before(client):
    known = CustomerFactory(email="Anna@Example.com")

    ask(client, "anna@example.com")
    answer = confirm(client, mailed_code())

    assert (answer.status_code, answer.url) == (302, "/")
    assert client.get("/").status_code == 200
    known.refresh_from_db()
    assert known.user == User.objects.get()
    assert not known.user.has_usable_password()


def test_a_code_makes_a_stranger_a_member(client):
    ask(client, "new@example.com")
    confirm(client, mailed_code())
    client.get("/")

    newcomer = Customer.objects.get()
    assert (newcomer.email, newcomer.state) == ("new@example.com", CustomerState.MEMBER)


def test_the_mail_names_the_programme_and_goes_to_the_address_alone(client):
    ask(client, "anna@example.com")

    assert mail.outbox[0].to == ["anna@example.com"]
    assert mail.outbox[0].subject == "Your sign-in code for Rewards"


def test_the_mail_is_text_and_a_page_with_the_merchants_logo(client, settings):
    settings.PUBLIC_URL = "https://rewards.example"
    brand = branding.save(accent="#0f5c5c", accent_dark="", home_text="", logo=png(), now=timezone.now())

    ask(client, "anna@example.com")

    page, kind = mail.outbox[0].alternatives[0]
    assert kind == "text/html"
    assert f'src="https://rewards.example/brand/{brand.logo_digest}.png"' in page
    assert f"<strong>{mailed_code()}</strong>" in page


def test_known_and_unknown_addresses_get_the_same_answers(client, signed_up):
    signed_up("known@example.com")
    pages = {}
    for email in ("known@example.com", "xxxxx@example.com"):
        browser = Client()
        asked = ask(browser, email)
        page = browser.get(asked.url)
        wrong = confirm(browser, "WRONG1")
        pages[email] = (asked.status_code, asked.url, words(page).replace(email, "?"), words(wrong).replace(email, "?"))

    assert pages["known@example.com"] == pages["xxxxx@example.com"]
    assert [message.subject for message in mail.outbox] == ["Your sign-in code for Rewards"] * 2


def test_a_wrong_code_signs_nobody_in_and_five_end_the_try(client):
    ask(client, "anna@example.com")
    right = mailed_code()

    answers = [confirm(client, "WRONG1") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 302]
    confirm(client, right)
    assert not signed_in(client)


def test_another_code_is_said_to_be_on_its_way_known_address_or_not(client, signed_up):
    said = "Another code is on its way. The one before no longer works."
    signed_up("off@example.com", is_active=False)
    for email in ("anna@example.com", "off@example.com"):
        browser = Client()
        assert said not in words(browser.get(ask(browser, email).url))

        answer = browser.post(reverse(CONFIRM), {"action": "resend"}, follow=True)

        assert said in words(answer)


def test_another_code_takes_the_place_of_the_one_before(client):
    ask(client, "anna@example.com")
    before = mailed_code()
    client.post(reverse(CONFIRM), {"action": "resend"})

    confirm(client, before)
    assert not signed_in(client)
    confirm(client, mailed_code())
    assert signed_in(client)


def test_a_code_is_good_in_the_browser_that_asked_alone(client):
    ask(client, "anna@example.com")
    thief = Client()

    confirm(thief, mailed_code())

    assert not signed_in(thief)


def test_a_code_works_once(client):
    ask(client, "anna@example.com")
    code = mailed_code()
    confirm(client, code)
    client.post(reverse("account_logout"))

    confirm(client, code)

    assert not signed_in(client)


def test_asking_too_often_for_one_address_is_refused_without_another_mail():
    for _ in range(3):
        ask(Client(), "anna@example.com")

    answer = ask(Client(), "ANNA@example.com")

    assert len(mail.outbox) == 3
    assert "Too many failed login attempts" in answer.content.decode()


def test_asking_too_often_from_one_place_is_refused_with_a_page(client):
    answers = [client.post(reverse("account_login"), {"login": "a@example.com", "password": "x"}) for _ in range(31)]

    assert answers[-1].status_code == 429
    assert "Too many tries" in answers[-1].content.decode()


def test_somebody_who_is_switched_off_gets_no_code_and_the_same_page(client, signed_up):
    signed_up("off@example.com", is_active=False)

    answer = ask(client, "off@example.com")

    assert answer.url == reverse(CONFIRM)
    assert mail.outbox[0].subject == "Signing in to Rewards"
    assert User.objects.count() == 1


def test_a_password_signs_in_too(client, signed_up):
    signed_up("anna@example.com")

    answer = client.post(reverse("account_login"), {"login": "Anna@example.com", "password": "a password for tests"})

    assert answer.url == "/"
    assert signed_in(client)


def test_a_wrong_password_and_an_unknown_address_read_alike(client, signed_up):
    signed_up("known@example.com")

    pages = [
        words(client.post(reverse("account_login"), {"login": email, "password": "wrong"})).replace(email, "?")
        for email in ("known@example.com", "xxxxx@example.com")
    ]

    assert pages[0] == pages[1]
    assert "not correct" in pages[0]


def test_nobody_sets_a_password_for_an_address_they_have_not_proved(client):
    fields = {"email": "victim@example.com", "password1": "attackers password", "password2": "attackers password"}

    answer = client.post(reverse("account_signup"), fields)

    assert "Become a member" in answer.content.decode()
    assert User.objects.count() == 0


@pytest.mark.parametrize(
    "next_page", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_signing_in_leads_to_no_other_site(client, next_page):
    ask(client, "anna@example.com", next=next_page)

    answer = confirm(client, mailed_code(), next=next_page)

    assert answer.url == "/"


def test_signing_in_leads_back_to_the_page_that_was_asked_for(client):
    wanted = client.get(reverse("cockpit:points"))
    assert wanted.url == f"{reverse(ASK)}?next={reverse('cockpit:points')}"

    asked = ask(client, "anna@example.com", next=reverse("cockpit:points"))
    assert "next=" in asked.url

    assert confirm(client, mailed_code(), next=reverse("cockpit:points")).url == reverse("cockpit:points")


def test_signing_out_takes_a_post_and_a_token(visitor):
    visitor.get(reverse("account_logout"))
    assert signed_in(visitor)

    strict = Client(enforce_csrf_checks=True)
    strict.cookies = visitor.cookies
    assert strict.post(reverse("account_logout")).status_code == 403
    assert signed_in(visitor)

    visitor.post(reverse("account_logout"))
    assert not signed_in(visitor)


@pytest.mark.parametrize(
    "name",
    [
        "account_login",
        ASK,
        "account_signup",
        "account_reset_password",
        "account_reset_password_done",
        "account_inactive",
    ],
)
def test_every_page_before_signing_in_is_ours(client, name):
    page = client.get(reverse(name)).content.decode()

    assert "cockpit/cockpit.css" in page
    assert "<script>" not in page
    assert "style=" not in page


@pytest.mark.parametrize("name", ["account_logout", "account_email", "account_change_password", "mfa_index"])
def test_every_page_about_signing_in_is_ours(visitor, name):
    page = visitor.get(reverse(name), follow=True).content.decode()

    assert "cockpit/cockpit.css" in page
    assert "<script>" not in page
    assert "style=" not in page


def test_a_forgotten_password_is_set_anew_by_mail(client, signed_up):
    user = signed_up("anna@example.com")
    client.post(reverse("account_reset_password"), {"email": "anna@example.com"})
    link = re.search(r"http://testserver(\S+)", mail.outbox[0].body)[1]

    page = client.get(link, follow=True)
    fields = {"password1": "another password", "password2": "another password"}
    client.post(page.request["PATH_INFO"], fields)

    user.refresh_from_db()
    assert user.check_password("another password")


def close_the_programme() -> None:
    programme = merchant.programme()
    programme.open_to_all = False
    programme.save()


def test_a_closed_programme_lets_its_customers_in_and_nobody_else():
    close_the_programme()
    known = CustomerFactory(email="known@example.com")
    pages = {}
    for email in ("known@example.com", "xxxxx@example.com"):
        browser = Client()
        asked = ask(browser, email)
        pages[email] = words(browser.get(asked.url)).replace(email, "?")
        if email == known.email:
            confirm(browser, mailed_code())
            assert browser.get("/").status_code == 200

    assert pages["known@example.com"] == pages["xxxxx@example.com"]
    assert [message.subject for message in mail.outbox] == ["Your sign-in code for Rewards", "Signing in to Rewards"]
    assert [user.email for user in User.objects.all()] == ["known@example.com"]


def test_a_closed_programme_says_so_to_a_user_who_is_no_customer(client, signed_up):
    close_the_programme()
    client.force_login(signed_up("new@example.com"))

    answer = client.get("/")

    assert answer.status_code == 403
    assert "This programme takes no new members by itself." in words(answer)
    assert not Customer.objects.exists()
    assert "New here?" not in words(Client().get(reverse(ASK)))
