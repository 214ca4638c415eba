"""What staff put right: each act shows the plan of the domain, and does just that or nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms

from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, show
from loyalty.points import adjustments, corrections, requests
from loyalty.points.corrections import CorrectionPlan
from loyalty.points.errors import MOST_POINTS
from loyalty.points.models import AdjustmentRequest, PointsShortfall, PointsTransaction


class NoteForm(forms.Form):
    internal_note = forms.CharField(max_length=1000, required=False, help_text="For staff. The customer never sees it.")


class ReturnForm(forms.Form):
    points = forms.IntegerField(
        label="How many points",
        min_value=1,
        max_value=MOST_POINTS,
        required=False,
        help_text="Empty: all that have not come back yet.",
    )
    customer_note = forms.CharField(
        max_length=500, required=False, help_text="The customer reads it. Empty: “Points returned”."
    )
    internal_note = forms.CharField(max_length=1000, required=False, help_text="For staff. The customer never sees it.")


class DecisionForm(forms.Form):
    note = forms.CharField(label="Note", max_length=1000, required=False, help_text="For staff, beside the request.")


def shown(title: str, plan: CorrectionPlan) -> acts.Preview:
    return acts.Preview(
        title=title,
        effects=plan.effects,
        refusal=plan.refusal,
        token=plan.fingerprint,
        tally={"points": plan.points},
    )


def signed(points: int) -> str:
    return f"{'+' if points > 0 else '−'}{show.points_text(abs(points))}"


def transaction_title(pk: int) -> str:
    row = PointsTransaction.objects.select_related("customer").get(pk=pk)
    return f"{row.customer}, {signed(row.points_change)} points on {show.instant_text(row.recorded_at)}"


class CancelCredit(acts.Act):
    slug, label, permission = "cancel-credit", "Cancel credit", "points.cancel_credit"
    explain = (
        "For points that were credited by mistake. What is left of them is taken from just the lots they came in; what "
        "was spent stays spent. This happens once and cannot be undone."
    )
    tone = "danger"
    form_class = NoteForm

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        return shown(transaction_title(pk), corrections.plan_cancellation(transaction_id=pk, now=now))

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        taken = corrections.cancel_credit(
            transaction_id=pk,
            actor=actor,
            now=now,
            fingerprint=token,
            internal_note=data.get("internal_note") or "",
        )
        return f"{transaction_title(pk)}: credit canceled, {show.points_text(-taken.points_change)} points taken."

    def totals(self, tally: Mapping[str, int]) -> str:
        return f"{show.points_text(tally.get('points', 0))} points are taken in all."


class ReturnPoints(acts.Act):
    slug, label, permission = "return-points", "Return points", "points.reverse_transaction"
    explain = (
        "The points go back to the very lots they came from, with the last day they had. What has come back already "
        "never comes back twice."
    )
    tone = "primary"
    form_class = ReturnForm
    preview_fields = ("points",)

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        plan = corrections.plan_return(transaction_id=pk, now=now, points=data.get("points"))
        return shown(transaction_title(pk), plan)

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        back = corrections.return_points(
            transaction_id=pk,
            actor=actor,
            now=now,
            fingerprint=token,
            points=data.get("points"),
            description=data.get("customer_note") or "",
            internal_note=data.get("internal_note") or "",
        )
        return f"{transaction_title(pk)}: {show.points_text(back.points_change)} points returned."

    def totals(self, tally: Mapping[str, int]) -> str:
        return f"{show.points_text(tally.get('points', 0))} points go back in all."


def shortfall_title(pk: int) -> str:
    row = PointsShortfall.objects.select_related("customer").get(pk=pk)
    return f"{row.customer}, {show.points_text(row.left)} points owed"


class Collect(acts.Act):
    slug, label, permission, bulk = "collect", "Collect now", "points.waive_shortfall", False
    explain = "Takes active points for everything this customer owes from refunds, as far as their points go."
    tone = "primary"

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        row = PointsShortfall.objects.select_related("customer").get(pk=pk)
        return shown(str(row.customer), corrections.plan_collection(customer_id=row.customer_id, now=now))

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        row = PointsShortfall.objects.select_related("customer").get(pk=pk)
        entry = corrections.collect(customer_id=row.customer_id, actor=actor, now=now, fingerprint=token)
        return f"{row.customer}: {show.points_text(-entry.points_change)} points collected."


class Waive(acts.Act):
    slug, label, permission = "waive", "Waive", "points.waive_shortfall"
    explain = "The customer no longer owes these points. This cannot be undone; an adjustment can take points later."
    tone = "danger"
    form_class = NoteForm

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        return shown(shortfall_title(pk), corrections.plan_waiver(shortfall_id=pk))

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        row = corrections.waive(
            shortfall_id=pk,
            actor=actor,
            now=now,
            fingerprint=token,
            internal_note=data.get("internal_note") or "",
        )
        return f"{row.customer}: {show.points_text(row.left)} owed points waived."

    def totals(self, tally: Mapping[str, int]) -> str:
        return f"{show.points_text(tally.get('points', 0))} owed points are let go in all."


def request_title(pk: int) -> str:
    row = AdjustmentRequest.objects.select_related("customer").get(pk=pk)
    return f"{row.customer}, {signed(row.points)} points"


class Approve(acts.Act):
    slug, label, permission = "approve", "Approve", "points.approve_adjustment"
    explain = "The adjustment is made at once, in your name beside that of the person who asked. It is final."
    tone = "primary"
    form_class = DecisionForm

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        plan = requests.plan(request_id=pk, now=now)
        words = AdjustmentRequest.objects.values_list("description", flat=True).get(pk=pk)
        return acts.Preview(
            title=request_title(pk),
            effects=[*plan.adjustment.effects, f"The customer reads “{words or adjustments.customer_text()}”."],
            refusal=plan.refusal,
            token=plan.fingerprint,
        )

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        requests.approve(request_id=pk, user_id=actor.id or 0, now=now, fingerprint=token, note=data.get("note") or "")
        return f"{request_title(pk)}: approved and adjusted."


class StateAct(acts.Act):
    """A decision that touches no points. Subclasses say what becomes of the request."""

    effect: ClassVar[str]

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        row = AdjustmentRequest.objects.get(pk=pk)
        refusal = "" if row.decided_at is None else f"This request was {row.get_state_display().lower()} already."
        return acts.Preview(title=request_title(pk), effects=[self.effect], refusal=refusal)


class Reject(StateAct):
    slug, label, permission = "reject", "Reject", "points.approve_adjustment"
    explain = "The adjustment is not made. The person who asked sees your note, and can ask again."
    effect = "No points change. The request is closed."
    tone = "danger"
    form_class = DecisionForm

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        requests.reject(request_id=pk, user_id=actor.id or 0, now=now, note=data.get("note") or "")
        return f"{request_title(pk)}: rejected."


class Withdraw(StateAct):
    slug, label, permission, bulk = "withdraw", "Withdraw", "points.add_pointsadjustment", False
    explain = "You no longer ask for this adjustment."
    effect = "No points change. The request is closed."

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        requests.withdraw(request_id=pk, user_id=actor.id or 0, now=now)
        return f"{request_title(pk)}: withdrawn."
