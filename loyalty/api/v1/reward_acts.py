"""What is done with redeemed rewards: cancel, reissue, mark used, mark unused; each can be tried before with `dry_run`."""

from collections.abc import Callable
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import authentication, documentation, errors, fields, parsing, views
from loyalty.api.keys import Scope
from loyalty.api.v1 import planning
from loyalty.api.v1.reward_fulfillments import RewardFulfillmentSerializer, existing, shape
from loyalty.common.errors import DomainError
from rewards import cancellation, rehearsal, reissue, usage
from rewards.models import Cancellation, CancellationReason, CancellationState

NAME = "reward_fulfillment"
REASONS = [value for value in CancellationReason.values if value != CancellationReason.BY_CUSTOMER]
FORCED = (
    "If the shop cannot be reached now, it is canceled all the same and the points go back: the code may still work."
)


class DryRunSerializer(serializers.Serializer):
    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="Change nothing; the answer holds the plan and the reward as it is."
    )


class CancelSerializer(DryRunSerializer):
    return_points = serializers.BooleanField(
        required=False, help_text="Left out, points go back, but not with `after_use`."
    )
    refund_points = serializers.BooleanField(required=False, help_text="Another name for `return_points`.")
    after_use = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Also what was used, and only that. Needs the scope reward_cancellation:write.",
    )
    force = serializers.BooleanField(
        required=False,
        default=False,
        help_text="End it now though the shop cannot be reached. Needs the scope reward_cancellation:write.",
    )
    reason = fields.WordField(choices=REASONS, required=False, allow_null=True)
    fingerprint = fields.TextField(
        required=False, allow_null=True, max_length=64, help_text="Of the plan that was shown."
    )
    internal_note = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=1000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = {attrs[name] for name in ("return_points", "refund_points") if name in attrs}
        if len(given) > 1:
            raise errors.Contradictory("return_points and refund_points contradict each other. Send one.")
        attrs["return_points"] = given.pop() if given else not attrs["after_use"]
        return attrs


class ReissueSerializer(DryRunSerializer):
    fingerprint = fields.TextField(
        required=False, allow_null=True, max_length=64, help_text="Of the plan that was shown."
    )
    internal_note = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=1000)


class MarkUsedSerializer(DryRunSerializer):
    order_id = fields.NameField(required=False, allow_null=True, allow_blank=True, max_length=120)


class UsedMeanwhile(DomainError):
    """The cancellation came too late."""

    code = "used_meanwhile"


class CancelRewardFulfillment(views.ApiView):
    scopes = {"POST": Scope.REWARD_FULFILLMENT_WRITE}

    @documentation.write(
        NAME,
        RewardFulfillmentSerializer,
        accepts=CancelSerializer,
        status=200,
        missing=True,
        plan=True,
        operation="cancel_reward_fulfillment",
        summary="Cancel a redeemed reward (extension)",
        description=(
            "The code is killed in the shop and proved dead, then the points go back. While the shop cannot be reached "
            "the answer is 202, `fulfillment_status` stays `issued` and `status` is `cancelling`: get it again later, or "
            "force it. Cancelling twice is harmless. What was used is canceled with `after_use`: what it gave stays with "
            "the customer, and points go back only if you say so."
        ),
        refusals="it was used, or it cannot be cancelled any more",
        also=(202,),
    )
    @views.once(atomic=False)
    def post(self, request: Request, pk: str) -> Response:
        redeemed_reward_id = existing(pk)
        serializer = CancelSerializer(data=parsing.body_of(request, name=NAME))
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        if given["after_use"] or given["force"]:
            authentication.require_scope(request, Scope.REWARD_CANCELLATION_WRITE)
        if given["dry_run"]:
            return _planned(redeemed_reward_id, _cancellation_plan(redeemed_reward_id, given))
        row = _cancel(request, redeemed_reward_id, given)
        if row.state == CancellationState.USED_MEANWHILE:
            raise UsedMeanwhile("The shop shows that the code was used before it could be killed: no points went back.")
        return _answer(redeemed_reward_id, status=202 if row.state == CancellationState.CANCELLING else 200)


