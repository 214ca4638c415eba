"""What staff may do: four roles as data, written into groups, and the rule that nobody gives away what they lack."""

from enum import StrEnum

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from loyalty.accounts.models import User
from loyalty.common.errors import DomainError


class Role(StrEnum):
    """A role is the group of this name."""

    VIEWER = "viewer"
    SUPPORT = "support"
    FULFILMENT = "fulfilment"
    MANAGER = "manager"


class Action(StrEnum):
    """What the table below speaks of; each is the permissions beside it in `PERMISSIONS`."""

    LOOK = "look at everything but addresses, API keys and staff"
    MARK_USED = "mark used"
    MARK_UNUSED = "mark unused"
    CANCEL = "cancel"
    CANCEL_USED = "cancel what was used"
    REISSUE = "reissue what failed"
    EXTEND = "extend what expired"
    GIVE_VALUE_BACK = "give back what was spent of value codes"
    DELIVER = "deliver"
    ADJUST = "adjust points"
    IMPORT = "import points and undo it"
    APPROVE_ADJUSTMENTS = "approve or reject adjustments of others"
    SET_CEILINGS = "set how many points a role may adjust"
    RETURN_POINTS = "return points that were taken"
    CANCEL_CREDITS = "cancel credits"
    MOVE_POINTS = "move points between customers"
    SETTLE_SHORTFALLS = "collect and waive what customers owe"
    GRANT = "grant"
    CAMPAIGN = "give a reward to many at once, and take it back"
    REDEEM = "redeem for customers"
    SEE_ADDRESSES = "see addresses"
    SEND_MAILS_AGAIN = "send e-mails again"
    EDIT_CUSTOMERS = "add and change customers"
    EDIT_SEGMENTS = "save, change and remove segments of customers"
    CONNECT_SHOPS = "connect shops"
    RECONCILE = "compare shops with our records and repair differences"
    TRY_WEBHOOKS_AGAIN = "try webhooks again that failed"
    JUDGE_REFERRALS = "release and cancel referrals"
    MERGE_CUSTOMERS = "merge customers who are one person, and take it back"
    FORGET_CUSTOMERS = "forget who a customer is, for good"
    SETTLE_PRIVACY = "settle what people ask about their data"
    CONNECT_PAYOUTS = "connect payout accounts"
    SETTLE_PAYOUTS = "say what came of payouts by hand"
    EDIT_CATALOGUE = "add and change rewards"
    MOVE_BETWEEN_TIERS = "move customers between VIP tiers, and give entry rewards again"
    EDIT_TIERS = "set up VIP tiers and their rules"
    EDIT_PROGRAMME = "change the programme's settings"
    EDIT_EARNING_RULES = "add and change earning rules"
    MANAGE_API_KEYS = "make and revoke API keys"
    MANAGE_WEBHOOKS = "say which systems are told what happens"
    MANAGE_STAFF = "add staff and give roles"


