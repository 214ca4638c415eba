"""The pages of code pools: what is left, where it came from, more of it, and the check of one code."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Job, Step
from rewards import granting, pool_imports, pool_making, pools
from rewards.models import CodePool, Reward, RewardCode
from tests.factories.catalogue import GiftFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.pools import fill
from tests.rewards.admin_rows import staff, words

pytestmark = pytest.mark.django_db

LIST = "/admin/rewards/codepool/"
IMPORT, MAKE, CHECK = f"{LIST}import/", f"{LIST}make/", f"{LIST}check/"
LOOK = ("rewards.view_codepool", "rewards.view_reward", "rewards.view_rewardcode", "rewards.view_redeemedreward")
CHANGE = (*LOOK, "rewards.change_codepool", "jobs.add_job", "jobs.view_job")


@pytest.fixture
def viewer():
    return staff(*LOOK)


@pytest.fixture
def manager():
    return staff(*CHANGE)


@pytest.fixture
def reward():
    return RewardFactory(name="Summer offer")


def page(reward):
    return f"{LIST}{reward.pk}/change/"


def sheet(text):
    return SimpleUploadedFile("codes.csv", text.encode())


def apply(job, kind):
    kind.work_on(job_id=job.pk, now=timezone.now(), patience=60)
    lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=actors.SYSTEM, now=timezone.now())
    kind.work_on(job_id=job.pk, now=timezone.now(), patience=60)


class TestPool:
    def test_tells_how_many_codes_are_left_and_why_the_others_are_not(self, viewer, reward):
        now = timezone.now()
        fill(reward, "A", "B", "C", created_at=now)
        fill(reward, "LATER", starts_at=now + timedelta(days=2))
        fill(reward, "OVER", ends_at=now)
        pools.draw(reward=reward, now=now)

        shown = words(viewer.get(page(reward)))

        assert (
            "Can be handed out now 2 Start later 1 Ended, and are never handed out 1 Left the pool 1 "
            "Shop None: no shop knows them" in shown
        )
        assert "Low" in shown
        assert "Settings" not in shown

    def test_changes_the_settings_for_those_who_may(self, viewer, manager, reward):
        fill(reward, "A")

        assert viewer.post(page(reward), {"warn_below": 5}).status_code == 403
        assert manager.post(page(reward), {"warn_below": 5}).status_code == 302

        pool = CodePool.objects.get()
        assert (pool.in_use, pool.warn_below) == (False, 5)
        assert "Not in use" in words(manager.get(page(reward)))

    def test_says_when_the_codes_are_of_another_shop(self, viewer, reward):
        fill(reward, "A")
        Reward.objects.filter(pk=reward.pk).update(connection=ConnectionFactory())

        assert "These codes are of another shop than the reward's." in words(viewer.get(page(reward)))

    def test_gives_the_waiting_codes_as_a_table_to_those_who_may(self, viewer, manager, reward):
        fill(reward, "=A", "B")
        fill(reward, "GONE", taken_at=timezone.now())
        url = reverse("admin:rewards_codepool_codes", args=(reward.pk,))

        assert viewer.get(url).status_code == 403
        assert manager.get(url).getvalue().decode("utf-8-sig").splitlines() == ["code,start,end", "'=A,,", "B,,"]

    def test_is_not_found_for_a_reward_without_one(self, viewer, reward):
        assert viewer.get(page(reward)).status_code == 404


class TestLists:
    def test_the_list_and_the_catalogue_warn_of_low_and_empty_pools(self, viewer, reward):
        fill(reward, "A", "B")
        fill(RewardFactory(name="Winter offer"))
        plenty = RewardFactory(name="Plenty")
        fill(plenty, "C")
        CodePool.objects.filter(reward=plenty).update(warn_below=1)

        listed, catalogue = words(viewer.get(LIST)), words(viewer.get("/admin/rewards/reward/"))

        assert "Plenty 1 Filled" in listed
        assert "Summer offer 2 Low" in listed
        assert "Winter offer 0 Empty" in listed
        assert "Low: 2 codes" in catalogue
        assert "No code left" in catalogue
        assert "1 code " in catalogue

    @pytest.mark.parametrize("url", [LIST, "/admin/rewards/reward/"])
    def test_a_list_takes_as_many_queries_for_many_pools_as_for_one(self, viewer, url):
        counts = []
        for number in range(2):
            for place in range(1 + 4 * number):
                fill(RewardFactory(name=f"Offer {number} {place}"), f"{number}-{place}")
            viewer.get(url)
            with CaptureQueriesContext(database) as queries:
                viewer.get(url)
            counts.append(len(queries))

        assert counts[0] == counts[1]


class TestAdding:
    def test_begins_an_import_and_goes_to_its_job(self, manager, reward):
        answer = manager.post(IMPORT, {"reward": reward.pk, "file": sheet("code,end\nA-1,2199-01-01\nA-1,\n")})

        job = Job.objects.get()
        assert answer.url == f"/admin/jobs/job/{job.pk}/change/"
        apply(job, pool_imports)
        assert RewardCode.objects.get().code == "A-1"
        assert "Code: “A-1” stands in row 2 already." in words(manager.get(answer.url))
        assert job.title in words(manager.get(page(reward)))

    def test_says_at_the_field_what_is_wrong_with_the_table(self, manager, reward):
        answer = manager.post(IMPORT, {"reward": reward.pk, "file": sheet("coupon\nA\n")})

        assert "The column &#x27;coupon&#x27; is not known." in answer.content.decode()
        assert Job.objects.count() == 0

    def test_makes_codes_ahead_by_a_job(self, manager, reward):
        manager.post(MAKE, {"reward": reward.pk, "count": 7})

        apply(Job.objects.get(), pool_making)
        assert RewardCode.objects.filter(pool=reward.pk).count() == 7

    def test_offers_only_rewards_with_codes(self, manager, reward):
        gift = GiftFactory()

        shown = manager.get(f"{MAKE}?reward={reward.pk}").content.decode()

        assert f'<option value="{reward.pk}" selected>' in shown
        assert f'<option value="{gift.pk}"' not in shown

    @pytest.mark.parametrize("url", [IMPORT, MAKE])
    def test_is_closed_to_those_who_may_only_look(self, viewer, url):
        assert (viewer.get(url).status_code, viewer.post(url, {}).status_code) == (403, 403)

    def test_checks_the_token_of_what_is_sent(self, manager, reward):
        manager.handler.enforce_csrf_checks = True

        assert manager.post(IMPORT, {"reward": reward.pk, "file": sheet("code\nA\n")}).status_code == 403


class TestCheck:
    def test_tells_whose_a_code_is_and_since_when(self, viewer, reward):
        fill(reward, "SCAN-ME", created_at=timezone.now())
        redeemed = granting.grant(
            customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=actors.SYSTEM, now=timezone.now()
        )

        answer = viewer.post(CHECK, {"code": " scan-me"})

        shown = words(answer)
        assert "Issued The customer has it and can use it." in shown
        assert "Anna Nowak" in shown
        assert f"/admin/rewards/redeemedreward/{redeemed.pk}/change/" in answer.content.decode()

    def test_finds_nothing_by_a_part(self, viewer, reward):
        fill(reward, "SCAN-ME")

        shown = words(viewer.post(CHECK, {"code": "SCAN"}))

        assert "Unknown There is no code “SCAN”" in shown
        assert "SCAN-ME" not in shown

    def test_takes_no_code_from_the_address(self, viewer, reward):
        fill(reward, "SCAN-ME")

        assert "In the pool" not in words(viewer.get(f"{CHECK}?code=SCAN-ME"))

    def test_stands_in_the_menu_of_those_who_may(self, viewer):
        assert "Check a code" in words(viewer.get(LIST))
        assert staff("rewards.view_redeemedreward").get(CHECK).status_code == 403
