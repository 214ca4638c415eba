"""The programme: one installation is one merchant with one programme, so this table holds one row."""

from zoneinfo import ZoneInfo, available_timezones

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

MOST_DAYS = 36_500  # a century: more is a slip of the keyboard, and dates end
MOST_MINUTES = 60 * 24 * 30
MOST_NOTICE_DAYS = 365
MOST_OFFICES = 10


class ExpiryMode(models.TextChoices):
    NEVER = "never", "Points never expire"
    DAYS = "days", "Days after earning"
    MONTH_END = "month_end", "End of the month"
    YEAR_END = "year_end", "End of the year"
    IDLE = "idle", "Days without activity"


class ReturnPolicy(models.TextChoices):
    """What becomes of returned points whose lot expired meanwhile."""

    GRACE = "grace", "Give them some days of grace"
    STRICT = "strict", "They expire at once"
    ORIGINAL = "original", "Give them the life they had left when they were spent"


class ShortfallPolicy(models.TextChoices):
    """What becomes of points a refund takes back when the customer has spent them already."""

    OPEN = "open", "Leave it open, for a person to decide"
    COLLECT = "collect", "Collect it from the next points earned"
    WAIVE = "waive", "Waive it"


class MailKind(models.TextChoices):
    """The e-mails there are; all but the test can be switched off."""

    GIFT_REDEEMED = "gift_redeemed", "A gift was redeemed"
    CODES_LOW = "codes_low", "A pool has few codes left"
    ALERT = "alert", "Something went wrong with a reward"
    REDEEMED = "redeemed", "Reward redeemed"
    READY = "ready", "Reward given to them is ready"
    EXPIRING = "expiring", "Reward expires soon"
    SHIPPED = "shipped", "Gift shipped"
    POINTS_EXPIRING = "points_expiring", "Points expire soon"
    POINTS_ADJUSTED = "points_adjusted", "Points adjusted by staff"
    TEST = "test", "Test"


def mail_kinds() -> list[tuple[str, str]]:
    """The choices of the columns that hold a kind: a further one needs no migration."""
    return list(MailKind.choices)


OFFICE_MAILS = (MailKind.GIFT_REDEEMED, MailKind.CODES_LOW, MailKind.ALERT)
CUSTOMER_MAILS = (
    MailKind.REDEEMED,
    MailKind.READY,
    MailKind.EXPIRING,
    MailKind.SHIPPED,
    MailKind.POINTS_EXPIRING,
    MailKind.POINTS_ADJUSTED,
)
REMINDERS = (MailKind.EXPIRING, MailKind.POINTS_EXPIRING)  # customers may refuse these; the others they need


def off_at_first() -> list[str]:
    """What a new programme does not send until somebody switches it on."""
    return [MailKind.POINTS_ADJUSTED.value]


def validate_time_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(f"{name!r} is no time zone. Write a name such as Europe/Warsaw.")