PERMISSIONS: dict[Action, frozenset[str]] = {
    Action.LOOK: frozenset(
        {
            "customers.view_customer",
            "customers.view_customeridentity",
            "customers.view_tier",
            "erasure.view_erasure",
            "events.view_event",
            "hooks.view_inboundwebhook",
            "hooks.view_privacyrequest",
            "hooks.view_privacywish",
            "merging.view_customermerge",
            "merchant.view_brand",
            "merchant.view_programme",
            "messages_out.view_mail",
            "messages_out.view_mailtext",
            "platforms.view_payoutaccount",
            "platforms.view_storeconnection",
            "points.view_adjustmentceiling",
            "points.view_adjustmentrequest",
            "points.view_pointsaccount",
            "points.view_pointsadjustment",
            "points.view_pointshold",
            "points.view_pointslot",
            "points.view_pointsshortfall",
            "points.view_pointstransaction",
            "program.view_activity",
            "program.view_earningaward",
            "program.view_earningrule",
            "program.view_order",
            "program.view_ordercode",
            "program.view_orderitem",
            "program.view_orderrefund",
            "program.view_referral",
            "program.view_referralsettings",
            "program.view_tierentry",
            "program.view_tierrules",
            "program.view_viptierchange",
            "rewards.view_campaign",
            "rewards.view_cancellation",
            "rewards.view_codeevidence",
            "rewards.view_codepool",
            "rewards.view_issueattempt",
            "rewards.view_payout",
            "rewards.view_payoutevidence",
            "rewards.view_reconciliationfinding",
            "rewards.view_reconciliationrun",
            "rewards.view_redeemedreward",
            "rewards.view_reward",
            "rewards.view_rewardcode",
            "rewards.view_rewardstock",
            "rewards.view_rewardtext",
            "segments.view_segment",
            "webhooks.view_webhookdelivery",
            "webhooks.view_webhookendpoint",
        }
    ),
    Action.MARK_USED: frozenset({"rewards.mark_used"}),
    Action.MARK_UNUSED: frozenset({"rewards.mark_unused"}),
    Action.CANCEL: frozenset({"rewards.cancel_redeemedreward"}),
    Action.CANCEL_USED: frozenset({"rewards.cancel_used_redeemedreward"}),
    Action.REISSUE: frozenset({"rewards.reissue_redeemedreward"}),
    Action.EXTEND: frozenset({"rewards.extend_redeemedreward"}),
    Action.GIVE_VALUE_BACK: frozenset({"rewards.reverse_valuecodeuse"}),
    Action.DELIVER: frozenset({"rewards.deliver_redeemedreward"}),
    Action.ADJUST: frozenset({"points.add_pointsadjustment"}),
    Action.IMPORT: frozenset({"jobs.add_job", "jobs.change_job", "jobs.view_job"}),
    Action.APPROVE_ADJUSTMENTS: frozenset({"points.approve_adjustment"}),
    Action.SET_CEILINGS: frozenset(
        {"points.add_adjustmentceiling", "points.change_adjustmentceiling", "points.delete_adjustmentceiling"}
    ),
    Action.RETURN_POINTS: frozenset({"points.reverse_transaction"}),
    Action.CANCEL_CREDITS: frozenset({"points.cancel_credit"}),
    Action.MOVE_POINTS: frozenset({"points.transfer_points"}),
    Action.SETTLE_SHORTFALLS: frozenset({"points.waive_shortfall"}),
    Action.GRANT: frozenset({"rewards.grant_reward"}),
    Action.CAMPAIGN: frozenset({"rewards.add_campaign"}),
    Action.REDEEM: frozenset({"rewards.redeem_for_customer"}),
    Action.SEE_ADDRESSES: frozenset({"rewards.view_address"}),
    Action.SEND_MAILS_AGAIN: frozenset({"messages_out.send_again_mail"}),
    Action.EDIT_CUSTOMERS: frozenset({"customers.add_customer", "customers.change_customer"}),
    Action.EDIT_SEGMENTS: frozenset({"segments.add_segment", "segments.change_segment", "segments.delete_segment"}),
    Action.CONNECT_SHOPS: frozenset({"platforms.add_storeconnection", "platforms.change_storeconnection"}),
    Action.RECONCILE: frozenset({"rewards.add_reconciliationrun", "rewards.repair_finding"}),
    Action.TRY_WEBHOOKS_AGAIN: frozenset({"hooks.try_again_inboundwebhook"}),
    Action.JUDGE_REFERRALS: frozenset({"program.change_referral"}),
    Action.MERGE_CUSTOMERS: frozenset({"merging.merge_customers"}),
    Action.FORGET_CUSTOMERS: frozenset({"customers.anonymise_customer"}),
    Action.SETTLE_PRIVACY: frozenset({"hooks.settle_privacyrequest"}),
    Action.CONNECT_PAYOUTS: frozenset({"platforms.add_payoutaccount", "platforms.change_payoutaccount"}),
    Action.SETTLE_PAYOUTS: frozenset({"rewards.settle_payout"}),
    Action.EDIT_CATALOGUE: frozenset(
        {
            "rewards.add_reward",
            "rewards.add_rewardtext",
            "rewards.change_codepool",
            "rewards.change_reward",
            "rewards.change_rewardtext",
            "rewards.delete_rewardtext",
        }
    ),
    Action.MOVE_BETWEEN_TIERS: frozenset({"program.move_customer", "program.give_tierentry"}),
    Action.EDIT_TIERS: frozenset(
        {"customers.add_tier", "customers.change_tier", "customers.delete_tier", "program.change_tierrules"}
    ),
    Action.EDIT_PROGRAMME: frozenset(
        {
            "merchant.change_brand",
            "merchant.change_programme",
            "messages_out.change_mailtext",
            "program.change_referralsettings",
        }
    ),
    Action.EDIT_EARNING_RULES: frozenset(
        {"program.add_earningrule", "program.change_earningrule", "program.backfill_earningrule"}
    ),
    Action.MANAGE_API_KEYS: frozenset({"api.add_apikey", "api.change_apikey", "api.view_apikey"}),
    Action.MANAGE_WEBHOOKS: frozenset({"webhooks.add_webhookendpoint", "webhooks.change_webhookendpoint"}),
    Action.MANAGE_STAFF: frozenset({"accounts.add_user", "accounts.change_user", "accounts.view_user"}),
}

