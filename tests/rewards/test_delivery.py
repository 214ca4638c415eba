"""Delivery: a parcel goes where it should, every step of it is written down, and what came back is not lost."""

from datetime import timedelta
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import ProgrammingError, transaction
from django.urls import reverse

from loyalty.common import actors
from loyalty.customers.profile import Address
from loyalty.points import audit
from rewards import delivery, granting, queries, tracking_sheet, usage
from rewards.delivery import DeliveryRefused
from rewards.models import Delivery, DeliveryChange, RedeemedReward
from rewards.tracking_sheet import TrackingSheetRefused
from tests.factories.catalogue import GiftFactory
from tests.factories.people import ShippingAddressFactory, StaffFactory
from tests.factories.points import NOW
from tests.rewards.admin_rows import GRID, VIEW, row, staff, words

pytestmark = pytest.mark.django_db

STAFF = actors.staff(1)
HOUR = timedelta(hours=1)
PACKER = (VIEW, "rewards.deliver_redeemedreward", "rewards.view_address")
ELSEWHERE = Address(recipient="Anna Nowak", line_1="Nowa 2", city="Łódź", postal_code="90-001", country="PL")


def ordered_gift(customer=None):
    customer = customer or ShippingAddressFactory().customer
    redeemed = granting.grant(customer_id=customer.pk, reward_id=GiftFactory().pk, actor=STAFF, now=NOW)
    return usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)


@pytest.fixture
def gift():
    return ordered_gift()


def act(function, redeemed, *, now=NOW + HOUR, **more):
    return function(redeemed_reward_id=redeemed.pk, actor=STAFF, now=now, **more)


def steps(redeemed):
    return list(DeliveryChange.objects.filter(redeemed_reward=redeemed).order_by("id").values_list("step", flat=True))


def test_writes_down_every_step_with_who_when_and_why(gift):
    act(delivery.ship, gift, carrier="DHL", tracking_number="JD1", comment="Left by the window")
    act(delivery.deliver, gift, now=NOW + 2 * HOUR)

    assert steps(gift) == ["ordered", "shipped", "delivered"]
    shipped = DeliveryChange.objects.get(step="shipped")
    assert (shipped.actor_id, shipped.changed_at, shipped.comment) == (1, NOW + HOUR, "Left by the window")
    assert (shipped.carrier, shipped.tracking_number) == ("DHL", "JD1")


def test_history_cannot_be_rewritten(gift):
    change = DeliveryChange.objects.get()

    with pytest.raises(ProgrammingError), transaction.atomic():
        DeliveryChange.objects.filter(pk=change.pk).update(step="shipped")
    with pytest.raises(ProgrammingError), transaction.atomic():
        change.delete()
    DeliveryChange.objects.filter(pk=change.pk).update(address_before=None, comment="")  # what is personal goes


def test_corrects_an_address_before_it_ships_and_keeps_the_first(gift):
    act(delivery.correct_address, gift, address=ELSEWHERE, comment="Has moved")

    gift.refresh_from_db()
    assert gift.delivery.address["line_1"] == "Nowa 2"
    assert gift.shipping_address["line_1"] == "ul. Prosta 1"
    change = DeliveryChange.objects.get(step="address")
    assert (change.address_before["line_1"], change.comment) == ("ul. Prosta 1", "Has moved")


def test_corrects_an_address_twice_with_each_one_in_the_history(gift):
    act(delivery.correct_address, gift, address=ELSEWHERE)
    act(delivery.correct_address, gift, address=ELSEWHERE)  # changes nothing
    act(delivery.correct_address, gift, address=Address(line_1="Trzecia 3", city="Gdynia", country="PL"))

    before = [
        change.address_before["line_1"] for change in DeliveryChange.objects.filter(step="address").order_by("id")
    ]
    assert before == ["ul. Prosta 1", "Nowa 2"]


@pytest.mark.parametrize("last", [delivery.ship, delivery.deliver])
def test_corrects_no_address_of_a_parcel_that_has_left(gift, last):
    act(delivery.ship, gift)
    act(last, gift)

    with pytest.raises(DeliveryRefused, match="only before that"):
        act(delivery.correct_address, gift, address=ELSEWHERE)


