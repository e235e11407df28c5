"""The converter that upt finds: recognises files of the system that upt replaces, and translates them."""

from __future__ import annotations

from upt_convert.form import is_old, is_old_override
from upt_core.commands import Converted, Document


class OldForm:
    """Files with the sections training, latent, operator.pdet and ttc.decoder."""

    def recognises(self, document: Document) -> bool:
        """Whether a document is in the old form."""
        return is_old(document)

    def recognises_override(self, text: str) -> bool:
        """Whether ``key.path=value`` names a key of the old form."""
        return is_old_override(text)

    def convert(self, document: Document) -> Converted:
        """The document in upt's form, with a line for each old key."""
        from upt_convert.conversion import convert  # late: most files are in upt's own form

        converted = convert(document)
        lost = tuple(f"{'.'.join(map(str, line.path))}: {line.value}" for line in converted.report.lost)
        return Converted(converted.document, str(converted.report), lost)


OLD_FORM = OldForm()
