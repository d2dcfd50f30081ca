"""A table of a decode, for those who compute with it."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, Iterator, Optional, Union

if TYPE_CHECKING:
    from .client import Client

FORMATS = ("parquet", "csv", "ndjson", "json", "arrow", "xlsx")


class Table:
    """A table of a decode. Nothing is fetched before it is asked for.

    The filters are those of :meth:`Client.rows`: ``columns``, ``where``, ``sort``, ``order``, ``q``. Without any, the
    appliance sends the Parquet file that it has, which is fastest.
    """

    def __init__(self, client: "Client", decode_id: str, name: str):
        self._client, self.decode_id, self.name = client, decode_id, name
        self._info: Optional[dict[str, Any]] = None

    def __repr__(self) -> str:
        return f"<Table {self.name} of decode {self.decode_id}>"

    @property
    def info(self) -> dict[str, Any]:
        """The table's description: rows, columns with their types and units."""
        if self._info is None:
            for t in self._client.tables(self.decode_id):
                if t["name"] == self.name:
                    self._info = t
                    break
            else:
                raise KeyError(f"decode {self.decode_id} has no table {self.name!r}")
        return self._info

    @property
    def columns(self) -> list[str]:
        return [c["name"] for c in self.info["columns"]]

    def __len__(self) -> int:
        return self.info["rows"]

    def rows(self, **filters: Any) -> Iterator[dict[str, Any]]:
        return self._client.rows(self.decode_id, self.name, **filters)

    __iter__ = rows

    @property
    def url(self) -> str:
        """Where the Parquet file is, for tools that read it remotely: DuckDB, pyarrow through fsspec."""
        return self._client.table_url(self.decode_id, self.name)

    def save(self, path: Union[str, "os.PathLike[str]"], to: Optional[str] = None, **filters: Any) -> None:
        """Writes the table to a file, in the form of ``to``, else of the file's name. The file is there when it is whole."""
        form = to or os.path.splitext(os.fspath(path))[1].lstrip(".").lower()
        if form not in FORMATS:
            raise ValueError(f"{form!r} is not one of {', '.join(FORMATS)}; say which with to=")
        self._client.save_table(self.decode_id, self.name, path, form, **filters)

    def to_arrow(self, **filters: Any) -> Any:
        """Gives a pyarrow.Table."""
        parquet = _import("pyarrow.parquet", "pyarrow", "to_arrow")
        with self._parquet(filters) as f:
            return parquet.read_table(f)

    def to_pandas(self, **filters: Any) -> Any:
        """Gives a pandas.DataFrame. Decimals become decimal.Decimal, as pandas reads them from Parquet."""
        pandas = _import("pandas", "pandas pyarrow", "to_pandas")
        _import("pyarrow", "pandas pyarrow", "to_pandas")
        with self._parquet(filters) as f:
            return pandas.read_parquet(f)

    def to_polars(self, **filters: Any) -> Any:
        """Gives a polars.DataFrame."""
        polars = _import("polars", "polars", "to_polars")
        with self._parquet(filters) as f:
            return polars.read_parquet(f)

    def _parquet(self, filters: dict[str, Any]):
        """Gives the table as an open file without a name, which goes when it is closed."""
        f = tempfile.TemporaryFile(prefix="wayside-")
        try:
            with self._client.open_table(self.decode_id, self.name, "parquet", **filters) as answer:
                shutil.copyfileobj(answer, f, 1 << 20)
            f.seek(0)
            return f
        except BaseException:
            f.close()
            raise


def _import(module: str, packages: str, method: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as e:
        raise ImportError(f"{method}() needs {module.partition('.')[0]}, which is not installed: pip install {packages}") from e