# Role × action. What is not named is not allowed.
TABLE: dict[Role, frozenset[Action]] = {
    Role.VIEWER: frozenset({Action.LOOK}),
    Role.SUPPORT: frozenset(
        {
            Action.LOOK,
            Action.MARK_USED,
            Action.MARK_UNUSED,
            Action.CANCEL,
            Action.REISSUE,
            Action.GIVE_VALUE_BACK,
            Action.ADJUST,
            Action.RETURN_POINTS,
            Action.GRANT,
            Action.REDEEM,
            Action.SEE_ADDRESSES,
            Action.SEND_MAILS_AGAIN,
            Action.TRY_WEBHOOKS_AGAIN,
            Action.JUDGE_REFERRALS,
            Action.EDIT_CUSTOMERS,
            Action.MOVE_BETWEEN_TIERS,
        }
    ),
    Role.FULFILMENT: frozenset({Action.LOOK, Action.MARK_USED, Action.DELIVER, Action.SEE_ADDRESSES}),
    Role.MANAGER: frozenset(Action),
}

# Points a role may adjust at once when it is made; from then on the managers' own numbers stand.
FIRST_CEILINGS: dict[Role, int] = {Role.SUPPORT: 1_000}


class UnknownPermission(DomainError):
    """The table names a permission that the database does not have."""

    code = "unknown_permission"


def permissions_of(role: Role) -> frozenset[str]:
    """Every permission of a role, as `app.codename`."""
    return frozenset().union(*(PERMISSIONS[action] for action in TABLE[role]))


@transaction.atomic
def sync() -> dict[Role, int]:
    """Make the groups say exactly what the table says; again changes nothing. Other groups are left alone.

    A role that is made gets its first ceiling; one that exists keeps the ceiling it has, or has not.
    Returns how many permissions each role has. Raises UnknownPermission.
    """
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    for role in Role:
        names = permissions_of(role)
        missing = sorted(names - known.keys())
        if missing:
            raise UnknownPermission(
                f"The database has no permission {', '.join(missing)}. Run `manage.py migrate` first."
            )
        group, is_new = Group.objects.get_or_create(name=role.value)
        group.permissions.set([known[name] for name in names])
        if is_new and role in FIRST_CEILINGS:
            # Named, not imported, as the permissions are: the table stands in a layer above.
            ceilings = apps.get_model("points", "AdjustmentCeiling")
            ceilings.objects.create(role=group, points=FIRST_CEILINGS[role])
    return {role: len(permissions_of(role)) for role in Role}


def assignable_by(user: User) -> list[Group]:
    """The roles a person may give to others: those that allow nothing the person may not do."""
    own = user.get_all_permissions()
    groups = Group.objects.prefetch_related("permissions__content_type").order_by("name", "pk")
    return [group for group in groups if user.is_superuser or _permissions(group) <= own]


def may_manage(user: User, target: User) -> bool:
    """Whether a person may change another's account: nobody changes one that may do more than they may."""
    if user.is_superuser:
        return True
    return not target.is_superuser and _held(target) <= user.get_all_permissions()


def _held(user: User) -> set[str]:
    """Everything a person's roles allow, whether or not they may sign in at the moment."""
    held = Permission.objects.filter(Q(group__user=user) | Q(user=user)).values_list(
        "content_type__app_label", "codename"
    )
    return {f"{app}.{codename}" for app, codename in held}


def _permissions(group: Group) -> set[str]:
    return {f"{permission.content_type.app_label}.{permission.codename}" for permission in group.permissions.all()}
