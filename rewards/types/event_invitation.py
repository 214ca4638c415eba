from rewards.models import RewardType
from rewards.types.base import TypeOfReward


class EventInvitation(TypeOfReward):
    """A place at an event. Its code is drawn as a QR code, read at the door, and marked used by staff."""

    type = RewardType.EVENT_INVITATION
    needs_shop = False
    shows_qr = True
