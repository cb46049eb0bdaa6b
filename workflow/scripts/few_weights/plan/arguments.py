"""Arguments of commands that grow with a study, as files.

Linux takes no argument longer than 128 KiB (MAX_ARG_STRLEN of execve(2)), and the whole command of a rule is
one argument of its shell. A study of 250 architectures has more to say than that.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from few_weights.files import write_atomically
from few_weights.plan.environment import CACHE


def json_file(value: Any) -> str:
    """Write a value to a file that is named by its content, for `read_json` in another process.

    Returns:
        The path of the file. It changes with the value, and with nothing else.

    Raises:
        StudyError: the file cannot be written.
    """
    content = json.dumps(value).encode()
    path = CACHE / "arguments" / f"{hashlib.sha256(content).hexdigest()[:16]}.json"
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)
    return str(path)


def read_json(path: str) -> Any:
    """The value of a file that `json_file` wrote."""
    return json.loads(Path(path).read_bytes())
