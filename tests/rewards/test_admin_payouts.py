"""What staff see and say of the money of a cashback."""

from decimal import Decimal

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.points import queries as points
from platforms.payouts.provider import PayoutReport, PayoutStatus
from rewards import payouts
from rewards.models import Payout, PayoutEvidenceKind
from rewards.redemption import redeem
from tests.factories.catalogue import CashbackFactory, PointsProductFactory
from tests.factories.people import CustomerFactory, PayoutAccountFactory, StaffFactory
from tests.factories.points import give
from tests.rewards.admin_rows import EXPORT, GRID, VIEW, row, staff, words

pytestmark = pytest.mark.django_db(transaction=True)
SETTLE = "rewards.settle_payout"


@pytest.fixture
def cashback():
    """5 back for 100 points, to be paid by hand."""
    customer = CustomerFactory(first_name="Cora")
    give(customer, 100, now=timezone.now())
    price = PointsProductFactory(reward=CashbackFactory())
    return redeem(
        customer_id=customer.pk,
        points_product_id=price.pk,
        actor=staff_actor(),
        now=timezone.now(),
    )


def staff_actor():
    return actors.staff(StaffFactory().pk)


def told(redeemed, status, **said):
    payout = Payout.objects.get(redeemed_reward=redeemed)
    report = PayoutReport(reference=payout.reference, status=status, **said)
    payouts.record(redeemed_reward_id=redeemed.pk, report=report, kind=PayoutEvidenceKind.ASKED, now=timezone.now())


def page(redeemed, *permissions):
    return staff(VIEW, *permissions).get(f"{GRID}{redeemed.pk}/change/")


def cells(browser, **query):
    answer = browser.get(GRID, query)
    assert answer.status_code == 200
    return [str(line).split('class="field-cashback"')[1].split("</td>")[0] for line in answer.context["cl"].lines]


def test_the_grid_shows_the_status_of_cashback_and_a_dash_for_others(cashback):
    row(name="A code")

    found = cells(staff(VIEW), o="redeemed")

    assert sum("0: INIT: INIT" in cell for cell in found) == 1
    assert sum("–" in cell for cell in found) == 1


def test_the_grid_sorts_by_the_status(cashback):
    row(name="A code")

    assert "0: INIT: INIT" in cells(staff(VIEW), o="-cashback")[0]
    assert "0: INIT: INIT" in cells(staff(VIEW), o="cashback")[1]


@pytest.mark.parametrize(("state", "found"), [("init", 1), ("paid", 0)])
def test_the_grid_filters_by_where_the_money_stands(cashback, state, found):
    row(name="A code")

    answer = staff(VIEW).get(GRID, {"payout_state": state})

    assert answer.context["cl"].result_count == found


def test_the_kind_of_the_filter_comes_from_the_type(cashback):
    row(name="A code")

    answer = staff(VIEW).get(GRID, {"kind": "cashback"})

    assert [each.pk for each in answer.context["cl"].result_list] == [cashback.pk]


def test_the_export_has_the_status(cashback):
    content = b"".join(staff(VIEW).get(EXPORT).streaming_content).decode()

    head, line = content.splitlines()[:2]
    assert "Cashback status" in head
    assert "0: INIT: INIT" in line


def test_the_page_shows_the_payout_and_what_happens_next(cashback):
    shown = words(page(cashback, SETTLE))

    payout = cashback.payout
    assert "Issued, money on its way" in shown
    assert payout.reference in shown
    assert "It waits for a person: pay it, then mark it paid" in shown
    assert "5.00" in shown


def test_the_page_offers_what_can_be_said(cashback):
    rights = (SETTLE, "rewards.cancel_redeemedreward", "rewards.mark_used")

    assert [act["label"] for act in page(cashback, *rights).context["acts"]] == [
        "Mark paid",
        "Mark refused",
        "Cancel reward",
    ]
    told(cashback, PayoutStatus.PAID)
    paid = page(cashback, *rights)
    assert paid.context["acts"] == []
    assert "Issued, paid out" in words(paid)
    assert "money that was sent cannot be called back here" in words(paid)


def test_nobody_without_the_right_settles_a_payout(cashback):
    browser = staff(VIEW)

    assert browser.get(f"{GRID}{cashback.pk}/act/mark-paid/").status_code == 403
    assert browser.post(f"{GRID}{cashback.pk}/act/mark-paid/").status_code == 403
    assert Payout.objects.get().state == "init"


def act_url(browser, redeemed, label):
    answer = browser.get(f"{GRID}{redeemed.pk}/change/")
    return next(act["url"] for act in answer.context["acts"] if act["label"] == label)


def test_staff_mark_it_paid_with_their_banks_reference(cashback):
    browser = staff(VIEW, SETTLE)
    url = act_url(browser, cashback, "Mark paid")
    assert "counts as paid" in words(browser.get(url))

    browser.post(url, {"remote_id": "SEPA 1", "shown": ""})

    payout = Payout.objects.get()
    assert (payout.state, payout.remote_id) == ("paid", "SEPA 1")
    shown = words(page(cashback))
    assert "1: SUCCESS" in shown
    assert "Said by staff" in shown
    assert "Money paid out" in shown


def test_staff_mark_it_refused_and_the_points_go_back(cashback):
    browser = staff(VIEW, SETTLE)
    url = act_url(browser, cashback, "Mark refused")
    assert "The 100 points go back to where they came from." in words(browser.get(url))

    browser.post(url, {"reason": "No such account", "code": "AC04", "shown": ""})

    shown = words(page(cashback, "rewards.reissue_redeemedreward"))
    assert "Failed" in shown
    assert "did not pay: No such account." in shown
    assert "2: AC04: No such account" in shown
    assert "went back to where they came from" in shown
    assert points.balance(customer_id=cashback.customer_id, now=timezone.now()).balance == 100


def test_a_reason_is_asked_for(cashback):
    browser = staff(VIEW, SETTLE)

    answer = browser.post(act_url(browser, cashback, "Mark refused"), {"reason": "", "shown": ""})

    assert "This field is required." in words(answer)
    assert Payout.objects.get().state == "init"


def test_contradicted_payouts_stand_out(cashback):
    told(cashback, PayoutStatus.PAID)
    told(cashback, PayoutStatus.FAILED, code="R1", message="Returned")

    answer = page(cashback)

    assert "desk-timeline--bad" in answer.content.decode()
    assert "It says 2: R1: Returned" in words(answer)


def test_the_catalogue_takes_a_cashback():
    account = PayoutAccountFactory(name="By bank")
    browser = staff("rewards.view_reward", "rewards.add_reward", "rewards.change_reward", "rewards.add_rewardtext")
    form = {
        "name": "Money back",
        "type": "cashback",
        "currency": "USD",
        "amount": "5",
        "cost": "fixed",
        "points_price": "100",
        "daily_limit": "50",
        "texts-TOTAL_FORMS": "1",
        "texts-INITIAL_FORMS": "0",
        "texts-0-language": "en",
        "texts-0-name": "Money back",
    }

    refused = browser.post("/admin/rewards/reward/add/", form)
    assert "A cashback needs a payout account: it says who sends the money. Choose one." in words(refused)

    answer = browser.post("/admin/rewards/reward/add/", form | {"payout_account": account.pk})
    assert answer.status_code == 302
    reward = account.reward_set.get()
    assert (reward.amount, reward.daily_limit, reward.enabled) == (Decimal(5), Decimal(50), False)
