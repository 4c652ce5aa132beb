"""Recorders that write numbers to files."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from typing import Any, TextIO

import numpy as np

from genesis import runtime
from genesis.errors import GenesisException
from genesis.files import write_atomically
from genesis.recorders.options import CSVFile, NPZFile
from genesis.recorders.recorder import Recorder, flat


def make_folder(filename: str) -> None:
    """Make the folder of a file; raises GenesisException where that cannot be."""
    try:
        os.makedirs(os.path.dirname(os.path.abspath(filename)), exist_ok=True)
    except OSError as error:
        raise GenesisException(f"the folder of {filename!r} cannot be made: {error}") from None


class NPZRecorder(Recorder):
    """Keeps all records, and writes them in the end."""

    options: NPZFile

    def begin(self) -> None:
        make_folder(self.options.filename)
        self._records: dict[str, list[Any]] = {}

    def process(self, data: Any, time: float) -> None:
        parts = data if isinstance(data, Mapping) else {"data": data}
        known = self._records.setdefault("timestamp", [])
        if known and parts.keys() != self._records.keys() - {"timestamp"}:
            names = sorted(self._records.keys() - {"timestamp"})
            raise GenesisException(f"NPZFile: a record has {sorted(parts)}, those before have {names}.")
        for value in parts.values():
            flat(value, "NPZFile")
        known.append(time)
        for name, value in parts.items():
            self._records.setdefault(name, []).append(value)

    def finish(self) -> None:
        if not self._records:
            return
        arrays = {}
        for name, values in self._records.items():
            try:
                arrays[name] = np.asarray(values)
            except ValueError:
                raise GenesisException(f"NPZFile: the records of {name!r} are not all of one shape.") from None
        content = io.BytesIO()
        np.savez_compressed(content, **dict[str, Any](arrays))
        try:
            write_atomically(self.options.filename, content.getvalue())
        except OSError as error:
            raise GenesisException(f"NPZFile: {self.options.filename!r} cannot be written: {error}") from None
        runtime.logger.info("NPZFile: wrote %s to %s.", ", ".join(arrays), self.options.filename)
        self._records = {}


class CSVRecorder(Recorder):
    """Writes a row per record."""

    options: CSVFile

    def begin(self) -> None:
        make_folder(self.options.filename)
        self._file: TextIO | None = None
        self._width = 0

    def process(self, data: Any, time: float) -> None:
        row = [time, *flat(data, "CSVFile")]
        if self._file is None:
            header = ["timestamp", *(self.options.header or _names(data))]
            if len(header) != len(row):
                raise GenesisException(
                    f"CSVFile: `header` has {len(header) - 1} names for {len(row) - 1} numbers of a record."
                )
            try:
                self._file = open(self.options.filename, "w", encoding="utf-8", newline="")
            except OSError as error:
                raise GenesisException(f"CSVFile: {self.options.filename!r} cannot be written: {error}") from None
            self._writer, self._width = csv.writer(self._file), len(row)
            self._writer.writerow(header)
        if len(row) != self._width:
            raise GenesisException(
                f"CSVFile: a record has {len(row) - 1} numbers, those before have {self._width - 1}."
            )
        self._writer.writerow(row)
        if self.options.save_every_write:
            self._file.flush()

    def finish(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            runtime.logger.info("CSVFile: wrote %s.", self.options.filename)


def _names(data: Any) -> list[str]:
    """Names of the columns of a record."""
    if not isinstance(data, Mapping):
        return [f"data_{k}" for k in range(1, len(flat(data, "CSVFile")) + 1)]
    names = []
    for key, value in data.items():
        count = len(flat(value, "CSVFile"))
        is_one = not isinstance(value, (list, np.ndarray, Mapping))
        names += [key] if is_one else [f"{key}_{k}" for k in range(count)]
    return names
