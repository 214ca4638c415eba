"""`manage.py issue_campaign NAME`: give one reward to many customers, exactly once, and take it back."""

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.common.adminkit import moments
from loyalty.common.errors import DomainError
from loyalty.customers.models import CustomerState, Tier
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Job, JobState, Step
from loyalty.points.import_rows import By
from platforms.models import StoreConnection
from rewards.campaigns import acts, audiences, queries, steps
from rewards.campaigns.queries import Figures, Reason
from rewards.models import Campaign, Reward

ALL, SOME, NOT_DONE = 0, 1, 2
PORTION = 2.0  # seconds of work between two lines of progress
SECONDS_BETWEEN_LOOKS = 0.5
DEEDS = {Step.CHECK: "Checked", Step.APPLY: "Given", Step.UNDO: "Taken back"}


class Command(BaseCommand):
    help = (
        "Give one reward to many customers as a campaign: all of them, those in VIP tiers, those a reward is for, or those "
        "in a table. Each customer gets one, however often it is run: a name that is known goes on where it stood. Exit "
        "codes: 0 everybody got it (with --dry-run: would; with --revert: lost it); 1 some did not, and it is said why; 2 "
        "it was refused, or somebody paused or stopped it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The campaign's name, new or known.")
        parser.add_argument("--reward", help="The reward's name for staff, or its number. For a new campaign.")
        whom = parser.add_mutually_exclusive_group()
        whom.add_argument("--all", action="store_true", help="All members and guests.")
        whom.add_argument("--members", action="store_true", help="All members.")
        whom.add_argument("--tier", action="append", metavar="TIER", help="Members in this VIP tier; may be repeated.")
        whom.add_argument("--list-of", metavar="REWARD", help="Those that reward is for: its list and its tiers.")
        whom.add_argument("--file", type=Path, help="Those in a CSV or XLSX table.")
        parser.add_argument("--by", choices=[by.value for by in By], default="email", help="What names them in --file.")
        parser.add_argument("--shop", help="Whose ids are meant by --by shop-id: the shop's name. None: your own ids.")
        parser.add_argument("--note", default="", help="Why, for staff; stands on each reward.")
        parser.add_argument("--again", action="store_true", help="Also to customers who have had this reward.")
        parser.add_argument("--beyond-audience", action="store_true", help="Also to those it is not offered to.")
        parser.add_argument(
            "--bulk-codes", action="store_true", help="Many codes under one discount of the shop: quicker."
        )
        parser.add_argument("--dry-run", action="store_true", help="Say who would get it, and stop.")
        parser.add_argument("--revert", action="store_true", help="Cancel what was given and not used.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            campaign = Campaign.objects.filter(name=options["name"].strip()).first() or self._plan(options)
            self._require_same(campaign, options)
            if options["revert"]:
                self._revert(campaign)
            else:
                self._give(campaign, dry_run=options["dry_run"])
        except DomainError as refusal:
            raise CommandError(refusal.sentence, returncode=NOT_DONE) from refusal
        code = self._tell(campaign, dry_run=options["dry_run"])
        if code:
            sys.exit(code)

    # What to work on

    def _plan(self, options: dict[str, Any]) -> Campaign:
        if options["revert"]:
            raise CommandError(f"There is no campaign {options['name']!r}. Check its name.", returncode=NOT_DONE)
        if options["reward"] is None:
            raise CommandError(
                f"There is no campaign {options['name']!r} yet. Name its --reward to plan it.", returncode=NOT_DONE
            )
        reward, file = reward_of(options["reward"]), opened(options["file"])
        try:
            return acts.plan(
                name=options["name"],
                reward_id=reward.pk,
                audience=self._audience(options, file),
                actor=SYSTEM,
                now=timezone.now(),
                beyond_audience=options["beyond_audience"],
                once=not options["again"],
                bulk=options["bulk_codes"],
                internal_note=options["note"],
            )
        finally:
            if file is not None:
                file.close()

    def _audience(self, options: dict[str, Any], file: BinaryIO | None) -> audiences.Audience:
        if file is not None:
            shop = None if options["shop"] is None else shop_of(options["shop"])
            name = str(options["file"].name)
            return audiences.of_table(file=file, file_name=name, by=By(options["by"]), connection_id=shop)
        if options["list_of"]:
            return audiences.of_reward(reward_id=reward_of(options["list_of"]).pk)
        if not (options["all"] or options["members"] or options["tier"]):
            raise CommandError("Say who gets it: --all, --members, --tier, --list-of or --file.", returncode=NOT_DONE)
        states = () if options["all"] else (CustomerState.MEMBER.value,)
        fit = audiences.Fit(states=states, tier_ids=tuple(tier_of(name) for name in options["tier"] or ()))
        return audiences.of_fit(fit=fit, zone=moments.current_zone())

    def _require_same(self, campaign: Campaign, options: dict[str, Any]) -> None:
        """A known name with another reward is a slip. Raises CommandError."""
        if options["reward"] is not None and reward_of(options["reward"]).pk != campaign.reward_id:
            raise CommandError(
                f"The campaign {campaign.name!r} gives another reward. Choose another name for this one.",
                returncode=NOT_DONE,
            )

    # Working

    def _give(self, campaign: Campaign, *, dry_run: bool) -> None:
        job = self._work(campaign)
        if (job.step, job.state) == (Step.CHECK, JobState.DONE) and not dry_run:
            acts.give(campaign_id=campaign.pk, actor=SYSTEM, now=timezone.now())
            job = self._work(campaign)
        if job.step == Step.UNDO and not dry_run:
            raise CommandError(f"The campaign {campaign.name!r} was reverted. Plan a new one.", returncode=NOT_DONE)
        self._require_done(campaign, job)

    def _revert(self, campaign: Campaign) -> None:
        job = Job.objects.get(pk=campaign.job_id)
        if (job.step, job.state) == (Step.APPLY, JobState.PAUSED):
            lifecycle.cancel(job_id=job.pk, now=timezone.now())
        if job.step != Step.UNDO:
            acts.revert(campaign_id=campaign.pk, actor=SYSTEM, now=timezone.now())
        self._require_done(campaign, self._work(campaign))

    def _work(self, campaign: Campaign) -> Job:
        """Do the present step to its end, here or, while a worker has it, by waiting for that."""
        job = Job.objects.get(pk=campaign.job_id)
        if job.state == JobState.PAUSED:
            job = lifecycle.resume(job_id=job.pk, now=timezone.now())
        while job.state == JobState.OPEN:
            if not steps.work_on(job_id=job.pk, now=timezone.now(), patience=PORTION):
                time.sleep(SECONDS_BETWEEN_LOOKS)
            job = Job.objects.get(pk=job.pk)
            self.stderr.write(f"{DEEDS[Step(job.step)]}: {job.rows_done:,} of {job.rows_total:,}", style_func=str)
        return job

    def _require_done(self, campaign: Campaign, job: Job) -> None:
        if job.state != JobState.DONE:
            word = queries.word(job).lower()
            raise CommandError(
                f"The campaign {campaign.name!r} is not done: it was {word}. {job.note}".strip(), returncode=NOT_DONE
            )

    # Telling

    def _tell(self, campaign: Campaign, *, dry_run: bool) -> int:
        """Say the exact numbers; gives back the exit code."""
        read = Campaign.objects.select_related("job", "reward").get(pk=campaign.pk)
        told = queries.figures(campaign=read, now=timezone.now())
        currency = read.reward.currency
        if read.job.step == Step.UNDO:
            self.stdout.write(f"{read.name}: {told.taken_back:,} of {told.granted:,} were taken back.")
            self._list(told.kept)
            return SOME if told.kept else ALL
        if dry_run and read.job.step == Step.CHECK:
            self.stdout.write(f"{read.name}: {told.planned:,} of {told.rows:,} would get “{read.reward.name}”.")
            self._money(told, currency)
            self._list(told.left_out)
            return SOME if told.left_out else ALL
        self.stdout.write(f"{read.name}: {told.granted:,} of {told.rows:,} got “{read.reward.name}”.")
        self._list((*told.left_out, *told.refused))
        return SOME if told.left_out or told.refused else ALL

    def _money(self, told: Figures, currency: str) -> None:
        for label, sum_of_money in (("Worth together", told.worth), ("Tax value together", told.tax_value)):
            if sum_of_money is not None:
                self.stdout.write(f"{label}: {sum_of_money} {currency}.")

    def _list(self, reasons: tuple[Reason, ...]) -> None:
        for reason in reasons:
            self.stdout.write(f"{reason.count:,} not: {reason.sentence}")


def opened(path: Path | None) -> BinaryIO | None:
    """The file of that path. Raises CommandError."""
    try:
        return None if path is None else path.open("rb")
    except OSError as error:
        raise CommandError(
            f"{path} cannot be read: {error.strerror}. Check the path and its permissions.", returncode=NOT_DONE
        ) from error


def reward_of(text: str) -> Reward:
    """The reward of that name for staff, or of that number. Raises CommandError."""
    found = list(Reward.objects.filter(name=text).order_by("pk")[:2])
    if not found and text.isascii() and text.isdecimal() and len(text) < 19:
        found = list(Reward.objects.filter(pk=int(text)))
    if len(found) != 1:
        which = "several rewards" if found else "no reward"
        raise CommandError(f"There is {which} called {text!r}. Give its number.", returncode=NOT_DONE)
    return found[0]


def tier_of(name: str) -> int:
    tier = Tier.objects.filter(name=name).first()
    if tier is None:
        names = ", ".join(Tier.objects.order_by("rank").values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no VIP tier {name!r}. There are: {names}.", returncode=NOT_DONE)
    return tier.pk


def shop_of(name: str) -> int:
    shop = StoreConnection.objects.filter(name=name).first()
    if shop is None:
        raise CommandError(f"There is no shop {name!r}. Its name stands under Shops in the admin.", returncode=NOT_DONE)
    return shop.pk
