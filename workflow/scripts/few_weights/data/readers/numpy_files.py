"""Reads NumPy's .npz files and folders of .npy files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from few_weights.data.conversion import described_roles, require_roles, roles
from few_weights.data.datasets import UNREADABLE, Array
from few_weights.data.readers.forms import FORMS, Arrays, listed
from few_weights.errors import StudyError


def read_npz_file(path: Path) -> tuple[Arrays, list[str]]:
    """Read an .npz file with arrays whose names `conversion.roles` knows; others are not read.

    Raises:
        StudyError: the file is damaged, an array is missing, or one would have to be unpickled.
    """
    try:
        file = np.load(path, allow_pickle=False)
    except UNREADABLE as error:
        raise StudyError(f"it is damaged or incomplete: fetch or save it again; {FORMS}") from error
    with file:
        if not any(name.endswith(".npy") for name in file.zip.namelist()):
            names = listed(file.zip.namelist())
            raise StudyError(f"it is a zip archive of {names}: unpack it and name the folder; {FORMS}")
        by_role = roles(file.files)
        require_roles(by_role, file.files)
        return {role: _array(file, name) for role, name in by_role.items()}, described_roles(by_role)


def _array(file: Mapping[str, Array], name: str) -> Array:
    """One array of an .npz; errors do not have NumPy's message, which advises to unpickle."""
    try:
        array = file[name]
    except UNREADABLE as error:
        if "allow_pickle" in str(error):
            raise StudyError(_pickled(name)) from error
        raise StudyError(f"its {name} is damaged: fetch or save the file again; {FORMS}") from error
    if not isinstance(array, np.ndarray):
        raise StudyError(f"its {name} is not an array; {FORMS}")
    return array


def _pickled(name: str) -> str:
    """The message for an array that would have to be unpickled."""
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


def read_npy_folder(folder: Path, by_role: Mapping[str, str]) -> tuple[Arrays, list[str]]:
    """Read a folder with one file per array: x_train.npy, y_train.npy and so on.

    Args:
        folder: the folder.
        by_role: role -> the name of its file without .npy.

    Raises:
        StudyError: an array is missing or damaged, or would have to be unpickled.
    """
    require_roles(by_role, by_role.values())
    arrays = {}
    for role, name in by_role.items():
        try:
            arrays[role] = np.load(folder / f"{name}.npy", allow_pickle=False)
        except UNREADABLE as error:
            if "allow_pickle" in str(error) and (folder / f"{name}.npy").read_bytes()[:6] == b"\x93NUMPY":
                raise StudyError(_pickled(name)) from error
            raise StudyError(f"{name}.npy is damaged or not an .npy file: save it again") from error
    return arrays, described_roles(by_role)
