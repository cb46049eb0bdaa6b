"""NumPy's .npz files and folders of .npy files as arrays by name."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from few_weights.data.conversion import described_roles, require_roles, roles
from few_weights.data.datasets import UNREADABLE
from few_weights.data.readers.forms import FORMS, Arrays, listed
from few_weights.errors import StudyError

# .npz and .npy


def read_npz_file(path: Path) -> tuple[Arrays, list[str]]:
    try:
        file = np.load(path, allow_pickle=False)
    except UNREADABLE as error:
        raise StudyError(f"it is damaged, or cut short: fetch or save it again; {FORMS}") from error
    with file:
        if not any(name.endswith(".npy") for name in file.zip.namelist()):
            names = listed(file.zip.namelist())
            raise StudyError(f"it is a zip archive of {names}: unpack it and name the folder; {FORMS}")
        found = roles(file.files)
        require_roles(found, file.files)
        return {role: _array(file, name) for role, name in found.items()}, described_roles(found)


def _array(file: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """One array of an .npz, or the refusal that fits: not numpy's words, which advise to unpickle."""
    try:
        array = file[name]
    except UNREADABLE as error:
        if "allow_pickle" in str(error):
            raise StudyError(_pickled(name)) from error
        raise StudyError(f"its {name} is damaged: fetch or save the file again; {FORMS}") from error
    if not isinstance(array, np.ndarray):
        raise StudyError(f"its {name} is no array; {FORMS}")
    return array


def _pickled(name: str) -> str:
    (role,) = roles([name])
    fix = (
        f"{name}=np.stack({name}), of images that are all of one size"
        if role.startswith("x")
        else f"{name}={name}.astype(str) for texts, {name}.astype(int) for numbers"
    )
    return (
        f"its {name} is an array of Python objects, which are not opened because they can run any program; "
        f"save it as {fix}"
    )


def read_npy_folder(folder: Path, found: Mapping[str, str]) -> tuple[Arrays, list[str]]:
    """A file for each array: x_train.npy, y_train.npy and so on."""
    require_roles(found, found.values())
    arrays = {}
    for role, name in found.items():
        try:
            arrays[role] = np.load(folder / f"{name}.npy", allow_pickle=False)
        except UNREADABLE as error:
            if "allow_pickle" in str(error) and (folder / f"{name}.npy").read_bytes()[:6] == b"\x93NUMPY":
                raise StudyError(_pickled(name)) from error
            raise StudyError(f"{name}.npy is damaged, or no .npy: save it again") from error
    return arrays, described_roles(found)
