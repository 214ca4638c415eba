"""The door shops knock at: verify, store raw, answer at once. What the webhook means is found out afterwards."""

import logging
from uuid import UUID

from django.http import HttpRequest, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from loyalty.hooks import callers, inbox
from loyalty.hooks.callers import Caller
from platforms.adapter import WebhookRejected
from platforms.credentials import CredentialsUnreadable

logger = logging.getLogger(__name__)

LARGEST_BODY = 1_000_000
STATUSES = {"bad_signature": 401, "too_old": 401, "malformed": 400}


@method_decorator(csrf_exempt, name="dispatch")
class Webhook(View):
    """`POST /hooks/<webhook key>/`. A refusal says a code and nothing of what we know; nothing refused is stored."""

    http_method_names = ["post"]

    def caller(self, key: UUID) -> Caller | None:
        return callers.shop(key)

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
        return callers.payout_account(key)


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
