"""The end of a code: Medusa keeps it on a campaign, which several promotions may share."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from platforms.adapter import Answer, Refusal
from platforms.medusa import client, cursors, fields, promotions
from platforms.medusa.client import Conversation
from platforms.medusa.fields import Unreadable
from platforms.medusa.promotions import Promotion


def set_end(conversation: Conversation, promotion: Promotion, expires_at: datetime) -> Answer[Any] | None:
    """Let this one promotion end then; the failure when it did not come about. One that is gone needs no end."""
    if promotion.campaign_id and not promotion.campaign_is_ours:
        return _shared(conversation, promotion)
    if not promotion.campaign_id:
        return _give_campaign(conversation, promotion, expires_at)
    path = f"/admin/campaigns/{quote(promotion.campaign_id, safe='')}"
    answer = conversation.ask("POST", path, body={"ends_at": cursors.written(expires_at)})
    if answer.ok or client.is_missing(answer):
        return None
    return client.failure(answer)


def _shared(conversation: Conversation, promotion: Promotion) -> Answer[Any]:
    answer = conversation.ask("GET", f"/admin/campaigns/{quote(promotion.campaign_id, safe='')}")
    reason = (
        f"The code {promotion.code.code} belongs to a campaign of the shop's own, whose end is that of all its codes. "
        "Change the campaign in Medusa under Promotions, Campaigns."
    )
    return client.rejected(answer, Refusal.INVALID, reason) if answer.ok else client.failure(answer)


def _give_campaign(conversation: Conversation, promotion: Promotion, expires_at: datetime) -> Answer[Any] | None:
    """Make a campaign and put the promotion into it. One that was made in vain holds nothing and does no harm."""
    body = promotions.campaign_for(promotion.code.code, promotion.code.code, expires_at=expires_at)
    made = conversation.ask("POST", "/admin/campaigns", body=body)
    if not made.ok:
        return client.failure(made)
    try:
        campaign = fields.identity(fields.mapping(made.data, "campaign"))
    except Unreadable as error:
        return made.unusable(str(error))
    path = f"/admin/promotions/{quote(promotion.code.remote_id, safe='')}"
    joined = conversation.ask("POST", path, body={"campaign_id": campaign})
    return None if joined.ok or client.is_missing(joined) else client.failure(joined)
