"""The customers' pages."""

from django.urls import path

from loyalty.cockpit.views import (
    account,
    brand,
    cancelling,
    earning,
    home,
    language,
    mails,
    mine,
    points,
    privacy,
    recommending,
    redeeming,
    rewards,
    sign_in_link,
)

app_name = "cockpit"

urlpatterns = [
    path("", home.home, name="home"),
    path("rewards/", rewards.rewards, name="rewards"),
    path("rewards/<int:points_product_id>/", redeeming.confirm, name="confirm"),
    path("redemptions/<int:redeemed_reward_id>/", redeeming.checking, name="checking"),
    path("redemptions/<int:redeemed_reward_id>/state/", redeeming.state, name="state"),
    path("my-rewards/", mine.my_rewards, name="my_rewards"),
    path("my-rewards/<int:redeemed_reward_id>/", mine.my_reward, name="my_reward"),
    path("my-rewards/<int:redeemed_reward_id>/cancel/", cancelling.cancel, name="cancel"),
    path("friends/", recommending.friends, name="friends"),
    path("r/<str:code>/", recommending.recommended, name="recommended"),
    path("points/", points.history, name="points"),
    path("earn/", earning.earning, name="earning"),
    path("account/", account.account, name="account"),
    path("sign-in/<str:token>/", sign_in_link.sign_in_link, name="sign_in_link"),
    path("brand/<str:digest>.css", brand.sheet, name="brand_sheet"),
    path("brand/<str:digest>.<str:kind>", brand.logo, name="brand_logo"),
    path("unsubscribe/<str:token>/", mails.unsubscribe, name="unsubscribe"),
    path("account/e-mails/", mails.mail_choices, name="mail_choices"),
    path("language/", language.language, name="language"),
    path("account/address/", account.address, name="address"),
    path("account/privacy/", privacy.privacy, name="privacy"),
    path("account/privacy/my-data.json", privacy.download, name="download"),
]
