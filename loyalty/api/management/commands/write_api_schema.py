"""`manage.py write_api_schema`: bring the committed OpenAPI document up to date."""

from typing import Any

from django.core.management.base import BaseCommand

from loyalty.api.v1 import schema


class Command(BaseCommand):
    help = "Writes the OpenAPI document of API v1 from its views."

    def handle(self, *args: Any, **options: Any) -> None:
        schema.FILE.write_bytes(schema.generate())
        self.stdout.write(f"Wrote {schema.FILE.name}.")
