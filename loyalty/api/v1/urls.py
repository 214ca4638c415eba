"""The addresses of v1, each with and without a slash at its end: a redirect would lose the body of a POST."""

from django.urls import URLPattern, path
from django.views import View

from loyalty.api.v1 import (
    activities,
    code_checks,
    customer_erasures,
    customer_identities,
    customers,
    deliveries,
    earning_rules,
    events,
    points_holds,
    points_products,
    points_purchases,
    points_transactions,
    referrals,
    reward_acts,
    reward_fulfillments,
    rewards,
    schema,
    sign_in_links,
    value_codes,
    vip_tiers,
    webhook_deliveries,
    webhook_endpoints,
)

ADDRESSES: list[tuple[str, type[View], str]] = [
    ("customers", customers.Customers, "customers"),
    ("customers/<str:pk>", customers.OneCustomer, "customer"),
    ("customers/<str:pk>/anonymise", customer_erasures.AnonymiseCustomer, "anonymise_customer"),
    ("customers/<str:pk>/sign_in_links", sign_in_links.SignInLinks, "sign_in_links"),
    (
        "customer_identities/create_or_update",
        customer_identities.CreateOrUpdateCustomerIdentity,
        "create_or_update_customer_identity",
    ),
    ("points_transactions", points_transactions.PointsTransactions, "points_transactions"),
    ("points_transactions/<str:pk>", points_transactions.OnePointsTransaction, "points_transaction"),
    ("points_holds", points_holds.PointsHolds, "points_holds"),
    ("points_holds/<str:pk>", points_holds.OnePointsHold, "points_hold"),
    ("points_holds/<str:pk>/capture", points_holds.CapturePointsHold, "capture_points_hold"),
    ("points_holds/<str:pk>/release", points_holds.ReleasePointsHold, "release_points_hold"),
    ("points_products", points_products.PointsProducts, "points_products"),
    ("points_products/<str:pk>", points_products.OnePointsProduct, "points_product"),
    ("points_products/<str:pk>/purchase", points_purchases.PointsPurchases, "points_purchases"),
    ("points_products/<str:pk>/simulation", points_products.SimulatePointsProduct, "points_product_simulation"),
    ("points_purchases", points_purchases.AllPointsPurchases, "all_points_purchases"),
    ("points_purchases/<str:pk>", points_purchases.OnePointsPurchase, "points_purchase"),
    ("vip_tiers", vip_tiers.VipTiers, "vip_tiers"),
    ("vip_tier_changes", vip_tiers.VipTierChanges, "vip_tier_changes"),
    ("vip_tier_changes/<str:pk>", vip_tiers.OneVipTierChange, "vip_tier_change"),
    ("rewards", rewards.Rewards, "rewards"),
    ("rewards/<str:pk>", rewards.OneReward, "reward"),
    ("reward_fulfillments", reward_fulfillments.RewardFulfillments, "reward_fulfillments"),
    ("reward_fulfillments/<str:pk>", reward_fulfillments.OneRewardFulfillment, "reward_fulfillment"),
    ("reward_fulfillments/<str:pk>/cancel", reward_acts.CancelRewardFulfillment, "cancel"),
    ("reward_fulfillments/<str:pk>/reissue", reward_acts.ReissueRewardFulfillment, "reissue"),
    ("reward_fulfillments/<str:pk>/mark_used", reward_acts.MarkRewardFulfillmentUsed, "mark_used"),
    ("reward_fulfillments/<str:pk>/mark_unused", reward_acts.MarkRewardFulfillmentUnused, "mark_unused"),
    ("reward_fulfillments/<str:pk>/delivery", deliveries.OneDelivery, "delivery"),
    ("reward_fulfillments/<str:pk>/delivery/ship", deliveries.ShipDelivery, "ship_delivery"),
    ("reward_fulfillments/<str:pk>/delivery/deliver", deliveries.DeliverDelivery, "deliver_delivery"),
    ("reward_fulfillments/<str:pk>/delivery/cancel", deliveries.CancelDelivery, "cancel_delivery"),
    ("reward_fulfillments/<str:pk>/delivery/came_back", deliveries.ReturnDelivery, "return_delivery"),
    ("reward_fulfillments/<str:pk>/delivery/order_again", deliveries.OrderDeliveryAgain, "order_delivery_again"),
    ("reward_fulfillments/<str:pk>/delivery/address", deliveries.CorrectDeliveryAddress, "correct_delivery_address"),
    ("reward_fulfillments/<str:pk>/value_code", value_codes.OneValueCode, "value_code"),
    ("reward_fulfillments/<str:pk>/redeem", value_codes.RedeemValueCode, "redeem_value_code"),
    ("value_code_redemptions", value_codes.ValueCodeRedemptions, "value_code_redemptions"),
    (
        "value_code_redemptions/<str:pk>/reverse",
        value_codes.ReverseValueCodeRedemption,
        "reverse_value_code_redemption",
    ),
    ("code_checks", code_checks.CodeChecks, "code_checks"),
    ("events", events.Events, "events"),
    ("activities", activities.Activities, "activities"),
    ("earning_rules", earning_rules.EarningRules, "earning_rules"),
    ("webhook_endpoints", webhook_endpoints.WebhookEndpoints, "webhook_endpoints"),
    ("webhook_endpoints/<str:pk>", webhook_endpoints.OneWebhookEndpoint, "webhook_endpoint"),
    ("webhook_endpoints/<str:pk>/rotate_secret", webhook_endpoints.RotateWebhookSecret, "rotate_webhook_secret"),
    ("webhook_endpoints/<str:pk>/test", webhook_endpoints.TestWebhookEndpoint, "test_webhook_endpoint"),
    ("webhook_endpoints/<str:pk>/resend", webhook_endpoints.ResendWebhooks, "resend_webhooks"),
    ("webhook_endpoints/<str:pk>/remove", webhook_endpoints.RemoveWebhookEndpoint, "remove_webhook_endpoint"),
    ("webhook_deliveries", webhook_deliveries.WebhookDeliveries, "webhook_deliveries"),
    ("webhook_deliveries/<str:pk>", webhook_deliveries.OneWebhookDelivery, "webhook_delivery"),
    ("webhook_deliveries/<str:pk>/resend", webhook_deliveries.ResendWebhookDelivery, "resend_webhook_delivery"),
    ("referrals", referrals.Referrals, "referrals"),
    ("referrals/<str:pk>", referrals.OneReferral, "referral"),
    ("referral_settings", referrals.OneReferralSettings, "referral_settings"),
    ("schema", schema.Schema, "schema"),
]


def both(route: str, view: type[View], name: str) -> list[URLPattern]:
    return [path(route, view.as_view(), name=name), path(f"{route}/", view.as_view())]


app_name = "v1"
urlpatterns = [pattern for address in ADDRESSES for pattern in both(*address)]
