"""LightGBM's own C library, called for predictions without its Python package.

``import lightgbm`` imports scikit-learn, which a service does not need: loading a model took
2.9 s with it. The library's C interface is documented and stable; a test compares every
number with the Python package's.
"""

from __future__ import annotations

import ctypes
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np

from pipeline.errors import InputError

_RAW_SCORE, _CONTRIBUTIONS = 1, 3
_FLOAT64 = 1


class Booster:
    """A LightGBM model, for raw scores and exact SHAP values on one thread.

    Parameters
    ----------
    text : str
        LightGBM's own text format.
    """

    def __init__(self, text: str) -> None:
        self._library = _library()
        self._handle = ctypes.c_void_p()
        iterations = ctypes.c_int(0)
        self._call(
            "LGBM_BoosterLoadModelFromString",
            ctypes.c_char_p(text.encode()),
            ctypes.byref(iterations),
            ctypes.byref(self._handle),
        )
        features = ctypes.c_int(0)
        self._call("LGBM_BoosterGetNumFeature", self._handle, ctypes.byref(features))
        self.columns = features.value
        self._rows: dict[int, _OneRow] = {}

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, text: str) -> Self:
        """Return the model of a text, loaded once."""
        return cls(text)

    def margin(self, Z: np.ndarray) -> np.ndarray:
        """Raw scores, shape (n,)."""
        return self._predict(Z, _RAW_SCORE, 1)[:, 0]

    def contributions(self, Z: np.ndarray) -> np.ndarray:
        """SHAP values per column, and the base value last, shape (n, columns + 1)."""
        return self._predict(Z, _CONTRIBUTIONS, self.columns + 1)

    def _predict(self, Z: np.ndarray, kind: int, width: int) -> np.ndarray:
        if Z.ndim != 2 or Z.shape[1] != self.columns:
            raise ValueError(f"expected a matrix with {self.columns} columns, got {Z.shape}")
        if len(Z) == 1:
            if kind not in self._rows:
                self._rows[kind] = _OneRow(self._library, self._handle, kind, self.columns, width)
            return self._rows[kind].predict(Z)
        # LightGBM reads either order, in less time than it takes to turn one into the other.
        Z = np.require(Z, dtype=np.float64, requirements="F" if Z.flags.f_contiguous else "C")
        out = np.empty((len(Z), width))
        written = ctypes.c_int64(0)
        self._call(
            "LGBM_BoosterPredictForMat",
            self._handle,
            Z.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(len(Z)),
            ctypes.c_int32(self.columns),
            ctypes.c_int(Z.flags.c_contiguous),
            ctypes.c_int(kind),
            ctypes.c_int(0),
            ctypes.c_int(-1),
            ctypes.c_char_p(b"num_threads=1"),
            ctypes.byref(written),
            out.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        )
        return out

    def _call(self, function: str, *arguments: object) -> None:
        _checked(self._library, getattr(self._library, function)(*arguments))

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._rows.clear()
            self._library.LGBM_BoosterFree(self._handle)


class _OneRow:
    """LightGBM's prepared call for one row: a tenth of the time of a matrix of one row.

    It reads and writes memory of its own: to ask numpy for an address takes as long as the trees.
    """

    def __init__(
        self, library: ctypes.CDLL, handle: ctypes.c_void_p, kind: int, columns: int, width: int
    ) -> None:
        self._library, self._prepared = library, ctypes.c_void_p()
        found = library.LGBM_BoosterPredictForMatSingleRowFastInit(
            handle,
            ctypes.c_int(kind),
            ctypes.c_int(0),
            ctypes.c_int(-1),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(columns),
            ctypes.c_char_p(b"num_threads=1"),
            ctypes.byref(self._prepared),
        )
        _checked(library, found)
        self._row, self._out = np.empty((1, columns)), np.empty((1, width))
        self._written = ctypes.c_int64(0)
        self._arguments = (
            self._prepared,
            ctypes.c_void_p(self._row.ctypes.data),
            ctypes.byref(self._written),
            ctypes.c_void_p(self._out.ctypes.data),
        )
        self._call = library.LGBM_BoosterPredictForMatSingleRowFast
        # The call lets other threads run, which must not write their row over this one.
        self._lock = Lock()

    def predict(self, Z: np.ndarray) -> np.ndarray:
        with self._lock:
            self._row[:] = Z
            _checked(self._library, self._call(*self._arguments))
            return self._out.copy()

    def __del__(self) -> None:
        if getattr(self, "_prepared", None):
            self._library.LGBM_FastConfigFree(self._prepared)


def _checked(library: ctypes.CDLL, found: int) -> None:
    if found != 0:
        raise RuntimeError(f"LightGBM: {library.LGBM_GetLastError().decode()}")


@cache
def _library() -> ctypes.CDLL:
    package = find_spec("lightgbm")
    if package is None or package.origin is None:
        raise InputError("LightGBM is not installed", mend="pip install lightgbm")
    folder = Path(package.origin).parent
    found = sorted(
        p for p in folder.rglob("*lib_lightgbm*") if p.suffix in (".so", ".dylib", ".dll")
    )
    if not found:
        raise InputError("LightGBM's library is missing", mend="reinstall lightgbm")
    try:
        library = ctypes.CDLL(str(found[0]))
    except OSError as error:
        raise InputError(
            f"LightGBM's library does not load ({error})",
            mend="install the system's OpenMP runtime (Debian and Ubuntu: libgomp1)",
        ) from None
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library
