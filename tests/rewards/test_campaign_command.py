"""`manage.py issue_campaign`: the exact numbers, its exit codes, and a process that is killed in the middle."""

import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Customer, CustomerState
from loyalty.jobs.models import Job, JobState, Step
from loyalty.points import locking
from rewards import usage
from rewards.campaigns import steps
from rewards.models import Campaign, CampaignReward, RedeemedReward
from tests.factories.catalogue import RewardFactory
from tests.factories.people import CustomerFactory

MANAGE = Path(__file__).parents[2] / "manage.py"


def run(*arguments, capsys):
    """The exit code, and what was said."""
    try:
        call_command("issue_campaign", *arguments)
        code = 0
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out


@pytest.mark.django_db
def test_a_dry_run_gives_nothing_and_the_same_name_goes_on_and_gives_once(capsys):
    reward = RewardFactory(name="Five")
    CustomerFactory.create_batch(2)

    dry = run("Spring", "--reward", "Five", "--all", "--dry-run", capsys=capsys)
    held = RedeemedReward.objects.count()
    first = run("Spring", "--reward", "Five", "--all", capsys=capsys)
    again = run("Spring", capsys=capsys)

    assert dry == (0, "Spring: 2 of 2 would get “Five”.\nWorth together: 10.00 USD.\n")
    assert held == 0
    assert first == again == (0, "Spring: 2 of 2 got “Five”.\n")
    assert RedeemedReward.objects.filter(reward=reward).count() == 2


@pytest.mark.django_db
def test_it_ends_with_1_when_some_did_not_get_it_and_with_2_when_it_was_refused(capsys, tmp_path):
    RewardFactory(name="Five")
    other, anna = RewardFactory(name="Six"), CustomerFactory()
    table = tmp_path / "list.csv"
    table.write_text(f"email\n{anna.email}\nnobody@example.com\n")

    some = run("Spring", "--reward", "Five", "--file", str(table), capsys=capsys)

    assert some == (1, "Spring: 1 of 2 got “Five”.\n1 not: Nobody is known by what the table says.\n")
    for arguments, sentence in (
        (["Spring", "--reward", "Six"], "gives another reward"),
        (["Summer"], "Name its --reward"),
        (["Summer", "--reward", str(other.pk)], "Say who gets it"),
        (["Summer", "--reward", "Six", "--tier", "Gold"], "There is no VIP tier 'Gold'"),
        (["Summer", "--revert"], "There is no campaign 'Summer'"),
    ):
        with pytest.raises(CommandError, match=sentence) as refusal:
            call_command("issue_campaign", *arguments)
        assert refusal.value.returncode == 2


@pytest.mark.django_db
def test_it_takes_back_what_was_not_used(capsys):
    RewardFactory(name="Five")
    CustomerFactory.create_batch(3)
    run("Spring", "--reward", "Five", "--members", capsys=capsys)
    used = RedeemedReward.objects.earliest("pk")
    usage.mark_used(redeemed_reward_id=used.pk, actor=SYSTEM, now=timezone.now())

    code, said = run("Spring", "--revert", capsys=capsys)

    assert (code, said) == (1, "Spring: 2 of 3 were taken back.\n1 not: It was used, and stays so.\n")


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_it_goes_on_and_each_of_300_gets_exactly_one(process_environment):
    RewardFactory(name="Five")
    people = [Customer(email=f"c{number}@example.com", state=CustomerState.MEMBER) for number in range(300)]
    ids = [each.pk for each in Customer.objects.bulk_create(people)]

    with transaction.atomic():  # whose account is locked holds up the second batch
        locking.lock(customer_id=ids[260], now=timezone.now())
        with subprocess.Popen(
            [sys.executable, str(MANAGE), "issue_campaign", "Spring", "--reward", "Five", "--all"],
            env=process_environment,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                wait_until(lambda: RedeemedReward.objects.count() == 250)
            finally:  # also when it never came to that: it would wait for our lock for ever, and we for it
                process.send_signal(signal.SIGKILL)
    held = CampaignReward.objects.count()
    campaign = Campaign.objects.get()
    wait_until(lambda: is_given(campaign))

    assert process.returncode == -signal.SIGKILL
    assert held == 250
    assert sorted(CampaignReward.objects.values_list("customer_id", flat=True)) == ids
    assert sorted(RedeemedReward.objects.values_list("customer_id", flat=True)) == ids
    assert Job.objects.get().tally["apply"] == {"ok": 300}


def is_given(campaign):
    """Goes on as a worker would, once the dead one's claim is over."""
    steps.work_on(job_id=campaign.job_id, now=timezone.now() + timedelta(hours=1), patience=60)
    return Job.objects.filter(pk=campaign.job_id, step=Step.APPLY, state=JobState.DONE).exists()


def wait_until(holds, seconds=150):
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "It did not come to that."
        time.sleep(0.05)