class Programme(models.Model):
    """Settings of the merchant's loyalty programme. Changes concern what happens from now on."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(max_length=100, default="Rewards")
    support_email = models.EmailField(blank=True, help_text="Where customers write when something is wrong.")
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    currency = models.CharField(max_length=3, default="USD", help_text="Three letters, such as EUR.")
    language = models.CharField(max_length=10, default="en", help_text="Language of texts without a translation.")
    points_label_one = models.CharField(max_length=30, default="point")
    points_label_other = models.CharField(max_length=30, default="points")

    points_per_unit = models.PositiveIntegerField(default=1, help_text="Points earned per whole unit of currency.")
    # In the programme's currency; for what points that are outstanding come to. Unknown until somebody says it.
    point_value = models.DecimalField(
        "what a point is worth",
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )
    expiry_mode = models.CharField(max_length=10, choices=ExpiryMode, default=ExpiryMode.NEVER)
    expiry_days = models.PositiveIntegerField(
        default=365,
        validators=[MaxValueValidator(MOST_DAYS)],
        help_text="For “days after earning” and “days without activity”.",
    )
    pending_days = models.PositiveIntegerField(
        default=0, validators=[MaxValueValidator(MOST_DAYS)], help_text="Days before earned points can be spent."
    )
    return_policy = models.CharField(max_length=10, choices=ReturnPolicy, default=ReturnPolicy.GRACE)
    grace_days = models.PositiveIntegerField(default=30, validators=[MaxValueValidator(MOST_DAYS)])
    shortfall_policy = models.CharField(max_length=10, choices=ShortfallPolicy, default=ShortfallPolicy.OPEN)
    shortfall_blocks = models.BooleanField(
        "open shortfalls count against the balance",
        default=False,
        help_text="The balance is shown less what is owed, below zero if need be, and nothing can be redeemed until "
        "nothing is owed.",
    )
    transfers_allowed = models.BooleanField(default=False, help_text="Customers' points may be moved between them.")
    open_to_all = models.BooleanField(
        "anyone may become a member",
        default=True,
        db_default=True,
        help_text="Off: only customers who are known already can sign in.",
    )
    self_cancel_minutes = models.PositiveIntegerField(
        "minutes in which customers may cancel",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_MINUTES)],
        help_text="An unused reward that was redeemed for points. Empty: customers cannot cancel by themselves.",
    )
    expiry_notice_days = models.PositiveSmallIntegerField(
        "days before its end that a reward is told of",
        default=7,
        db_default=7,
        validators=[MaxValueValidator(MOST_NOTICE_DAYS)],
        help_text="0: nothing is told ahead.",
    )
    points_notice_days = models.PositiveSmallIntegerField(
        "days before their end that points are told of",
        default=7,
        db_default=7,
        validators=[MaxValueValidator(MOST_NOTICE_DAYS)],
        help_text="0: nothing is told ahead.",
    )
    adjustment_text = models.CharField(
        max_length=200, blank=True, help_text="What customers read of an adjustment without a note of its own."
    )
    office_emails = ArrayField(
        models.EmailField(),
        verbose_name="back office",
        default=list,
        db_default=[],
        blank=True,
        size=MOST_OFFICES,
        help_text="Where e-mails to staff go.",
    )
    mails_off = ArrayField(
        models.CharField(max_length=20, choices=mail_kinds),
        verbose_name="e-mails that are not sent",
        default=off_at_first,
        db_default=[MailKind.POINTS_ADJUSTED.value],
        blank=True,
    )
    reply_to = models.EmailField(
        "answers go to", blank=True, default="", db_default="", help_text="Empty: to the address of support."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "programme"
        verbose_name_plural = "programme"
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="programme_is_one_row"),
            models.CheckConstraint(condition=models.Q(currency__regex="^[A-Z]{3}$"), name="programme_currency_code"),
            models.CheckConstraint(condition=models.Q(expiry_days__gte=1), name="programme_expiry_days_positive"),
            models.CheckConstraint(condition=models.Q(grace_days__gte=1), name="programme_grace_days_positive"),
            models.CheckConstraint(
                condition=models.Q(expiry_days__lte=MOST_DAYS, pending_days__lte=MOST_DAYS, grace_days__lte=MOST_DAYS),
                name="programme_days_have_a_limit",
            ),
            models.CheckConstraint(
                condition=models.Q(self_cancel_minutes__isnull=True)
                | models.Q(self_cancel_minutes__gte=1, self_cancel_minutes__lte=MOST_MINUTES),
                name="programme_self_cancel_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(point_value__isnull=True) | models.Q(point_value__gte=0),
                name="programme_point_value_not_negative",
            ),
            models.CheckConstraint(
                condition=models.Q(expiry_notice_days__lte=MOST_NOTICE_DAYS), name="programme_notice_in_range"
            ),
            models.CheckConstraint(
                condition=models.Q(points_notice_days__lte=MOST_NOTICE_DAYS), name="programme_points_notice_in_range"
            ),
            models.CheckConstraint(
                condition=models.Q(office_emails__len__lte=MOST_OFFICES), name="programme_offices_have_a_limit"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Brand(models.Model):
    """How the customers' pages and the mails look. Without a row they look as we made them.

    `loyalty.merchant.branding` alone writes this row.
    """

    programme = models.OneToOneField(Programme, primary_key=True, on_delete=models.CASCADE, related_name="brand")
    accent = models.CharField("colour", max_length=7, blank=True)  # #rrggbb of buttons and links; empty: ours
    accent_dark = models.CharField("colour on dark pages", max_length=7, blank=True)  # empty: made from the other
    home_text = models.CharField("text on the first page", max_length=400, blank=True)  # in the programme's language
    # Language → home_text, points_one, points_other: the same in the others, read by loyalty.merchant.own_words.
    words = models.JSONField(default=dict, db_default={}, blank=True)
    logo = models.BinaryField(default=bytes, blank=True)
    logo_kind = models.CharField(max_length=4, blank=True)
    logo_digest = models.CharField(max_length=20, blank=True)  # in its address, so that browsers may keep it for good
    logo_width = models.PositiveSmallIntegerField(default=0)
    logo_height = models.PositiveSmallIntegerField(default=0)
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = "look"
        verbose_name_plural = "look"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(accent__regex="^(#[0-9a-f]{6})?$"), name="brand_accent_is_colour"
            ),
            models.CheckConstraint(
                condition=models.Q(accent_dark__regex="^(#[0-9a-f]{6})?$"), name="brand_dark_accent_is_colour"
            ),
            models.CheckConstraint(
                condition=models.Q(logo_kind="", logo_digest="", logo=b"")
                | (models.Q(logo_kind__in=["png", "jpeg", "webp"]) & ~models.Q(logo_digest="") & ~models.Q(logo=b"")),
                name="brand_logo_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return "Look"
