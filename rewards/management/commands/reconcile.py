"""`manage.py reconcile CONNECTION`: prove that our codes and a shop's agree."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from platforms.models import StoreConnection
from rewards.models import ReconciliationFinding, ReconciliationRun
from rewards.reconciliation import runs, steps

CLAIMED = "A worker is at it this moment. Its findings stand in the admin, under Reconciliations."


class Command(BaseCommand):
    help = (
        "Compare all our codes of a shop with those it has, and list what differs. Changes nothing but its own records. "
        "Exits with 1 when something differs, with 2 when the comparison did not come to its end. One that was broken "
        "off goes on where it stood."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("connection", metavar="CONNECTION", help="The shop's name, or its number.")
        parser.add_argument(
            "--json", action="store_true", help="One line for each difference, as JSON, and a last one."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        shop = shop_of(options["connection"])
        try:
            begun = runs.begin(connection_id=shop.pk, actor=SYSTEM, now=timezone.now())
        except runs.CannotReconcile as refusal:
            raise CommandError(refusal.sentence, returncode=2) from refusal
        claim = runs.take(run_id=begun.pk, now=timezone.now())
        if claim is None:
            raise CommandError(CLAIMED, returncode=2)
        verdict = steps.work(claim=claim, now=timezone.now(), patience=float("inf"))
        run = ReconciliationRun.objects.get(pk=begun.pk)
        found = ReconciliationFinding.objects.filter(run=run).order_by("canonical")
        for row in found.iterator(chunk_size=500):
            self.stdout.write(as_json(row) if options["json"] else as_line(row))
        if verdict is not steps.Verdict.DONE:
            raise CommandError(f"The comparison was not finished. {run.last_reason}".strip(), returncode=2)
        differing = sum(run.tally.values())
        if options["json"]:
            self.stdout.write(json.dumps(summary(run)))
        if differing:
            raise CommandError(f"{differing} of the codes of {shop.name} differ, or more than ours are there.")
        if not options["json"]:
            self.stdout.write(
                f"{shop.name} and our records agree: {run.compared} of our codes compared, {run.listed} listed there, "
                f"{run.accepted} differences accepted before."
            )


def shop_of(text: str) -> StoreConnection:
    """The shop of that name or number. Raises CommandError."""
    found = StoreConnection.objects.filter(name=text).first()
    if found is None and text.isdecimal() and len(text) < 19:
        found = StoreConnection.objects.filter(pk=int(text)).first()
    if found is None:
        names = ", ".join(StoreConnection.objects.order_by("name").values_list("name", flat=True)[:20]) or "none"
        raise CommandError(f"There is no shop {text!r}. There are: {names}.", returncode=2)
    return found


def as_line(row: ReconciliationFinding) -> str:
    repair = row.get_repair_display()
    return f"{row.canonical}: {row.get_kind_display()}. {row.get_detail_display()}. Repair: {repair}."


def as_json(row: ReconciliationFinding) -> str:
    facts: dict[str, Any] = {
        "code": row.canonical,
        "kind": row.kind,
        "detail": row.detail,
        "redeemed_reward": row.redeemed_reward_id,
        "order": row.order_id or None,
        "repair": row.repair or None,
        "ours": row.ours,
        "theirs": row.theirs,
    }
    return json.dumps(facts)


def summary(run: ReconciliationRun) -> dict[str, Any]:
    return {
        "run": run.pk,
        "listed": run.listed,
        "compared": run.compared,
        "accepted": run.accepted,
        "differences": run.tally,
    }
