"""The addresses shops call, to be included below `hooks/`; with and without a slash, for a redirect loses the body."""

from django.urls import path

from loyalty.hooks import views

app_name = "hooks"
urlpatterns = [
    path("payouts/<str:webhook_key>/", views.PayoutWebhook.as_view(), name="payout_webhook"),
    path("payouts/<str:webhook_key>", views.PayoutWebhook.as_view()),
    path("<str:webhook_key>/", views.Webhook.as_view(), name="webhook"),
    path("<str:webhook_key>", views.Webhook.as_view()),
]
