"""The box of the grid: one reward marked without leaving the page, refusals said, filters kept."""

from datetime import timedelta

import pytest
from django.utils import timezone

from rewards.models import RedeemedReward, RewardCode
from tests.factories.people import ConnectionFactory
from tests.rewards.admin_rows import AT, GRID, VIEW, gift_row, row, staff, words

pytestmark = pytest.mark.django_db
BOTH = ("rewards.mark_used", "rewards.mark_unused")


def url(redeemed):
    return f"{GRID}{redeemed.pk}/usage/"


def by_script(client, redeemed, used):
    return client.post(url(redeemed), {"used": used}, headers={"accept": "application/json"})


def fresh(redeemed):
    return RedeemedReward.objects.get(pk=redeemed.pk)


def test_marks_used_and_hands_back_the_cells_that_changed():
    gift = gift_row()

    answer = by_script(staff(VIEW, *BOTH), gift, "yes")

    told = answer.json()
    assert (answer.status_code, told["done"]) == (200, True)
    assert told["sentence"].endswith("marked used.")
    assert fresh(gift).usage_status == "used"
    assert 'aria-checked="true"' in told["cells"]["used_or_not"]
    assert "Used" in told["cells"]["status_word"]
    assert "Ordered" in told["cells"]["delivery_word"]
    assert "<time" in told["cells"]["used"]


def test_marks_unused_again():
    gift = gift_row(usage_status="used")

    assert by_script(staff(VIEW, *BOTH), gift, "no").json()["done"] is True
    assert fresh(gift).usage_status == "unused"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"usage_status": "untracked"}, "is not tracked"),
        ({"expires_at": AT + timedelta(days=1)}, "has expired"),
        ({"fulfillment_status": "pending"}, "only an issued reward can be marked used"),
    ],
)
def test_a_refusal_is_said_with_its_reason_and_changes_nothing(fields, sentence):
    redeemed = row(**fields)

    answer = by_script(staff(VIEW, *BOTH), redeemed, "yes")

    assert (answer.status_code, answer.json()["done"]) == (409, False)
    assert sentence in answer.json()["sentence"]
    assert fresh(redeemed).updated_at == redeemed.updated_at


def test_without_a_script_it_leads_back_to_the_list_with_its_filters_and_to_no_other_site():
    redeemed = gift_row()
    client = staff(VIEW, *BOTH)

    answer = client.post(url(redeemed), {"used": "yes", "back": "type=gift&o=-used"})
    elsewhere = client.post(url(redeemed), {"used": "yes", "back": "//evil.example/?x=1"})

    assert answer["Location"] == f"{GRID}?type=gift&o=-used"
    assert elsewhere["Location"].startswith(f"{GRID}?")
    assert "marked used." in words(client.get(answer["Location"]))


@pytest.mark.parametrize(("right", "used"), [("rewards.mark_unused", "yes"), ("rewards.mark_used", "no")])
def test_each_way_needs_its_own_right(right, used):
    redeemed = row(usage_status="unused" if used == "yes" else "used")

    assert by_script(staff(VIEW, right), redeemed, used).status_code == 403
    assert by_script(staff(*BOTH), redeemed, used).status_code == 403
    assert fresh(redeemed).updated_at == redeemed.updated_at


@pytest.mark.parametrize("data", [{}, {"used": "maybe"}])
def test_what_is_no_answer_is_refused(data):
    redeemed = row()

    assert staff(VIEW, *BOTH).post(url(redeemed), data).status_code == 403
    assert staff(VIEW, *BOTH).get(url(redeemed)).status_code == 405


def test_the_box_is_a_button_only_for_those_who_may_and_never_for_what_is_not_tracked():
    row()
    row(usage_status="untracked")
    row(usage_status="used")
    row(fulfillment_status="cancelled")

    boxes = staff(VIEW, "rewards.mark_used").get(GRID).content.decode()

    assert boxes.count('role="checkbox"') == 1
    assert boxes.count('name="used" value="yes"') == 1
    assert 'role="checkbox"' not in staff(VIEW).get(GRID).content.decode()
    assert staff(VIEW, *BOTH).get(GRID).content.decode().count('role="checkbox"') == 2


def test_codes_can_be_copied():
    row(code="MUG-2345")

    assert 'data-copy="MUG-2345"' in staff(VIEW).get(GRID).content.decode()


def test_a_code_that_a_shop_made_leads_to_the_shop_where_the_adapter_knows_its_page():
    shop = ConnectionFactory(platform="sandbox", base_url="https://shop.example/")
    other = ConnectionFactory(platform="vendure", base_url="https://vendure.example")
    for place in (shop, other, None):
        redeemed = row(connection=place, code=f"OFF-{place.pk if place else 0}")
        RewardCode.objects.filter(pk=redeemed.code_id).update(remote_id="7" if place else "")

    page = staff(VIEW).get(GRID).content.decode()

    assert page.count("desk-out") == 1
    assert 'href="https://shop.example/admin/codes" target="_blank" rel="noopener"' in page


def test_the_filters_come_along_to_the_page_of_a_reward_through_an_act_and_back():
    gift = gift_row(expires_at=timezone.now() + timedelta(days=9))
    client = staff(VIEW, *BOTH)
    filters = "_changelist_filters=type%3Dgift%26usage%3Dunused"
    act = f"{GRID}{gift.pk}/act/mark-used/?{filters}"

    assert f"{GRID}{gift.pk}/change/?{filters}" in client.get(f"{GRID}?type=gift&usage=unused").content.decode()
    page = client.get(f"{GRID}{gift.pk}/change/?{filters}").content.decode()
    assert f'href="{act}"' in page
    assert f'href="{GRID}?type=gift&amp;usage=unused"' in page
    assert f'href="{GRID}{gift.pk}/change/?{filters}"' in client.get(act).content.decode()
    assert client.post(act, {"confirmed": "yes", "shown": ""})["Location"] == f"{GRID}{gift.pk}/change/?{filters}"


def test_works_by_keyboard_in_a_browser_without_leaving_the_page(live_server, new_page):
    gift, lost = gift_row(), gift_row(expires_at=AT + timedelta(days=1))
    client = staff(VIEW, *BOTH)
    page = new_page()
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page.goto(f"{live_server.url}{GRID}?type=gift")
    box = page.locator(f'tr[data-row="{gift.pk}"] [role=checkbox]')

    box.focus()
    page.keyboard.press("Space")
    page.wait_for_selector(f'tr[data-row="{gift.pk}"] [role=checkbox][aria-checked=true]:focus')
    page.locator(f'tr[data-row="{lost.pk}"] [role=checkbox]').click()
    page.wait_for_selector(".desk-said--bad")

    assert page.url.endswith("?type=gift")
    assert "has expired" in page.locator("#desk-said").inner_text()
    assert page.locator(f'tr[data-row="{gift.pk}"] .field-delivery_word').inner_text() == "Ordered"
    assert [text for text in page.complaints if "409" not in text] == []
    assert fresh(gift).usage_status == "used"
