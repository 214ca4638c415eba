"""The money of a cashback: on the reward's page, and what staff say of payouts they send by hand or had to look up."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, show
from rewards import payouts_by_hand
from rewards.admin import timeline, words
from rewards.models import FINAL, Payout, PayoutEvidence, PayoutState, RedeemedReward

TONES: dict[str, show.Tone] = {
    PayoutState.INIT: "warn",
    PayoutState.UNKNOWN: "warn",
    PayoutState.PENDING: "info",
    PayoutState.REVIEW: "bad",
    PayoutState.PAID: "good",
    PayoutState.FAILED: "bad",
    PayoutState.CANCELLED: "quiet",
}
NEXT: dict[str, str] = {
    PayoutState.INIT: "It is sent by itself, under this reference.",
    PayoutState.UNKNOWN: "It was sent, or may have been, and no clear answer came. The provider is asked about the "
    "reference by itself; nothing is sent again unless it proves that it has no such payout.",
    PayoutState.PENDING: "The provider has it, and is asked by itself until it has paid or refused.",
    PayoutState.REVIEW: "Nobody can say by itself whether it was paid, so a person has to look. {look} Then mark it paid, "
    "or refused: refused, the points go back. It is still asked about, and never sent again.",
    PayoutState.PAID: "Nothing more happens.",
    PayoutState.FAILED: "Nothing was paid, and nothing is sent any more. The points are the customer's again.",
    PayoutState.CANCELLED: "It was never sent.",
}
BY_HAND_NEXT = "It waits for a person: pay it, then mark it paid; or mark it refused, and the points go back."


def panel(request: HttpRequest, redeemed: RedeemedReward) -> dict[str, Any] | None:
    """What the page says of the payout; nothing for other rewards."""
    payout: Payout | None = getattr(redeemed, "payout", None)
    if payout is None:
        return None
    account = payout.account
    name: Any = account.name
    if request.user.has_perm("platforms.view_payoutaccount"):
        name = show.link(account.name, reverse("admin:platforms_payoutaccount_change", args=(account.pk,)))
    facts = [
        ("State", show.badge(payout.get_state_display(), tone=TONES[payout.state])),
        ("Status", words.cashback_badge(redeemed)),
        ("Amount", show.money(payout.amount, payout.currency)),
        ("Account", name),
        ("Our reference", show.copyable(payout.reference)),
        ("Provider's reference", show.text(payout.remote_id)),
    ]
    if payout.settled_at is not None:
        facts.append(("Settled", show.instant(payout.settled_at)))
    if payout.unknown_since is not None:
        facts.append(("Not known since", show.instant(payout.unknown_since)))
    if payout.attempts:
        facts.append(("Sent", "once" if payout.attempts == 1 else f"{payout.attempts} times, as one payment"))
    theirs = payout.state == PayoutState.REVIEW
    by_hand = not theirs and not payouts_by_hand.refusal(payout)
    return {
        "facts": facts,
        "next": BY_HAND_NEXT if by_hand else NEXT[payout.state].format(look=look(payout) if theirs else ""),
        "last_reason": "" if payout.state in FINAL else payout.last_reason,
        "evidence": [evidence(row) for row in payout.evidence.order_by("-id")[:50]],
    }


def look(payout: Payout) -> str:
    """Where a person finds out whether it was paid."""
    money = show.money_text(payout.amount, payout.currency)
    return payouts_by_hand.where_to_look(payout, money=money, time=show.instant_text(payout.created_at))


def evidence(row: PayoutEvidence) -> dict[str, Any]:
    return {
        "row": row,
        "kind": row.get_kind_display(),
        "outcome": row.said or timeline.OUTCOMES.get(row.outcome, row.outcome),
        "exact": show.exact_text(row.observed_at),
    }


class PaidForm(forms.Form):
    remote_id = forms.CharField(
        max_length=120,
        required=False,
        label="Your reference",
        help_text="What your bank or the provider calls it, to find it again.",
    )


class RefusedForm(forms.Form):
    reason = forms.CharField(max_length=120, help_text="For staff. Such as: the account does not exist.")
    code = forms.CharField(max_length=40, required=False, help_text="Of the bank, if it gave one.")


class OnPayout(acts.Act):
    """An act on a payout by hand, or on one in review."""

    permission = "rewards.settle_payout"
    bulk = False
    effects: tuple[str, ...] = ()
    returns_points = False

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        redeemed = RedeemedReward.objects.select_related("code", "payout__account").get(pk=pk)
        payout: Payout | None = getattr(redeemed, "payout", None)
        if payout is None:
            return acts.Preview(title=words.title(redeemed), refusal="This reward is no cashback: nothing is paid out.")
        effects = [f"Look first. {look(payout)}"] if payout.state == PayoutState.REVIEW else []
        effects += [effect.format(money=show.money_text(payout.amount, payout.currency)) for effect in self.effects]
        if self.returns_points and redeemed.cost_in_points:
            effects.append(f"The {show.points_text(redeemed.cost_in_points)} points go back to where they came from.")
        return acts.Preview(title=words.title(redeemed), effects=effects, refusal=payouts_by_hand.refusal(payout))


class MarkPaid(OnPayout):
    slug, label = "mark-paid", "Mark paid"
    explain = "The money is with the customer: you sent it, or found it sent. This cannot be undone."
    tone = "primary"
    form_class = PaidForm
    effects = ("The payout of {money} counts as paid, and the customer reads that it was.",)

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        payout = payouts_by_hand.mark_paid(
            redeemed_reward_id=pk, actor=actor, now=now, remote_id=data.get("remote_id") or ""
        )
        return f"{payout.redeemed_reward.name}: marked paid."


class MarkRefused(OnPayout):
    slug, label = "mark-refused", "Mark refused"
    explain = "The money was not sent, and will not be: the reward fails and its points go back. This cannot be undone."
    tone = "danger"
    form_class = RefusedForm
    effects = (
        "The payout of {money} counts as refused: nobody pays it any more.",
        "The reward becomes Failed, and the customer no longer sees it.",
    )
    returns_points = True

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        payout = payouts_by_hand.mark_refused(
            redeemed_reward_id=pk, actor=actor, now=now, reason=data["reason"], code=data.get("code") or ""
        )
        return f"{payout.redeemed_reward.name}: marked refused. The points are the customer's again."
