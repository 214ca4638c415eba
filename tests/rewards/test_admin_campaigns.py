"""The pages of campaigns: plan one, see exactly who would get it, give it, follow it, take it back."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.customers.models import CustomerState
from loyalty.jobs.models import Job
from loyalty.segments import keeping
from rewards import granting, usage
from rewards.campaigns import steps
from rewards.models import Campaign, RedeemedReward
from tests.factories.catalogue import RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.rewards.admin_rows import staff, words

pytestmark = pytest.mark.django_db
LIST, PLAN = "/admin/rewards/campaign/", "/admin/rewards/campaign/plan/"
MAY = ("rewards.view_campaign", "rewards.add_campaign")


def page_of(campaign):
    return reverse("admin:rewards_campaign_change", args=(campaign.pk,))


def act(campaign, slug):
    return reverse("admin:rewards_campaign_act", args=(campaign.pk, slug))


def worked(campaign):
    steps.work_on(job_id=campaign.job_id, now=timezone.now(), patience=60)


def sent(client, reward, **fields):
    said = {"name": "Spring", "reward": reward.pk, "audience": "filter", "states": ["member"], "once": "on"}
    return client.post(PLAN, said | fields)


def test_a_campaign_is_planned_checked_given_and_reverted_on_its_pages():
    client, reward = staff(*MAY, "rewards.view_redeemedreward"), RewardFactory(tax_value=2)
    members = CustomerFactory.create_batch(3)
    CustomerFactory(state=CustomerState.CANDIDATE)
    CustomerFactory(state=CustomerState.DISABLED)

    answer = sent(client, reward, internal_note="Thank you")
    campaign = Campaign.objects.get()
    worked(campaign)
    checked, preview = words(client.get(page_of(campaign))), words(client.get(act(campaign, "give")))

    assert answer.url == page_of(campaign)
    assert "Ready 3 customers of 3 would get “5 off”. Nobody has got it yet." in checked
    assert "3 customers get “5 off”, one each." in preview
    assert "Worth 15.00 USD together" in preview
    assert "Tax value 6.00 USD together." in preview
    assert not RedeemedReward.objects.exists()

    client.post(act(campaign, "give"))
    worked(campaign)
    usage.mark_used(
        redeemed_reward_id=RedeemedReward.objects.earliest("pk").pk,
        actor=steps._actor(campaign.job),
        now=timezone.now(),
    )
    given = words(client.get(page_of(campaign)))

    assert "Given 3 of 3 customers have got “5 off”." in given
    assert "Got it 3 of those used 1 of those issued 2" in given
    one = reverse("admin:rewards_redeemedreward_change", args=(RedeemedReward.objects.latest("pk").pk,))
    assert page_of(campaign) in client.get(one).content.decode()
    assert set(RedeemedReward.objects.values_list("customer_id", "internal_note")) == {
        (each.pk, "Thank you") for each in members
    }

    client.post(act(campaign, "revert"))
    worked(campaign)
    reverted = words(client.get(page_of(campaign)))

    assert "Reverted" in reverted
    assert "Taken back 2 Not taken back 1" in reverted
    assert "1 customer: It was used, and stays so." in reverted
    assert "Spring 5 off Reverted 3 3" in words(client.get(LIST))


def test_a_table_is_sent_and_those_who_are_left_out_stand_with_the_reason():
    client, reward = staff(*MAY), RewardFactory()
    anna, excluded = CustomerFactory(), CustomerFactory(state=CustomerState.DISABLED)
    file = SimpleUploadedFile("list.csv", f"email\n{anna.email}\n{excluded.email}\n".encode())

    sent(client, reward, audience="table", file=file, by="email")
    campaign = Campaign.objects.get()
    worked(campaign)
    told = words(client.get(page_of(campaign) + "?rows=left-out"))

    assert "1 customer: This customer is excluded from the programme and cannot get rewards." in told
    assert "Those in list.csv, by email" in told


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"audience": "table"}, "Choose the table in which the customers stand."),
        ({"audience": "list"}, "That reward is for everybody: it has no list."),
        ({"states": ["candidate"]}, "No customer is among those you chose."),
        ({"name": ""}, "This field is required."),
    ],
)
def test_what_cannot_be_planned_is_said_and_nothing_is_kept(fields, sentence):
    client, reward = staff(*MAY), RewardFactory()
    CustomerFactory()

    answer = sent(client, reward, **fields)

    assert sentence in words(answer)
    assert not Campaign.objects.exists()
    assert not Job.objects.exists()


def test_whoever_may_only_look_sees_no_buttons_and_does_nothing():
    reward = RewardFactory()
    CustomerFactory()
    sent(staff(*MAY), reward)
    campaign = Campaign.objects.get()
    worked(campaign)
    looker = staff("rewards.view_campaign")

    assert "Give it" not in words(looker.get(page_of(campaign)))
    assert [looker.get(PLAN).status_code, looker.post(act(campaign, "give")).status_code] == [403, 403]
    assert staff().get(page_of(campaign)).status_code == 403
    assert not RedeemedReward.objects.exists()


def test_the_grid_shows_what_one_campaign_gave_and_its_page_leads_there():
    client, reward = staff(*MAY, "rewards.view_redeemedreward"), RewardFactory()
    CustomerFactory.create_batch(2)
    sent(client, reward)
    campaign = Campaign.objects.get()
    worked(campaign)
    client.post(act(campaign, "give"))
    worked(campaign)
    granting.grant(customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=SYSTEM, now=timezone.now())
    where = f"/admin/rewards/redeemedreward/?campaign={campaign.pk}"

    grid = client.get(where)

    assert {row.pk for row in grid.context["cl"].result_list} == set(
        campaign.given.values_list("redeemed_reward_id", flat=True)
    )
    assert f'<option value="{campaign.pk}" selected>Spring</option>' in grid.content.decode()
    assert f'href="{where}"' in client.get(page_of(campaign)).content.decode()


def test_a_campaign_for_a_segment_begins_on_its_page_and_is_for_who_is_in_it_now():
    client, reward = staff(*MAY, "segments.view_segment"), RewardFactory()
    guest = CustomerFactory(state=CustomerState.CANDIDATE)
    CustomerFactory()
    segment = keeping.save(
        segment_id=None, name="Guests", parameters={"state": ["candidate"]}, actor=SYSTEM, now=timezone.now()
    )
    page = client.get(reverse("admin:segments_segment_change", args=(segment.pk,))).content.decode()
    form = client.get(PLAN, {"segment": segment.pk})

    nothing = sent(client, reward, audience="segment")
    sent(client, reward, audience="segment", segment=segment.pk)
    CustomerFactory(state=CustomerState.CANDIDATE)
    campaign = Campaign.objects.get()
    worked(campaign)
    checked = words(client.get(page_of(campaign)))

    assert f'href="{PLAN}?segment={segment.pk}"' in page
    assert form.context["form"].initial == {"segment": str(segment.pk), "audience": "segment"}
    assert "Choose the segment whose customers get it." in words(nothing)
    assert "1 customer of 1 would get “5 off”." in checked
    assert "Segment “Guests” as it was on " in checked
    assert list(campaign.job.rows.values_list("data", flat=True)) == [{"customer": str(guest.pk)}]


def test_bulk_codes_are_offered_where_a_shop_has_them_and_say_what_they_are_on_its_pages():
    client, customer = staff(*MAY, "rewards.view_redeemedreward"), CustomerFactory()
    without = words(client.get(PLAN))
    reward = RewardFactory(connection=ConnectionFactory(platform="sandbox"))

    sent(client, reward, bulk_codes="on")
    campaign = Campaign.objects.get()
    worked(campaign)
    client.post(act(campaign, "give"))
    worked(campaign)
    one = RedeemedReward.objects.select_related("code").get(customer=customer)
    page = words(client.get(reverse("admin:rewards_redeemedreward_change", args=(one.pk,))))

    assert "in batches of up to 250" not in without
    assert "in batches of up to 250" in words(client.get(PLAN))
    assert "made in batches, each under one discount of the shop" in words(client.get(page_of(campaign)))
    assert f"Bulk code: shares the discount cb-{campaign.pk}-1 in the shop" in page
    assert "The shop is making it" in page
    assert one.code.code not in page


def test_bulk_codes_that_cannot_be_are_refused_at_their_field():
    client, other = staff(*MAY), ConnectionFactory(platform="sandbox")
    CustomerFactory()
    reward = RewardFactory(connection=ConnectionFactory(platform="vendure", name="Vendure"))

    answer = sent(client, reward, bulk_codes="on")

    assert other.pk != reward.connection_id
    assert "Vendure does not put many codes under one discount" in words(answer)
    assert list(answer.context["form"].errors) == ["bulk_codes"]
    assert not Campaign.objects.exists()


@pytest.mark.parametrize(
    ("in_bulk", "moved", "says"),
    [
        (True, False, "Shop makes their codes in batches, each under one discount"),
        (True, True, "Each code is made by itself, although batches were asked for. Vendure does not put many"),
        (False, False, "Shop makes their codes one by one. A campaign with codes in batches would be"),
    ],
)
def test_it_says_before_it_is_given_how_the_codes_are_made(monkeypatch, in_bulk, moved, says):
    monkeypatch.setattr("rewards.admin.campaigns.MANY", 2)
    client, reward = staff(*MAY), RewardFactory(connection=ConnectionFactory(platform="sandbox", name="Shop"))
    CustomerFactory.create_batch(2)
    sent(client, reward, **({"bulk_codes": "on"} if in_bulk else {}))
    campaign = Campaign.objects.get()
    worked(campaign)
    if moved:
        reward.connection = ConnectionFactory(platform="vendure", name="Vendure")
        reward.save()

    assert says in words(client.get(act(campaign, "give")))
