"""`manage.py sync_roles`: run it after `migrate`, as often as you like."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loyalty.accounts import roles


class Command(BaseCommand):
    help = "Make the groups of staff say exactly what the table of roles says."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            counts = roles.sync()
        except roles.UnknownPermission as error:
            raise CommandError(error.sentence) from error
        for role, count in counts.items():
            self.stdout.write(f"{role}: {count} permissions")
