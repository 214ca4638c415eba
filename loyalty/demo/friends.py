"""Friends whom the demo's customers recommended: one who has not come to buy yet, one who looks like the customer."""

from datetime import datetime, timedelta

from loyalty.demo import people
from loyalty.demo.acts import World
from loyalty.program.models import ReferralSettings
from loyalty.program.referrals import claiming, links

# Who recommended, the friend's address, from where, hours ago.
CAME = (
    (people.MAIN, "nadia.rossi@example.org", "203.0.113.20", 50),
    ("anna", "jonas.weber@example.org", "203.0.113.41", 27),
    ("anna", "anna.kowalska2@example.net", "203.0.113.42", 26),
)


def load(*, world: World, now: datetime) -> None:
    """Switch referrals on, and let some friends come. Again changes nothing."""
    ReferralSettings.objects.get_or_create(
        pk=1,
        defaults={
            "active": True,
            "friend_reward": world.products["delivery"].reward,
            "sender_reward": world.products["five"].reward,
        },
    )
    for sender, email, place, hours in CAME:
        at = now - timedelta(hours=hours)
        customer_id = world.customers[sender].pk
        code = links.codes_of(customer_ids=[customer_id], now=at)[customer_id]
        claiming.claim(code=code, email=email, internet_address=place, now=at)
