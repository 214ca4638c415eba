"""What a row is called in staff's words: where points came from, what they went to, and who did it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.models import Q

from loyalty.accounts.models import User
from loyalty.common.actors import ActorKind
from loyalty.common.causes import CauseType
from loyalty.insights.facts import Facts
from loyalty.points.models import (
    AdjustmentReason,
    PointsAdjustment,
    PointsHold,
    PointsTransaction,
    PointsTransfer,
    TransactionKind,
)
from loyalty.program.models import Order
from platforms.models import StoreConnection
from rewards.models import RedeemedReward


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Names of everything one customer's rows refer to."""

    staff: dict[int, str]
    shops: dict[int, str]
    orders: dict[int, str]
    rewards: dict[int, str]
    reasons: dict[int, str]  # by the adjustment's transaction
    partners: dict[int, str]  # the other side of a transfer, by this side's transaction

    def source(self, entry: PointsTransaction) -> str:
        """Where the points of a credit came from, or what a debit took them for."""
        tellers: dict[str, Callable[[PointsTransaction], str]] = {
            TransactionKind.EARNING: self._earned,
            TransactionKind.REDEMPTION: self._spent,
            TransactionKind.ADJUSTMENT: self._adjusted,
            TransactionKind.REVERSAL: self._returned,
            TransactionKind.CLAWBACK: self._taken_back,
            TransactionKind.TRANSFER: self._moved,
        }
        plain = {TransactionKind.EXPIRY: "Expired", TransactionKind.CANCELLATION: "Credit canceled"}
        teller = tellers.get(entry.kind)
        return teller(entry) if teller is not None else plain[TransactionKind(entry.kind)]

    def held_for(self, hold: PointsHold) -> str:
        if hold.cause_type == CauseType.REDEEMED_REWARD:
            return f"Held for {self._reward(hold.cause_id)}"
        return f"Held by {self.by(hold)}" + (f": {hold.description}" if hold.description else "")

    def by(self, row: PointsTransaction | PointsHold) -> str:
        """Who did it."""
        number = row.actor_id or 0
        match row.actor_kind:
            case ActorKind.STAFF:
                return self.staff.get(number, f"staff {number}")
            case ActorKind.CUSTOMER:
                return "the customer"
            case ActorKind.API_KEY:
                return f"API key {number}"
            case ActorKind.SHOP:
                return self.shops.get(number, "the shop")
            case _:
                return "the programme"

    def _earned(self, entry: PointsTransaction) -> str:
        if entry.cause_type == CauseType.ORDER:
            return f"Earned by {self._order(entry.cause_id)}"
        if entry.cause_type == CauseType.ACTIVITY:
            return "Earned by an activity"
        if entry.cause_type == CauseType.EARNING_RULE:
            return "Earned by a rule"
        return "Earned, imported" if entry.cause_type == CauseType.IMPORT else "Earned"

    def _spent(self, entry: PointsTransaction) -> str:
        if entry.cause_type == CauseType.REDEEMED_REWARD:
            return f"Spent on {self._reward(entry.cause_id)}"
        return "Spent through the API" if entry.cause_type == CauseType.API else "Spent"

    def _returned(self, entry: PointsTransaction) -> str:
        if entry.cause_type == CauseType.REDEEMED_REWARD:
            return f"Returned from {self._reward(entry.cause_id)}"
        return "Returned"

    def _moved(self, entry: PointsTransaction) -> str:
        way = "to" if entry.points_change < 0 else "here from"
        return f"Moved {way} {self.partners.get(entry.pk, 'another customer')}"

    def _adjusted(self, entry: PointsTransaction) -> str:
        verb = "Added by adjustment" if entry.points_change > 0 else "Removed by adjustment"
        reason = self.reasons.get(entry.pk)
        return f"{verb}: {reason[:1].lower()}{reason[1:]}" if reason else verb

    def _taken_back(self, entry: PointsTransaction) -> str:
        if entry.cause_type == CauseType.ORDER:
            return f"Taken back: {self._order(entry.cause_id)} was refunded"
        return "Collected for an earlier refund"

    def _order(self, order_id: int | None) -> str:
        return f"order {self.orders.get(order_id or 0, order_id)}"

    def _reward(self, redeemed_id: int | None) -> str:
        name = self.rewards.get(redeemed_id or 0)
        return f"“{name}”" if name else "a reward"


def load(rows: Facts) -> Words:
    """The names, each kind in one query however many there are."""
    acts: list[PointsTransaction | PointsHold] = [*rows.transactions.values(), *rows.holds.values()]
    return Words(
        staff={user.pk: user.get_full_name() for user in User.objects.filter(pk__in=_actors(acts, ActorKind.STAFF))},
        shops=dict(StoreConnection.objects.filter(pk__in=_actors(acts, ActorKind.SHOP)).values_list("pk", "name")),
        orders={order.pk: str(order) for order in Order.objects.filter(pk__in=_causes(acts, CauseType.ORDER))},
        rewards=dict(
            RedeemedReward.objects.filter(pk__in=_causes(acts, CauseType.REDEEMED_REWARD)).values_list("pk", "name")
        ),
        reasons={
            transaction_id: str(AdjustmentReason(reason).label)
            for transaction_id, reason in PointsAdjustment.objects.filter(customer_id=rows.customer_id)
            .exclude(reason="")
            .values_list("transaction_id", "reason")
        },
        partners=_partners(rows.customer_id),
    )


def _partners(customer_id: int) -> dict[int, str]:
    moves = PointsTransfer.objects.filter(Q(sender_id=customer_id) | Q(receiver_id=customer_id))
    names: dict[int, str] = {}
    for move in moves.select_related("sender", "receiver"):
        sent = move.sender_id == customer_id
        names[move.debit_id if sent else move.credit_id] = str(move.receiver if sent else move.sender)
    return names


def _actors(acts: Iterable[PointsTransaction | PointsHold], kind: ActorKind) -> set[int]:
    return {act.actor_id for act in acts if act.actor_kind == kind and act.actor_id is not None}


def _causes(acts: Iterable[PointsTransaction | PointsHold], kind: CauseType) -> set[int]:
    return {act.cause_id for act in acts if act.cause_type == kind and act.cause_id is not None}
