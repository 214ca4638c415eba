"""`manage.py points_policy`: what an expiry policy would do to points that customers hold, and doing it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.common.errors import DomainError
from loyalty.merchant.models import ExpiryMode
from loyalty.points import policy

LABELS = {
    policy.Effect.EARLIER: "an earlier end",
    policy.Effect.LATER: "a later end",
    policy.Effect.NO_END: "no end any more",
    policy.Effect.FIRST_END: "an end for the first time",
    policy.Effect.SAME_END: "the same end, by another rule",
}


class Command(BaseCommand):
    help = (
        "Show what applying an expiry policy to points that customers hold would do, and apply it. Without --mode it is "
        "the programme's own, which by itself concerns new points only. Interrupt it any time: the next run goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--preview", action="store_true", help="Change nothing, say what would happen (the default).")
        act.add_argument("--apply", action="store_true", help="Do it. Needs --plan or --at-most.")
        parser.add_argument("--mode", choices=ExpiryMode.values, help="Another policy than the programme's.")
        parser.add_argument("--days", type=int, help="For the modes days and idle.")
        parser.add_argument("--plan", help="The fingerprint of the preview you agree to; refused when it has changed.")
        parser.add_argument(
            "--at-most",
            type=int,
            metavar="POINTS",
            help="Apply whatever the plan is by now, if no more than so many points expire at once.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["apply"] and options["plan"] is None and options["at_most"] is None:
            raise CommandError("Say what you agree to: --plan with the fingerprint of a preview, or --at-most POINTS.")
        try:
            wanted = self.policy_of(options)
            if options["apply"]:
                self.apply(wanted, shown=options["plan"], most_at_once=options["at_most"])
            else:
                self.tell(policy.make_plan(policy=wanted, now=timezone.now()))
        except DomainError as refusal:
            raise CommandError(refusal.sentence) from refusal

    def policy_of(self, options: dict[str, Any]) -> policy.Policy:
        programme = policy.of_programme()
        return policy.Policy(
            mode=ExpiryMode(options["mode"] or programme.mode),
            days=programme.days if options["days"] is None else options["days"],
        )

    def apply(self, wanted: policy.Policy, *, shown: str | None, most_at_once: int | None) -> None:
        now = timezone.now()
        plan = policy.confirm(policy=wanted, now=now, shown=shown, most_at_once=most_at_once)
        done = policy.Progress()
        try:
            for done in policy.apply(plan=plan, actor=SYSTEM, now=now):
                self.stdout.write(f"{done.lots:,} of {plan.changed.lots:,} lots, {done.customers:,} customers")
        except KeyboardInterrupt as stop:
            raise CommandError(
                f"Stopped after {done.lots:,} lots. They are done, and the next preview shows the rest.", returncode=130
            ) from stop
        self.stdout.write(
            f"Done: {done.lots:,} lots of {done.customers:,} customers have their new end, "
            f"{done.expired:,} points expired at once."
        )

    def tell(self, plan: policy.Plan) -> None:
        self.stdout.write(f"{plan.policy.sentence} Days end at midnight in {plan.zone.key}.\n\n")
        for effect, tally in plan.effects.items():
            self.line(LABELS[effect], tally)
        self.line("unchanged", plan.unchanged)
        self.line("an end of their own, kept", plan.own_end)
        self.stdout.write("\nPoints that expire, if nobody spends or earns:\n")
        self.stdout.write(f"  {'at once':<24}{0:>14,} now{plan.at_once.points:>14,} after\n")
        for horizon in plan.horizons:
            label = f"within {horizon.days} days"
            self.stdout.write(f"  {label:<24}{horizon.before:>14,} now{horizon.after:>14,} after\n")
        self.sample(plan)
        self.stdout.write(
            f"\nTo do this: manage.py points_policy --apply --mode {plan.policy.mode} --days {plan.policy.days} "
            f"--plan {plan.fingerprint}"
            if plan.changed.lots
            else "\nNothing to do: every earned lot has this end already."
        )

    def line(self, label: str, tally: policy.Tally) -> None:
        self.stdout.write(
            f"  {label:<32}{tally.lots:>12,} lots{tally.customers:>12,} customers{tally.points:>14,} points"
        )

    def sample(self, plan: policy.Plan) -> None:
        if plan.sample:
            self.stdout.write("\nFor example (instants in UTC):")
        for move in plan.sample:
            before, after = (f"{end:%Y-%m-%d %H:%M}" if end else "never" for end in (move.end_before, move.end_after))
            self.stdout.write(
                f"  lot {move.lot_id} of customer {move.customer_id}, {move.points:,} points: {before} → "
                f"{'at once' if move.at_once else after}"
            )