def test_of_a_parcel_that_came_back_ends_and_can_be_ordered_anew(gift):
    act(delivery.ship, gift, carrier="DHL", tracking_number="JD1")

    back = act(delivery.came_back, gift, comment="Nobody at home")
    again = act(delivery.came_back, gift)

    assert (back.delivery_status, again.delivery_status) == ("cancelled", "cancelled")
    assert Delivery.objects.get().returned_at == NOW + HOUR
    act(delivery.correct_address, gift, address=ELSEWHERE)
    act(delivery.order_again, gift)
    act(delivery.ship, gift, carrier="DHL", tracking_number="JD2")
    assert steps(gift) == ["ordered", "shipped", "returned", "address", "ordered", "shipped"]
    parcel = Delivery.objects.get()
    assert (parcel.tracking_number, parcel.returned_at, parcel.cancelled_at) == ("JD2", None, None)


def test_only_a_parcel_on_its_way_comes_back(gift):
    with pytest.raises(DeliveryRefused, match="is ordered"):
        act(delivery.came_back, gift)


def test_only_a_canceled_delivery_is_ordered_anew(gift):
    act(delivery.ship, gift)

    with pytest.raises(DeliveryRefused, match="is shipped"):
        act(delivery.order_again, gift)


def test_is_withdrawn_when_the_gift_is_marked_unused(gift):
    usage.mark_unused(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW + HOUR)

    assert steps(gift) == ["ordered", "withdrawn"]
    assert Delivery.objects.get().ordered_at is None


def test_goes_on_after_the_end_of_the_reward(gift):
    RedeemedReward.objects.filter(pk=gift.pk).update(expires_at=NOW + HOUR)

    shipped = act(delivery.ship, gift, now=NOW + 2 * HOUR)

    assert shipped.delivery_status == "shipped"
    assert queries.status_of(redeemed=shipped, now=NOW + 2 * HOUR) == "used"
    assert list(audit.differences()) == []


# The table of tracking numbers.


def table(*lines):
    return BytesIO("\n".join(("Parcel,Carrier,Tracking number,Tracking link,Comment", *lines)).encode())


def carry_out(*lines):
    return tracking_sheet.carry_out(file=table(*lines), actor=STAFF, now=NOW + HOUR)


def test_by_a_table_ships_each_row_and_reports_each_refusal(gift):
    other, discount = ordered_gift(), row()

    report = carry_out(
        f"{gift.pk},DHL,JD1,https://example.com/JD1,",
        f"#{other.pk},InPost,680,,Fragile",
        f"{discount.pk},DHL,JD3,,",
        "999999,DHL,JD4,,",
        f"{other.pk},InPost,,,",
        f"{other.pk},InPost,1,javascript:alert(1),",
    )

    assert len(report.done) == 2
    assert [line.split(":")[0] for line in report.refused] == ["Row 4", "Row 5", "Row 6", "Row 7"]
    assert "only gifts are delivered" in report.refused[0]
    assert "no parcel '999999'" in report.refused[1]
    parcel = Delivery.objects.get(pk=gift.pk)
    assert (parcel.carrier, parcel.tracking_number, parcel.tracking_url) == ("DHL", "JD1", "https://example.com/JD1")
    assert RedeemedReward.objects.get(pk=other.pk).delivery_status == "shipped"


def test_by_the_same_table_again_changes_nothing(gift):
    carry_out(f"{gift.pk},DHL,JD1,,")

    report = carry_out(f"{gift.pk},DHL,JD1,,")

    assert (len(report.done), len(report.unchanged)) == (0, 1)
    assert steps(gift) == ["ordered", "shipped"]


def test_by_a_table_corrects_the_number_of_a_parcel_on_its_way(gift):
    carry_out(f"{gift.pk},DHL,JD1,,")

    report = carry_out(f"{gift.pk},DHL,JD2,,")

    assert len(report.done) == 1
    assert steps(gift) == ["ordered", "shipped", "tracking"]


def test_by_a_table_without_the_needed_columns_is_refused():
    with pytest.raises(TrackingSheetRefused, match="no column “Tracking number”"):
        tracking_sheet.carry_out(file=BytesIO(b"Parcel,Number\n1,2"), actor=STAFF, now=NOW)