class ReissueRewardFulfillment(views.ApiView):
    scopes = {"POST": Scope.REWARD_FULFILLMENT_WRITE}

    @documentation.write(
        NAME,
        RewardFulfillmentSerializer,
        accepts=ReissueSerializer,
        status=201,
        missing=True,
        plan=True,
        operation="reissue_reward_fulfillment",
        summary="Give a failed reward anew (extension)",
        description=(
            "A failed reward stays failed. The answer is the new one, which names it in `reissue_of_id` and is pending "
            "until the shop has made it. Reissuing twice gives the same new one. With `dry_run` the answer is 200 and the "
            "old one."
        ),
        refusals="it has not failed, or its limits are reached",
        also=(200,),
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        redeemed_reward_id = existing(pk)
        serializer = ReissueSerializer(data=parsing.body_of(request, name=NAME))
        serializer.is_valid(raise_exception=True)
        given, now = serializer.validated_data, timezone.now()
        if given["dry_run"]:
            found = reissue.plan(redeemed_reward_id=redeemed_reward_id, now=now)
            effects = [("status", sentence) for sentence in found.effects]
            told = planning.plan(effects, refusal=found.refusal, fingerprint=found.fingerprint)
            return _planned(redeemed_reward_id, told)
        new = reissue.reissue(
            redeemed_reward_id=redeemed_reward_id,
            fingerprint=given.get("fingerprint"),
            internal_note=given.get("internal_note") or "",
            actor=authentication.actor_of(request),
            now=now,
        )
        return _answer(new.pk, status=201)


class MarkRewardFulfillmentUsed(views.ApiView):
    scopes = {"POST": Scope.REWARD_FULFILLMENT_WRITE}

    @documentation.write(
        NAME,
        RewardFulfillmentSerializer,
        accepts=MarkUsedSerializer,
        status=200,
        missing=True,
        plan=True,
        operation="mark_reward_fulfillment_used",
        summary="Mark a redeemed reward used (extension)",
        refusals="expired, canceled, or its use is not tracked",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        redeemed_reward_id = existing(pk)
        given = MarkUsedSerializer(data=parsing.body_of(request, name=NAME))
        given.is_valid(raise_exception=True)

        def mark() -> None:
            usage.mark_used(
                redeemed_reward_id=redeemed_reward_id,
                order_id=given.validated_data.get("order_id") or "",
                actor=authentication.actor_of(request),
                now=timezone.now(),
            )

        return _done(mark, redeemed_reward_id, dry_run=given.validated_data["dry_run"])


class MarkRewardFulfillmentUnused(views.ApiView):
    scopes = {"POST": Scope.REWARD_FULFILLMENT_WRITE}

    @documentation.write(
        NAME,
        RewardFulfillmentSerializer,
        accepts=DryRunSerializer,
        status=200,
        missing=True,
        plan=True,
        operation="mark_reward_fulfillment_unused",
        summary="Mark a redeemed reward unused (extension)",
        refusals="its parcel has been shipped, it was canceled, or its use is not tracked",
    )
    @views.once(atomic=True)
    def post(self, request: Request, pk: str) -> Response:
        redeemed_reward_id = existing(pk)
        given = DryRunSerializer(data=parsing.body_of(request, name=NAME))
        given.is_valid(raise_exception=True)

        def mark() -> None:
            usage.mark_unused(
                redeemed_reward_id=redeemed_reward_id, actor=authentication.actor_of(request), now=timezone.now()
            )

        return _done(mark, redeemed_reward_id, dry_run=given.validated_data["dry_run"])


def _cancel(request: Request, redeemed_reward_id: int, given: dict[str, Any]) -> Cancellation:
    """Cancel; by force, when that is wanted and the shop does not answer."""
    actor, note = authentication.actor_of(request), given.get("internal_note") or ""
    row = cancellation.cancel(
        redeemed_reward_id=redeemed_reward_id,
        return_points=given["return_points"],
        after_use=given["after_use"],
        reason=CancellationReason(given["reason"]) if given.get("reason") else None,
        fingerprint=given.get("fingerprint"),
        internal_note=note,
        actor=actor,
        now=timezone.now(),
    )
    if given["force"] and row.state == CancellationState.CANCELLING:
        return cancellation.force(redeemed_reward_id=redeemed_reward_id, actor=actor, now=timezone.now())
    return row


def _cancellation_plan(redeemed_reward_id: int, given: dict[str, Any]) -> Any:
    found = cancellation.plan(
        redeemed_reward_id=redeemed_reward_id,
        now=timezone.now(),
        return_points=given["return_points"],
        after_use=given["after_use"],
    )
    effects = [(effect.kind, effect.sentence) for effect in found.effects]
    if given["force"] and not found.refusal:
        effects.append(("code", FORCED))
    return planning.plan(
        effects, refusal=found.refusal, points_returned=found.points_returned, fingerprint=found.fingerprint
    )


def _done(deed: Callable[[], None], redeemed_reward_id: int, *, dry_run: bool) -> Response:
    """Do it, or try it."""
    if dry_run:
        found = rehearsal.rehearse(deed, redeemed_reward_id=redeemed_reward_id)
        return _planned(redeemed_reward_id, planning.rehearsed(found))
    deed()
    return _answer(redeemed_reward_id)


def _planned(redeemed_reward_id: int, plan: Any) -> Response:
    """The plan, and the reward as it is."""
    return Response({NAME: shape(redeemed_reward_id), "plan": plan})


def _answer(redeemed_reward_id: int, *, status: int = 200) -> Response:
    """What became of it."""
    return Response({NAME: shape(redeemed_reward_id)}, status=status)
