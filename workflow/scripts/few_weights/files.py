"""Writing a result whole or not at all, so that a run cut short never leaves half a file behind."""

import contextlib
import uuid
from pathlib import Path

from few_weights.errors import StudyError


def write_atomically(path: Path | str, data: bytes | str) -> None:
    """Write `data` to `path`, making its folder where needed; text is written as UTF-8.

    The bytes go to a hidden neighbour first: within one folder a rename is atomic, between disks it is not.
    """
    path = Path(path)
    content = data.encode("utf-8") if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A plain open, not `tempfile`, whose files only their owner may read.
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StudyError(
            f"could not write {path}: {reason}; check that the folder is writable and has space left"
        ) from error
    finally:
        # Gone already after a success. The first error is the one worth telling.
        with contextlib.suppress(OSError):
            temporary.unlink()
