"""The door shops knock at, as Django's views. Production's web server goes a shorter way to the same door."""

from typing import ClassVar

from django.http import HttpRequest, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from loyalty.hooks import door


@method_decorator(csrf_exempt, name="dispatch")
class Webhook(View):
    """`POST /hooks/<webhook key>/`."""

    http_method_names = ["post"]
    is_payouts: ClassVar[bool] = False

    def post(self, request: HttpRequest, webhook_key: str) -> JsonResponse:
        reply = door.receive(
            is_payouts=self.is_payouts,
            key=webhook_key,
            length=request.headers.get("Content-Length") or "0",
            headers={name.lower(): value for name, value in request.headers.items()},
            read=lambda: request.body,
        )
        return JsonResponse(reply.said, status=reply.status)


class PayoutWebhook(Webhook):
    """`POST /hooks/payouts/<webhook key>/`: the same for payout providers."""

    is_payouts = True
