"""What staff do with redeemed rewards. Each act is one domain call; a preview is the same call, rolled back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.adminkit import acts, show
from loyalty.common.errors import DomainError
from rewards import bulk, cancellation, delivery, extension, probing, rehearsal, reissue, retrying, usage
from rewards.admin import words
from rewards.models import CancellationReason, CancellationState, FulfillmentStatus, RedeemedReward


def load(pk: int) -> RedeemedReward:
    return RedeemedReward.objects.select_related("code", "connection").get(pk=pk)


def begin_job(request: HttpRequest, *, act: bulk.BulkAct, rows: QuerySet) -> str:
    """The same act as a job, for those who may begin one; else nothing, and the list says how many rows it takes."""
    if not request.user.has_perm("jobs.add_job"):
        return ""
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[: bulk.MOST_ROWS + 1])
    try:
        job = bulk.begin(act=act, ids=ids, actor=actors.staff(int(str(request.user.pk))), now=timezone.now())
    except DomainError as refusal:
        messages.error(request, refusal.sentence)
        return request.get_full_path()
    messages.success(request, f"{len(ids):,} rows are being checked. Nothing is changed before you apply the job.")
    return reverse("admin:jobs_job_change", args=(job.pk,))


TRACKING = "admin:rewards_redeemedreward_tracking"


class StatusAct(acts.Act):
    """An act that moves statuses in our database alone. Subclasses say the call and the word for what was done."""

    done: ClassVar[str]

    def call(self, *, pk: int, actor: Actor, now: datetime, data: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        found = rehearsal.rehearse(lambda: self.call(pk=pk, actor=SYSTEM, now=now, data=data), redeemed_reward_id=pk)
        return acts.Preview(title=words.title(load(pk)), effects=found.effects, refusal=found.refusal)

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        self.call(pk=pk, actor=actor, now=now, data=data)
        return f"{words.title(load(pk))}: {self.done}."


class MarkUsed(StatusAct):
    slug, label, permission = "mark-used", "Mark used", "rewards.mark_used"
    explain = "For rewards that were used without the shop telling us, and for gifts that are to be sent."
    done = "marked used"
    tone = "primary"

    def begin(self, request: HttpRequest, *, rows: QuerySet) -> str:
        return begin_job(request, act=bulk.BulkAct.USED, rows=rows)

    def call(self, *, pk: int, actor: Actor, now: datetime, data: Mapping[str, Any]) -> None:
        usage.mark_used(redeemed_reward_id=pk, actor=actor, now=now)


class MarkUnused(StatusAct):
    slug, label, permission = "mark-unused", "Mark unused", "rewards.mark_unused"
    explain = "The customer can use the reward again. The shop keeps its own record of the use, if it has one."
    done = "marked unused"

    def begin(self, request: HttpRequest, *, rows: QuerySet) -> str:
        return begin_job(request, act=bulk.BulkAct.UNUSED, rows=rows)

    def call(self, *, pk: int, actor: Actor, now: datetime, data: Mapping[str, Any]) -> None:
        usage.mark_unused(redeemed_reward_id=pk, actor=actor, now=now)


class ShipForm(forms.Form):
    carrier = forms.CharField(max_length=60, required=False)
    tracking_number = forms.CharField(max_length=80, required=False)
    tracking_url = forms.URLField(
        max_length=300,
        required=False,
        label="Tracking address",
        assume_scheme="https",
        help_text="The customer sees it.",
    )
    comment = forms.CharField(max_length=500, required=False, help_text="For staff.")


class ShipSeveralForm(forms.Form):
    """One tracking number is never of several parcels: the customer of another one would follow it."""

    carrier = forms.CharField(max_length=60, required=False)
    comment = forms.CharField(
        max_length=500,
        required=False,
        help_text="For staff. Each parcel has a tracking number of its own: send a table of them by “Tracking numbers”.",
    )


class CommentForm(forms.Form):
    comment = forms.CharField(max_length=500, required=False, help_text="For staff.")


class Ship(StatusAct):
    slug, label, permission = "ship", "Mark shipped", "rewards.deliver_redeemedreward"
    explain = "The parcel is on its way. Only gifts that were ordered can be shipped."
    done = "marked shipped"
    tone = "primary"
    form_class = ShipForm
    form_of_several = ShipSeveralForm

    def begin(self, request: HttpRequest, *, rows: QuerySet) -> str:
        """So many parcels have so many numbers: they come in a table."""
        messages.info(request, "So many parcels are shipped by a table of their tracking numbers. Send it here.")
        return reverse(TRACKING)

    def call(self, *, pk: int, actor: Actor, now: datetime, data: Mapping[str, Any]) -> None:
        given = {name: value for name, value in data.items() if value}
        delivery.ship(redeemed_reward_id=pk, actor=actor, now=now, **given)


class Deliver(StatusAct):
    slug, label, permission = "deliver", "Mark delivered", "rewards.deliver_redeemedreward"
    explain = "The parcel has arrived."
    done = "marked delivered"
    tone = "primary"
    form_class = CommentForm

    def begin(self, request: HttpRequest, *, rows: QuerySet) -> str:
        return begin_job(request, act=bulk.BulkAct.DELIVERED, rows=rows)

    def call(self, *, pk: int, actor: Actor, now: datetime, data: Mapping[str, Any]) -> None:
        delivery.deliver(redeemed_reward_id=pk, actor=actor, now=now, comment=data.get("comment") or "")


class CancelDelivery(StatusAct):
    slug, label, permission = "cancel-delivery", "Cancel delivery", "rewards.deliver_redeemedreward"
    explain = "The parcel is not sent after all. The reward itself stays as it is: to undo it and return the points, cancel it."
    done = "delivery canceled. To give the points back too, cancel the reward"
    form_class = CommentForm

    def begin(self, request: HttpRequest, *, rows: QuerySet) -> str:
        return begin_job(request, act=bulk.BulkAct.CANCEL_DELIVERY, rows=rows)

    def call(self, *, pk: int, actor: Actor, now: datetime, data: Mapping[str, Any]) -> None:
        delivery.cancel_delivery(redeemed_reward_id=pk, actor=actor, now=now, comment=data.get("comment") or "")


class CameBack(StatusAct):
    slug, label, permission = "came-back", "Parcel came back", "rewards.deliver_redeemedreward"
    explain = (
        "The parcel could not be delivered and is here again. Afterwards it can be ordered anew, to another address "
        "if need be, or the reward is canceled and the points go back."
    )
    done = "came back, its delivery is canceled. Order it anew, or cancel the reward"
    form_class = CommentForm

    def call(self, *, pk: int, actor: Actor, now: datetime, data: Mapping[str, Any]) -> None:
        delivery.came_back(redeemed_reward_id=pk, actor=actor, now=now, comment=data.get("comment") or "")


class OrderAgain(StatusAct):
    slug, label, permission = "order-again", "Order anew", "rewards.deliver_redeemedreward"
    explain = "The gift is sent after all: it is to be packed again."
    done = "ordered anew"
    tone = "primary"
    form_class = CommentForm

    def call(self, *, pk: int, actor: Actor, now: datetime, data: Mapping[str, Any]) -> None:
        delivery.order_again(redeemed_reward_id=pk, actor=actor, now=now, comment=data.get("comment") or "")


BY_STAFF = [choice for choice in CancellationReason.choices if choice[0] != CancellationReason.BY_CUSTOMER]


class CancelForm(forms.Form):
    return_points = forms.BooleanField(required=False, initial=True, label="Return the points to the customer")
    reason = forms.ChoiceField(choices=BY_STAFF, initial=CancellationReason.CUSTOMER_ASKED)
    internal_note = forms.CharField(max_length=1000, required=False, help_text="For staff. The customer never sees it.")


class CancelUsedForm(CancelForm):
    return_points = forms.BooleanField(required=False, initial=False, label="Return the points even so")


class Cancel(acts.Act):
    slug, label, permission = "cancel", "Cancel reward", "rewards.cancel_redeemedreward"
    explain = (
        "The code is made useless at the shop and proved dead, then the points go back to where they came from. "
        "This cannot be undone."
    )
    tone = "danger"
    form_class: ClassVar[type[forms.Form] | None] = CancelForm
    preview_fields = ("return_points",)
    after_use: ClassVar[bool] = False

    def begin(self, request: HttpRequest, *, rows: QuerySet) -> str:
        return begin_job(request, act=bulk.BulkAct.CANCEL, rows=rows)

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        plan = cancellation.plan(
            redeemed_reward_id=pk, now=now, return_points=bool(data.get("return_points")), after_use=self.after_use
        )
        return acts.Preview(
            title=words.title(load(pk)),
            effects=[effect.sentence for effect in plan.effects],
            refusal=plan.refusal,
            token=plan.fingerprint,
            tally={"points": plan.points_returned},
        )

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        row = cancellation.cancel(
            redeemed_reward_id=pk,
            actor=actor,
            now=now,
            fingerprint=token,
            return_points=bool(data.get("return_points")),
            after_use=self.after_use,
            reason=CancellationReason(data["reason"]),
            internal_note=data.get("internal_note") or "",
        )
        return f"{words.title(load(pk))}: {OUTCOMES[row.state]}"

    def totals(self, tally: Mapping[str, int]) -> str:
        points = tally.get("points", 0)
        return f"{show.points_text(points)} points go back in all." if points else "No points go back."


class CancelUsed(Cancel):
    slug, label, permission = "cancel-used", "Cancel after use", "rewards.cancel_used_redeemedreward"
    explain = (
        "The reward was used, and what it gave stays with the customer. Cancel it only if it should not count: the "
        "points come back if you say so. This cannot be undone."
    )
    form_class = CancelUsedForm
    after_use = True


OUTCOMES: dict[str, str] = {
    CancellationState.PROVED: "canceled.",
    CancellationState.CANCELLING: "the shop could not be asked yet. It is being canceled, and tried again by itself.",
    CancellationState.UNPROVED: "canceled by force. The code may still work at the shop.",
    CancellationState.SHARED: "canceled. The code keeps working for the other customers who have it.",
    CancellationState.USED_MEANWHILE: "not canceled, because it was used meanwhile.",
}


class NoteForm(forms.Form):
    internal_note = forms.CharField(max_length=1000, required=False, help_text="For staff. The customer never sees it.")


class Reissue(acts.Act):
    slug, label, permission = "reissue", "Reissue", "rewards.reissue_redeemedreward"
    explain = (
        "Failed is final: the customer gets a new reward in its place, without spending points, and both are linked."
    )
    tone = "primary"
    form_class = NoteForm

    def begin(self, request: HttpRequest, *, rows: QuerySet) -> str:
        return begin_job(request, act=bulk.BulkAct.REISSUE, rows=rows)

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        plan = reissue.plan(redeemed_reward_id=pk, now=now)
        return acts.Preview(
            title=words.title(load(pk)), effects=plan.effects, refusal=plan.refusal, token=plan.fingerprint
        )

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        new = reissue.reissue(
            redeemed_reward_id=pk,
            actor=actor,
            now=now,
            fingerprint=token,
            internal_note=data.get("internal_note") or "",
        )
        done = "reissued" if new.fulfillment_status == FulfillmentStatus.ISSUED else "reissued, and being generated"
        return f"{words.title(load(pk))}: {done} as reward {new.pk}."


class Retry(acts.Act):
    slug, label, permission = "retry", "Try again now", "rewards.reissue_redeemedreward"
    explain = "What waits for the shop or the payout provider is tried at once, instead of when its pause is over."

    def begin(self, request: HttpRequest, *, rows: QuerySet) -> str:
        return begin_job(request, act=bulk.BulkAct.RETRY, rows=rows)

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        effects, refusal = retrying.plan(redeemed_reward_id=pk, now=now)
        return acts.Preview(title=words.title(load(pk)), effects=effects, refusal=refusal)

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        retrying.retry(redeemed_reward_id=pk, actor=actor, now=now)
        return f"{words.title(load(pk))}: being tried again."


class ExtendForm(forms.Form):
    days = forms.IntegerField(
        min_value=1, max_value=extension.MOST_DAYS, initial=30, help_text="From today; the last day counts whole."
    )


class Extend(acts.Act):
    slug, label, permission = "extend", "Extend", "rewards.extend_redeemedreward"
    explain = "The reward lives longer, also one that has expired: the customer can use it again."
    form_class = ExtendForm
    preview_fields = ("days",)

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        """Planned: no shop is asked before somebody confirms."""
        redeemed = load(pk)
        found = extension.plan(redeemed=redeemed, days=data.get("days") or 30, now=now)
        effects = [f"Its end: {ends(redeemed)} → {show.instant_text(found.until)}", *found.effects]
        return acts.Preview(
            title=words.title(redeemed), effects=[] if found.refusal else effects, refusal=found.refusal
        )

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        redeemed = extension.extend(redeemed_reward_id=pk, days=data["days"], actor=actor, now=now)
        row = extension.standing(redeemed_reward_id=pk)
        if row is not None and row.state in extension.OPEN:
            return f"{words.title(load(pk))}: the shop has not answered yet. It is asked again by itself."
        return f"{words.title(load(pk))}: lives until {ends(redeemed)}."


def ends(redeemed: RedeemedReward) -> str:
    return show.instant_text(redeemed.expires_at)


class ForceForm(forms.Form):
    internal_note = forms.CharField(max_length=1000, required=False, help_text="Why it cannot wait. For staff.")


class ForceCancel(acts.Act):
    slug, label, permission = "force-cancel", "Cancel by force", "rewards.cancel_redeemedreward"
    explain = "Ends the cancellation without the shop's proof. Only for a shop that cannot be reached any more."
    tone = "danger"
    form_class = ForceForm
    bulk = False

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        redeemed = load(pk)
        under_way = redeemed.cancellations.filter(state=CancellationState.CANCELLING).exists()
        return acts.Preview(
            title=words.title(redeemed),
            effects=[
                "The reward becomes Canceled now.",
                "The code may still work at the shop: nobody has proved it dead.",
            ],
            refusal="" if under_way else "No cancellation of this reward is under way.",
        )

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        row = cancellation.force(
            redeemed_reward_id=pk, actor=actor, now=now, internal_note=data.get("internal_note") or ""
        )
        return f"{words.title(load(pk))}: {OUTCOMES[row.state]}"


class CheckAgain(acts.Act):
    slug, label, permission = "check-again", "Check again", "rewards.cancel_redeemedreward"
    explain = (
        "Asks the shop now whether the code of a canceled reward is dead. A code that still works is disabled again."
    )

    def begin(self, request: HttpRequest, *, rows: QuerySet) -> str:
        return begin_job(request, act=bulk.BulkAct.CHECK_AGAIN, rows=rows)

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        redeemed = load(pk)
        return acts.Preview(
            title=words.title(redeemed),
            effects=["The shop is asked, and its answer is kept as evidence."],
            refusal="" if probing.can_check(redeemed=redeemed) else "No shop knows a canceled code of this reward.",
        )

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        row = load(pk).cancellations.order_by("-id").first()
        if row is None:
            raise probing.NothingToCheck("This reward was not canceled: there is nothing to check.")
        finding = probing.check(cancellation_id=row.pk, actor=actor, now=now)
        return f"{words.title(load(pk))}: {finding.sentence}."
