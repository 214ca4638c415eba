"""`manage.py write_translations`: bring the catalogues of the customers' pages up to date."""

from typing import Any

from django.core.management.base import BaseCommand

from loyalty.cockpit import speech, translations


class Command(BaseCommand):
    help = "Finds every sentence of the customers' pages, renews each .po with them and writes its .mo."

    def handle(self, *args: Any, **options: Any) -> None:
        sentences = translations.found()
        for language in speech.TRANSLATED:
            folder = translations.folder(language)
            folder.mkdir(parents=True, exist_ok=True)
            po = folder / "django.po"
            known = translations.read(po.read_text("utf-8")) if po.exists() else {}
            catalogue = translations.renewed(known, sentences)
            po.write_text(translations.written(catalogue), "utf-8")
            (folder / "django.mo").write_bytes(translations.compiled(catalogue))
            missing = translations.unfinished(catalogue)
            self.stdout.write(f"{language}: {len(catalogue)} sentences, {len(missing)} not finished.")
            for sentence in missing:
                self.stdout.write(f"  {sentence}")