def test_by_a_table_that_is_too_long_ships_nothing(gift, monkeypatch):
    monkeypatch.setattr(tracking_sheet, "MOST_ROWS", 1)

    with pytest.raises(TrackingSheetRefused, match="Nothing was changed"):
        carry_out(f"{gift.pk},DHL,JD1,,", f"{gift.pk},DHL,JD1,,")
    assert steps(gift) == ["ordered"]


# Pages.


def test_page_takes_a_table_and_says_what_came_of_it(gift):
    upload = SimpleUploadedFile("numbers.csv", table(f"{gift.pk},DHL,JD1,,", "5,DHL,,,").read())

    page = staff(*PACKER).post(reverse("admin:rewards_redeemedreward_tracking"), {"file": upload})

    assert "1 shipped or corrected, 0 unchanged, 1 refused" in words(page)


def test_packing_list_shows_the_effective_and_the_first_address(gift):
    act(delivery.correct_address, gift, address=ELSEWHERE)
    discount = row()

    page = words(staff(*PACKER).get(f"{GRID}packing-list/?ids={gift.pk},{discount.pk}"))

    assert f"Parcel {gift.pk}: A mug" in page
    assert "Send to Anna Nowak Nowa 2 90-001 Łódź PL" in page
    assert "Address when it was redeemed Anna Nowak ul. Prosta 1 00-001 Warszawa PL" in page
    assert "1 of the chosen rows is left out" in page


def test_packing_list_warns_of_what_is_not_to_be_packed(gift):
    act(delivery.ship, gift)

    assert "Do not pack: it is shipped." in words(staff(*PACKER).get(f"{GRID}packing-list/?ids={gift.pk}"))


def test_packing_list_gives_a_table_that_can_be_sent_back(gift):
    answer = staff(*PACKER).get(f"{GRID}packing-list/?ids={gift.pk}&format=csv")

    lines = answer.content.decode().splitlines()
    assert lines[0].endswith("Parcel,Carrier,Tracking number,Tracking link,Comment,Gift,Address")
    filled = lines[1].replace(f"{gift.pk},,,", f"{gift.pk},DHL,JD9,")
    report = tracking_sheet.carry_out(file=BytesIO(f"{lines[0]}\n{filled}".encode()), actor=STAFF, now=NOW)
    assert (len(report.done), report.refused) == (1, [])


def test_grid_leads_to_the_packing_list_of_the_ticked_gifts(gift):
    chosen = {"action": "packing_list", "_selected_action": [gift.pk, row().pk]}

    answer = staff(*PACKER).post(GRID, chosen)

    assert answer["Location"] == f"{GRID}packing-list/?ids={gift.pk}"


def test_page_corrects_an_address_and_shows_its_history(gift):
    clerk = StaffFactory(name="Ida Clerk")
    client = staff(*PACKER)
    page = reverse("admin:rewards_redeemedreward_address", args=(gift.pk,))
    assert client.get(page).context["form"].initial["line_1"] == "ul. Prosta 1"

    data = {"line_1": "Nowa 2", "city": "Łódź", "country": "PL", "comment": "Has moved"}
    shown = words(client.post(page, data, follow=True))
    delivery.ship(
        redeemed_reward_id=gift.pk, actor=actors.staff(clerk.pk), now=NOW, carrier="DHL", tracking_number="J1"
    )

    assert "Nowa 2 Łódź PL" in shown
    assert "Address corrected Before: Anna Nowak, ul. Prosta 1, 00-001 Warszawa, PL “Has moved”" in shown
    assert "by Ida Clerk" in words(client.get(f"{GRID}{gift.pk}/change/"))


def test_page_of_an_address_says_why_it_cannot_be_corrected(gift):
    act(delivery.ship, gift)
    page = reverse("admin:rewards_redeemedreward_address", args=(gift.pk,))

    assert "only before that" in words(staff(*PACKER).post(page, {"line_1": "Nowa 2", "city": "Łódź", "country": "PL"}))


@pytest.mark.parametrize("place", ["packing-list/?ids={pk}", "{pk}/address/"])
def test_pages_with_addresses_are_closed_to_those_who_may_not_see_them(gift, place):
    client = staff(VIEW, "rewards.deliver_redeemedreward")

    assert client.get(GRID + place.format(pk=gift.pk)).status_code == 403


def test_page_for_tables_is_closed_to_those_who_do_not_deliver():
    assert staff(VIEW, "rewards.view_address").get(f"{GRID}tracking/").status_code == 403
