"""What staff do about a failure: by what the shop, the payout provider, or we, said no with."""

from rewards.models import RedeemedReward

ADVICE: dict[str, str] = {
    "unauthorized": "The shop refused our credentials. Enter them again under Shops and test the connection.",
    "credentials_unreadable": "The stored credentials cannot be read. Enter them again under Shops.",
    "unsupported": "This shop cannot make such a reward. Change the reward's type or its shop.",
    "invalid": "The shop understood and said no. Compare the reward's settings with what the shop allows.",
    "rejected": "The shop understood and said no. Compare the reward's settings with what the shop allows.",
    "other": "Read the shop's answer below.",
    "not_found": "The shop does not know the address we used. Check the connection under Shops.",
    "duplicate_code": "The shop has a code of that name already. Try again: another one is made.",
    "throttled": "The shop asked us to come back later. Try again in some minutes.",
    "not_sent": "The shop could not be reached. Test its connection under Shops.",
    "not_made": "The shop did not answer in time and made nothing. Test its connection under Shops.",
    "shared_code_unfit": "Look at the code in the shop, or give the reward another shared code in the catalogue.",
    "gave_up": "The shop was asked again and again for about a day. Test its connection under Shops.",
    "reward_incomplete": "The reward lacks something its type needs. Complete it in the catalogue.",
}

# The same where it was money that was to be sent.
OF_PAYOUTS: dict[str, str] = {
    "payout_failed": "Clear it up with the customer; then it can be redeemed again.",
    "unauthorized": "The provider refused our credentials. Enter them again under Payout accounts and test the connection.",
    "credentials_unreadable": "The stored credentials cannot be read. Enter them again under Payout accounts.",
    "throttled": "The provider asked us to come back later. Try again in some minutes.",
    "not_sent": "The provider could not be reached. Test its connection under Payout accounts.",
    "not_made": "The provider did not answer in time and got nothing. Test its connection under Payout accounts.",
    "gave_up": "The provider was asked for about a day. Test its connection under Payout accounts.",
}
OTHER_OF_PAYOUTS = "Read the provider's answer below."


def advice(redeemed: RedeemedReward) -> str:
    """What to do about the failure, when something is known of it."""
    if not redeemed.failure_reason:
        return ""
    if redeemed.cashback_status:
        return OF_PAYOUTS.get(redeemed.failure_code, OTHER_OF_PAYOUTS)
    return ADVICE.get(redeemed.failure_code, "")
