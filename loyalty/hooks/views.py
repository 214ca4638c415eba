"""The door shops knock at: verify, store raw, answer at once. What the webhook means is found out afterwards."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.http import HttpRequest, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from loyalty.hooks import inbox
from platforms import registry
from platforms.adapter import Adapter, WebhookRejected
from platforms.credentials import CredentialsUnreadable
from platforms.models import PayoutAccount, StoreConnection
from platforms.payouts import registry as payout_registry
from platforms.payouts.provider import Provider

logger = logging.getLogger(__name__)

LARGEST_BODY = 1_000_000
STATUSES = {"bad_signature": 401, "too_old": 401, "malformed": 400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who has an address here."""

    what: str  # for the log
    verifier: Callable[[], Adapter | Provider]  # raises CredentialsUnreadable
    whose: dict[str, int]  # the column of the inbox that names it
    secret_headers: frozenset[str] = frozenset()  # of its webhooks, in lower case


@method_decorator(csrf_exempt, name="dispatch")
class Webhook(View):
    """`POST /hooks/<webhook key>/`. A refusal says a code and nothing of what we know; nothing refused is stored."""

    http_method_names = ["post"]

    def caller(self, key: UUID) -> Caller | None:
        shop = StoreConnection.objects.filter(webhook_key=key).first()
        if shop is None:
            return None
        verifier = partial(registry.adapter_for, shop)
        return Caller(
            what=f"shop {shop.pk}",
            verifier=verifier,
            whose={"connection_id": shop.pk},
            secret_headers=registry.adapter_class(shop.platform).capabilities.secret_headers,
        )

    def post(self, request: HttpRequest, webhook_key: str) -> JsonResponse:
        length = request.headers.get("Content-Length") or "0"
        if not (length.isascii() and length.isdigit()):
            return _refusal(400, "malformed")
        if len(length) > 12 or int(length) > LARGEST_BODY:
            return _refusal(413, "body_too_large")  # by its header alone: the body is not read
        try:
            caller = self.caller(UUID(webhook_key))
        except ValueError:
            caller = None
        if caller is None:
            return _refusal(404, "not_found")
        return _receive(request, caller)


class PayoutWebhook(Webhook):
    """`POST /hooks/payouts/<webhook key>/`: the same for payout providers."""

    def caller(self, key: UUID) -> Caller | None:
        account = PayoutAccount.objects.filter(webhook_key=key).first()
        if account is None:
            return None
        verifier = partial(payout_registry.provider_for, account)
        return Caller(what=f"payout account {account.pk}", verifier=verifier, whose={"payout_account_id": account.pk})


def _receive(request: HttpRequest, caller: Caller) -> JsonResponse:
    now = timezone.now()
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        body = request.body
        message = caller.verifier().parse_webhook(headers=headers, body=body, now=now)
    except UnreadablePostError:
        return _refusal(400, "malformed")
    except WebhookRejected as error:
        logger.warning("A webhook of %s was refused: %s", caller.what, error.code)
        return _refusal(STATUSES.get(error.code, 400), error.code)
    except CredentialsUnreadable as error:
        logger.error("A webhook of %s could not be verified: %s", caller.what, error.sentence)  # noqa: TRY400
        return _refusal(503, "unavailable")
    kept = {name: value for name, value in headers.items() if name not in caller.secret_headers}
    inbox.store(**caller.whose, message=message, headers=kept, body=body, now=now)
    return JsonResponse({"received": True})


def _refusal(status: int, code: str) -> JsonResponse:
    return JsonResponse({"error": {"code": code}}, status=status)
