"""The user model: whoever signs in, staff or customer, does so by e-mail. And how staff want their lists."""

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from loyalty.accounts.managers import UserManager


class User(AbstractBaseUser, PermissionsMixin):
    """One user per address. Being a customer never makes anyone staff."""

    email = models.EmailField("e-mail address")
    name = models.CharField(max_length=150, blank=True)
    is_staff = models.BooleanField("may open the admin", default=False)
    is_active = models.BooleanField("may sign in", default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = "user"
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_ignoring_case"),
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] if self.name else self.email


class SavedView(models.Model):
    """A list as one member of staff wants it: filters and order under a name. The one without a name says which columns."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    list_name = models.CharField(max_length=60)
    name = models.CharField(max_length=60, blank=True)
    query = models.CharField(max_length=2000, blank=True)  # of the list's own address, checked when it was saved
    columns = models.JSONField(default=list, blank=True)  # none: all there are

    class Meta:
        verbose_name = "saved view"
        constraints = [
            models.UniqueConstraint(fields=["user", "list_name", "name"], name="saved_view_name_once"),
            models.CheckConstraint(
                condition=Q(name="", query="") | (~Q(name="") & Q(columns=[])), name="saved_view_named_or_columns"
            ),
        ]

    def __str__(self) -> str:
        return self.name or "Columns"
