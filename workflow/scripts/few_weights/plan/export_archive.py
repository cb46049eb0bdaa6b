"""The archive of an architecture's exported networks."""

import zipfile
from pathlib import Path


def exported_names(archive: Path) -> list[str]:
    """The names of the networks in an archive that export_models.py wrote."""
    with zipfile.ZipFile(archive) as file:
        return [name for name in file.namelist() if name != "exports.json"]
