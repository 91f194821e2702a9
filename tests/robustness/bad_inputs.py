"""Damaged and odd inputs, by kind: each writes a file or folder, and says what must come of it.

What must come is one of three: an error of our own (`ERROR`), pairs with nothing lost (`pairs` and
`rejected` count the rows), or either of them (`None`: both are right, a crash is not).
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ERROR = "error"
Write = Callable[[Path], Path | str]


@dataclass(frozen=True)
class Bad:
    """One kind of bad input.

    Attributes:
        group: of kinds, for the count in reports.
        name: of the kind.
        write: makes it in a folder; gives the path to read.
        stop: what must come under `on_error: stop`: ERROR, or the number of pairs.
        skip: the same under `on_error: skip`.
        rejected: rows that are listed under `skip`.
        says: a text that the error, or a reason, or a note must hold.
    """

    group: str
    name: str
    write: Write
    stop: str | int
    skip: str | int
    rejected: int = 0
    says: str = ""


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Plain pairs."""
    return [
        {"prompt": f"Say {i}?", "chosen": f"It is {i}.", "rejected": f"No, not {i}."}
        for i in range(start, start + count)
    ]


def lines(rows: list[Any]) -> bytes:
    """JSON lines; texts are taken as they are."""
    parts = [r if isinstance(r, str) else json.dumps(r) for r in rows]
    return ("\n".join(parts) + "\n").encode("utf-8", "surrogatepass")


def _file(name: str, data: bytes) -> Write:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    return write


def _jsonl(group: str, name: str, odd: list[Any], **outcome: Any) -> Bad:
    return Bad(group, name, _file("data.jsonl", lines([*rows(3), *odd])), **outcome)


def _bad_row(group: str, name: str, odd: Any, says: str = "") -> Bad:
    """One bad row after three good ones: an error, or three pairs and a listed row."""
    return _jsonl(group, name, [odd], stop=ERROR, skip=3, rejected=1, says=says)


def _good_row(group: str, name: str, odd: Any, says: str = "") -> Bad:
    return _jsonl(group, name, [odd], stop=4, skip=4, says=says)


# ---- JSON lines -----------------------------------------------------------------------------


def json_lines() -> Iterator[Bad]:
    """Rows of JSON lines."""
    g = "json lines"
    ok = rows(1, 9)[0]
    broken: dict[str, Any] = {
        "half a row": '{"prompt": "a", "chosen": "b"',
        "no JSON": "hello",
        "a number": "12",
        "a text": '"text"',
        "a list": "[1, 2]",
        "null": "null",
        "true": "true",
        "single quotes": "{'prompt': 'a', 'chosen': 'b', 'rejected': 'c'}",
        "a trailing comma": '{"prompt": "a", "chosen": "b", "rejected": "c",}',
        "two objects on a line": json.dumps(ok) + json.dumps(ok),
        "text after the object": json.dumps(ok) + " x",
        "a comment": "// comment",
        "an unescaped tab": '{"prompt": "a\tb", "chosen": "b", "rejected": "c"}',
        "nested too deeply": '{"prompt": ' + "[" * 5000 + "]" * 5000 + "}",
        "an unclosed text": '{"prompt": "a, "chosen": "b", "rejected": "c"}',
        "a NUL byte": '{"prompt": "a\x00", "chosen": "b", "rejected": "c"}',
        "a control character": '{"prompt": "a\x01", "chosen": "b", "rejected": "c"}',
        "a wrong escape": '{"prompt": "a\\q", "chosen": "b", "rejected": "c"}',
        "a half escape": '{"prompt": "a\\u12", "chosen": "b", "rejected": "c"}',
        "a wrong literal": '{"prompt": nul, "chosen": "b", "rejected": "c"}',
        "a number with a leading zero": '{"prompt": 01, "chosen": "b", "rejected": "c"}',
        "chosen missing": {"prompt": "a", "rejected": "c"},
        "rejected missing": {"prompt": "a", "chosen": "c"},
        "chosen null": {**ok, "chosen": None},
        "rejected null": {**ok, "rejected": None},
        "chosen a number": {**ok, "chosen": 3},
        "chosen a bool": {**ok, "chosen": True},
        "chosen an object without role": {**ok, "chosen": {"a": 1}},
        "chosen an empty list": {**ok, "chosen": []},
        "chosen a list of numbers": {**ok, "chosen": [1, 2]},
        "chosen a list of nulls": {**ok, "chosen": [None]},
        "message without content": {**ok, "chosen": [{"role": "assistant"}]},
        "message without role": {**ok, "chosen": [{"content": "x"}]},
        "message with content null": {**ok, "chosen": [{"role": "assistant", "content": None}]},
        "message with a number as content": {**ok, "chosen": [{"role": "assistant", "content": 1}]},
        "message with an object as content": {
            **ok,
            "chosen": [{"role": "assistant", "content": {"a": 1}}],
        },
        "message with a list as role": {**ok, "chosen": [{"role": ["x"], "content": "a"}]},
        "prompt a number": {**ok, "prompt": 4},
    }
    for name, odd in broken.items():
        yield _bad_row(g, name, odd)
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    deeper: Any = 1
    for _ in range(700):
        deeper = {"a": deeper}
    lines_of_rows: dict[str, Any] = {
        "an unread key nested 300 deep": {**ok, "meta": deep},
        "an unread key nested 700 deep": {**ok, "meta": deeper},
        "an unread integer beyond 64 bits": {**ok, "meta": 2**70},
        "a negative integer beyond 64 bits": {**ok, "meta": -(2**70)},
        "integer beyond 64 bits beside NaN": {**ok, "meta": [2**70, float("nan")]},
        "NaN in an unread key": {**ok, "meta": float("nan")},
        "infinity in an unread key": {**ok, "meta": float("inf")},
        "an empty key": {**ok, "": 1},
        "a key with a dot": {**ok, "a.b": 1},
        "a key with a quote": {**ok, 'a"b': 1},
        "a key with a newline": {**ok, "a\nb": 1},
        "a key of 100,000 characters": {**ok, "k" * 100_000: 1},
        "5,000 keys": {**ok, **{f"k{i}": i for i in range(5000)}},
        "an empty prompt": {**ok, "prompt": ""},
        "an empty answer": {**ok, "rejected": ""},
        "equal answers": {**ok, "rejected": ok["chosen"]},
        "white space alone": {**ok, "chosen": " \n\t"},
        "an escaped NUL in a text": {**ok, "chosen": "a\x00b"},
        "an answer of 2 million characters": {**ok, "chosen": "x " * 1_000_000},
        "a byte order mark in a text": {**ok, "chosen": "\ufeffx"},
        "characters beyond the first plane": {**ok, "chosen": "\U0001f600 \U00020000"},
        "marks of direction": {**ok, "chosen": "\u202eabc\u202c"},
        "line separators": {**ok, "chosen": "a\u2028b\u2029c\x85d\x0be"},
    }
    for name, odd in lines_of_rows.items():
        yield _good_row(g, name, odd)
    good = lines(rows(3))
    files: dict[str, tuple[bytes, str | int, str | int, int]] = {
        "Windows line ends": (good.replace(b"\n", b"\r\n"), 3, 3, 0),
        "old Mac line ends": (good.replace(b"\n", b"\r"), ERROR, ERROR, 0),
        "blank lines": (good.replace(b"\n", b"\n\n  \n"), 3, 3, 0),
        "no line end at the end": (good.rstrip(), 3, 3, 0),
        "a byte order mark": (b"\xef\xbb\xbf" + good, 3, 3, 0),
        "a byte order mark alone": (b"\xef\xbb\xbf", ERROR, ERROR, 0),
        "nothing": (b"", ERROR, ERROR, 0),
        "white space": (b" \n \n", ERROR, ERROR, 0),
        "UTF-16": (good.decode().encode("utf-16"), ERROR, ERROR, 0),
        "UTF-16 without a mark": (good.decode().encode("utf-16-le"), ERROR, ERROR, 0),
        "UTF-32": (good.decode().encode("utf-32"), ERROR, ERROR, 0),
        "one row in Latin-1": (good + '{"prompt": "é"}\n'.encode("latin-1"), ERROR, 3, 1),
        "a byte that is never UTF-8": (
            good + b'{"prompt": "a\xff", "chosen": "b", "rejected": "c"}\n',
            ERROR,
            3,
            1,
        ),
        "NUL bytes after the rows": (good + b"\x00" * 100, ERROR, 3, 1),
        "binary data": (bytes(range(256)) * 4, ERROR, ERROR, 0),
        "a page of HTML": (b"<!doctype html>\n<html><body>404</body></html>\n", ERROR, ERROR, 0),
        "a pointer of git LFS": (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            ERROR,
            ERROR,
            0,
        ),
    }
    for name, (data, stop, skip, rejected) in files.items():
        yield Bad(g, name, _file("data.jsonl", data), stop, skip, rejected)


# ---- lone surrogates ------------------------------------------------------------------------


def surrogates() -> Iterator[Bad]:
    """A model's output that was cut inside an emoji."""
    g, ok = "surrogates", json.dumps(rows(1, 9)[0])
    half = "\\ud83d"
    spots = {
        "in a prompt": ok.replace("Say", half),
        "in an answer": ok.replace("It is", half),
        "a low one": ok.replace("It is", "\\ude00"),
        "in an unread key's value": ok[:-1] + f', "meta": "{half}"}}',
        "in an unread key's name": ok[:-1] + f', "a{half}": 1}}',
        "in a nested value": ok[:-1] + f', "meta": {{"a": [{{"{half}": "{half}"}}]}}}}',
        "in a message": ok.replace('"It is 9."', f'[{{"role": "assistant", "content": "{half}"}}]'),
        "in a role": ok.replace('"It is 9."', f'[{{"role": "a{half}", "content": "x"}}]'),
        "in a source": ok[:-1] + f', "source": "{half}"}}',
    }
    for name, row in spots.items():
        data = ("\n".join([row, row.replace("9", "8")]) + "\n").encode()
        yield Bad(g, name, _file("data.jsonl", data), 2, 2, says="surrogate")
    array = f"[{spots['in an answer']}, {ok.replace('9', '8')}]".encode()
    yield Bad(g, "in a JSON array", _file("data.json", array), 2, 2, says="surrogate")
    raw = ok.encode().replace(b"It is", b"\xed\xa0\xbd")
    yield Bad(g, "as raw bytes", _file("data.jsonl", lines(rows(2)) + raw + b"\n"), ERROR, 2, 1)


# ---- JSON -----------------------------------------------------------------------------------


def json_arrays() -> Iterator[Bad]:
    """Whole files of JSON."""
    g, good = "json", json.dumps(rows(3))
    cases: dict[str, tuple[str | bytes, str | int, str | int, int]] = {
        "a cut array": (good[:-20], ERROR, ERROR, 0),
        "an array of numbers": ("[1, 2, 3]", ERROR, ERROR, 0),
        "an empty array": ("[]", ERROR, ERROR, 0),
        "an empty object": ("{}", ERROR, ERROR, 0),
        "a number": ("3", ERROR, ERROR, 0),
        "a text": ('"abc"', ERROR, ERROR, 0),
        "null": ("null", ERROR, ERROR, 0),
        "an object that holds the array": (f'{{"data": {good}}}', 3, 3, 0),
        "an object of two arrays": (f'{{"train": {good}, "test": {good}}}', ERROR, ERROR, 0),
        "a null among the rows": (good[:-1] + ", null]", ERROR, 3, 1),
        "a number among the rows": (good[:-1] + ", 5]", ERROR, 3, 1),
        "an array within the array": (f"[{good}]", ERROR, ERROR, 0),
        "two arrays one after another": (good + good, ERROR, ERROR, 0),
        "deep brackets": ("[" * 100_000, ERROR, ERROR, 0),
        "deep objects": ('{"a":' * 100_000, ERROR, ERROR, 0),
        "a trailing comma": (good[:-1] + ",]", ERROR, ERROR, 0),
        "Latin-1": (good.replace("Say", "é").encode("latin-1"), ERROR, ERROR, 0),
        "UTF-16": (good.encode("utf-16"), ERROR, ERROR, 0),
        "a byte order mark": (b"\xef\xbb\xbf" + good.encode(), 3, 3, 0),
        "a byte order mark alone": (b"\xef\xbb\xbf", ERROR, ERROR, 0),
        "nothing": (b"", ERROR, ERROR, 0),
        "JSON lines": (lines(rows(3)), 3, 3, 0),
        "one line": (json.dumps(rows(1)[0]), 1, 1, 0),
        "an object over several lines": (json.dumps(rows(1)[0], indent=1), 1, 1, 0),
        "NaN": (good[:-2] + ', "meta": NaN}]', 3, 3, 0),
        "an integer beyond 64 bits": (good[:-2] + f', "meta": {2**80}}}]', 3, 3, 0),
    }
    for name, (text, stop, skip, rejected) in cases.items():
        data = text if isinstance(text, bytes) else text.encode()
        yield Bad(g, name, _file("data.json", data), stop, skip, rejected)


# ---- CSV and TSV ----------------------------------------------------------------------------

_HEAD = "prompt,chosen,rejected\n"


def separated() -> Iterator[Bad]:
    """CSV and TSV files."""
    many = "".join(f"q{i},a{i},b{i}\n" for i in range(1, 501))
    two = many.replace("q5,", '"q5,', 1).replace("q495,", '"q495,', 1)
    csv: dict[str, tuple[str | bytes, str | int, str | int, int]] = {
        "a quote that is never closed": (
            _HEAD + 'q1,a1,b1\n"q2,a2,b2\nq3,a3,b3\n',
            ERROR,
            ERROR,
            0,
        ),
        "two quotes that merge 490 rows": (_HEAD + two, ERROR, ERROR, 0),
        "an unclosed quote in the last field": (_HEAD + 'q1,a1,"b1\n', ERROR, ERROR, 0),
        "an unclosed quote in the header": (
            '"prompt,chosen,rejected\nq,a,b\n',
            ERROR,
            ERROR,
            0,
        ),
        "text after a closing quote": (_HEAD + '"q1" x,a,b\n', ERROR, ERROR, 0),
        "a quote within a field": (_HEAD + 'a 5" pipe,a,b\n', 1, 1, 0),
        "doubled quotes": (_HEAD + '"a ""b"" c",a,b\n', 1, 1, 0),
        "line ends in quotes": (_HEAD + '"a\nb\n\nc",a,b\n', 1, 1, 0),
        "a field too many": (_HEAD + "q,a,b\nq,a,b,c\n", ERROR, 1, 1),
        "a field too few": (_HEAD + "q,a,b\nq,a\n", ERROR, 1, 1),
        "an empty answer": (_HEAD + 'q,a,""\n', 1, 1, 0),
        "a missing answer": (_HEAD + "q,a,b\nq,a,\n", ERROR, 1, 1),
        "blank lines": (_HEAD + "\nq,a,b\n\n", 1, 1, 0),
        "the header alone": (_HEAD, ERROR, ERROR, 0),
        "a byte order mark alone": (b"\xef\xbb\xbf", ERROR, ERROR, 0),
        "a byte order mark": (b"\xef\xbb\xbf" + (_HEAD + "q,a,b\n").encode(), 1, 1, 0),
        "nothing": (b"", ERROR, ERROR, 0),
        "a line end alone": (b"\n", ERROR, ERROR, 0),
        "names given twice": ("prompt,chosen,chosen,rejected\nq,a,x,b\n", ERROR, ERROR, 0),
        "an unread name given twice": (
            "prompt,chosen,rejected,m,m\nq,a,b,1,2\n",
            ERROR,
            ERROR,
            0,
        ),
        "an empty name": ("prompt,chosen,rejected,\nq,a,b,x\n", 1, 1, 0),
        "a header of 200,000 characters": (
            "prompt,chosen,rejected," + "x" * 200_000 + "\nq,a,b,c\n",
            1,
            1,
            0,
        ),
        "a field of 300,000 characters": (_HEAD + f"q,{'a ' * 150_000},b\n", 1, 1, 0),
        "semicolons": ("prompt;chosen;rejected\nq;a;b\n", 1, 1, 0),
        "Windows line ends": ((_HEAD + "q,a,b\n").replace("\n", "\r\n"), 1, 1, 0),
        "Latin-1": ((_HEAD + "é,a,b\n").encode("latin-1"), ERROR, ERROR, 0),
        "UTF-16": ((_HEAD + "q,a,b\n").encode("utf-16"), ERROR, ERROR, 0),
        "a NUL byte": ((_HEAD + "q\x00,a,b\n").encode(), 1, 1, 0),
        "no header": ("q,a,b\nq2,a2,b2\n", ERROR, ERROR, 0),
        "binary data": (bytes(range(256)), ERROR, ERROR, 0),
        "no line end at the end": (_HEAD + "q,a,b", 1, 1, 0),
    }
    for name, (text, stop, skip, rejected) in csv.items():
        data = text if isinstance(text, bytes) else text.encode()
        yield Bad("csv", name, _file("data.csv", data), stop, skip, rejected)
    head = _HEAD.replace(",", "\t")
    tsv: dict[str, tuple[str, str | int, str | int, int]] = {
        "a quote that is never closed": (head + '"q1\ta1\tb1\nq2\ta2\tb2\n', 2, 2, 0),
        "quote marks around a text": (head + '"q1"\t"a"\tb\n', 1, 1, 0),
        "a field too many": (head + "q\ta\tb\nq\ta\tb\tc\n", ERROR, 1, 1),
        "names given twice": ("prompt\tchosen\tchosen\trejected\nq\ta\ta\tb\n", ERROR, ERROR, 0),
        "commas": (_HEAD + "q,a,b\n", ERROR, ERROR, 0),
        "the header alone": (head, ERROR, ERROR, 0),
        "a carriage return in a field": (head + "q\ta\rc\tb\n", ERROR, ERROR, 0),
    }
    for name, (text, stop, skip, rejected) in tsv.items():
        yield Bad("tsv", name, _file("data.tsv", text.encode()), stop, skip, rejected)


# ---- compressed -----------------------------------------------------------------------------


def _zip(*members: tuple[str, bytes]) -> Write:
    def write(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "data.jsonl.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in members:
                file.writestr(name, data)
        return folder / "data.jsonl.zip"

    return write


def _zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


def _flipped(data: bytes, at: float = 0.5) -> bytes:
    spot = int(len(data) * at)
    return data[:spot] + bytes([data[spot] ^ 0xFF]) + data[spot + 1 :]


def compressed() -> Iterator[Bad]:
    """Compressed files and archives."""
    g, data = "compressed", lines(rows(2000))
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "zst": _zstd,
    }
    for ending, pack in packers.items():
        packed, name = pack(data), f"data.jsonl.{ending}"
        yield Bad(g, f"{ending}: whole", _file(name, packed), 2000, 2000)
        cut = _file(name, packed[: len(packed) // 2])
        yield Bad(g, f"{ending}: cut in half", cut, ERROR, ERROR, says="damaged")
        yield Bad(g, f"{ending}: its head alone", _file(name, packed[:5]), ERROR, ERROR)
        yield Bad(g, f"{ending}: the last bytes cut", _file(name, packed[:-3]), ERROR, ERROR)
        flip = _file(name, _flipped(packed))
        yield Bad(g, f"{ending}: a byte flipped", flip, ERROR, ERROR)
        yield Bad(g, f"{ending}: not compressed", _file(name, data), ERROR, ERROR)
        rubbish = _file(name, packed + b"rubbish" * 20)
        yield Bad(g, f"{ending}: rubbish behind it", rubbish, ERROR, ERROR)
        twice = _file(name, pack(lines(rows(3))) + pack(lines(rows(3, 3))))
        yield Bad(g, f"{ending}: two parts one after another", twice, 6, 6)
        yield Bad(g, f"{ending}: nothing in it", _file(name, pack(b"")), ERROR, ERROR)
        yield Bad(
            g,
            f"{ending}: a JSON array cut in half",
            _file(f"data.json.{ending}", pack(json.dumps(rows(2000)).encode())[:-200]),
            ERROR,
            ERROR,
        )
        yield Bad(
            g,
            f"{ending}: a CSV cut in half",
            _file(f"data.csv.{ending}", pack(_HEAD.encode() + b"q,a,b\n" * 9000)[:-12]),
            ERROR,
            ERROR,
        )
    a, b = lines(rows(3)), lines(rows(3, 3))
    z = "zip"
    yield Bad(z, "two members", _zip(("a.jsonl", a), ("b.jsonl", b)), 6, 6)
    yield Bad(z, "a macOS archive", _zip(("a.jsonl", a), ("__MACOSX/._a.jsonl", b"\0" * 99)), 3, 3)
    yield Bad(z, "a folder within", _zip(("d/", b""), ("d/a.jsonl", a), ("d/e/b.jsonl", b)), 6, 6)
    yield Bad(z, "a member of another kind", _zip(("a.jsonl", a), ("README.md", b"x")), 3, 3)
    yield Bad(z, "a table beside", _zip(("a.jsonl", a), ("b.xlsx", b"x")), 3, 3, says="b.xlsx")
    yield Bad(z, "no member", _zip(), ERROR, ERROR)
    yield Bad(z, "no data among its members", _zip(("a.exe", b"x"), ("b", b"")), ERROR, ERROR)
    yield Bad(z, "a member named without an ending", _zip(("data", a)), 3, 3)
    empty = _zip(("a.jsonl", a), ("b.jsonl", b""))
    yield Bad(z, "an empty member beside", empty, 3, 3, says="files without rows: 1")
    yield Bad(
        z, "members of two kinds", _zip(("a.jsonl", a), ("b.csv", b"x,y\n1,2\n")), ERROR, 3, 1
    )
    yield Bad(z, "a path that leaves it", _zip(("../a.jsonl", a)), 3, 3)

    def cut_zip(folder: Path) -> Path:
        path = Path(_zip(("a.jsonl", data))(folder))
        path.write_bytes(path.read_bytes()[:-40])
        return path

    def flip_zip(folder: Path) -> Path:
        path = Path(_zip(("a.jsonl", data))(folder))
        path.write_bytes(_flipped(path.read_bytes(), 0.3))
        return path

    def headless_zip(at: int) -> Write:
        def write(folder: Path) -> Path:
            path = Path(_zip(("a.jsonl", data))(folder))
            archive = bytearray(path.read_bytes())
            archive[at] ^= 1
            path.write_bytes(archive)
            return path

        return write

    # The first byte of its mark, and of its name, which stand before each member.
    yield Bad(z, "a damaged header of a member", headless_zip(0), *_ER)
    yield Bad(z, "another name before a member", headless_zip(30), *_ER)

    def locked_zip(folder: Path) -> Path:
        path = Path(_zip(("a.jsonl", a))(folder))
        packed = bytearray(path.read_bytes())
        packed[6] |= 1  # the flag of encryption, in both headers
        packed[packed.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(bytes(packed))
        return path

    yield Bad(z, "cut at its end", cut_zip, ERROR, ERROR)
    yield Bad(z, "a byte flipped", flip_zip, ERROR, ERROR)
    yield Bad(z, "encrypted", locked_zip, ERROR, ERROR)
    yield Bad(z, "no zip", _file("data.jsonl.zip", b"hello"), ERROR, ERROR)
    yield Bad(z, "a tar archive", _file("data.tar.gz", gzip.compress(a)), ERROR, ERROR)


# ---- Parquet and Arrow ----------------------------------------------------------------------


def _table(count: int = 2000, **more: Any) -> pa.Table:
    table = pa.Table.from_pylist(rows(count))
    for name, column in more.items():
        table = table.append_column(name, column)
    return table


def _parquet_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _arrow_bytes(table: pa.Table, stream: bool) -> bytes:
    sink = pa.BufferOutputStream()
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=500)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def columnar() -> Iterator[Bad]:
    """Damaged columnar files."""
    table = _table()
    forms = {
        "parquet": _parquet_bytes(table),
        "arrow": _arrow_bytes(table, stream=False),
        "feather": _arrow_bytes(table, stream=True),
    }
    for ending, data in forms.items():
        g, name = ending, f"data.{ending}"
        yield Bad(g, "whole", _file(name, data), 2000, 2000)
        yield Bad(g, "cut in half", _file(name, data[: len(data) // 2]), ERROR, ERROR)
        yield Bad(g, "its head alone", _file(name, data[:6]), ERROR, ERROR)
        yield Bad(g, "no such file", _file(name, b"hello, world" * 9), ERROR, ERROR)
        yield Bad(g, "nothing", _file(name, b""), ERROR, ERROR)
        zeros = data[: len(data) // 2] + bytes(len(data) - len(data) // 2)
        yield Bad(g, "its second half zeros", _file(name, zeros), ERROR, ERROR)
        empty = {
            "parquet": _parquet_bytes(table.slice(0, 0)),
            "arrow": _arrow_bytes(table.slice(0, 0), stream=False),
            "feather": _arrow_bytes(table.slice(0, 0), stream=True),
        }[ending]
        yield Bad(g, "no row", _file(name, empty), ERROR, ERROR)
    parquet = forms["parquet"]
    yield Bad(
        "parquet", "its first page damaged", _file("a.parquet", _flipped(parquet, 0.02)), *_ER
    )
    yield Bad("parquet", "its footer damaged", _file("a.parquet", _flipped(parquet, 0.995)), *_ER)
    page = parquet[:64] + bytes(512) + parquet[576:]
    yield Bad("parquet", "zeros in a page", _file("a.parquet", page), *_ER)
    yield Bad("arrow", "a stream cut at its end", _file("a.arrow", forms["feather"][:-600]), *_ER)


_ER = (ERROR, ERROR)


def odd_columns() -> Iterator[Bad]:
    """Columns that nobody reads, of every type, and read ones of odd types."""
    import datetime
    import decimal

    g, n = "columns", 2
    day = datetime.datetime(2024, 1, 2, 3, 4, 5)
    union = pa.UnionArray.from_dense(
        pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["x"])]
    )
    month = pa.MonthDayNano([1, 2, 3])
    unread: dict[str, pa.Array] = {
        "binary": pa.array([b"\xff\x00", None]),
        "large binary": pa.array([b"\xff", b"a"], pa.large_binary()),
        "fixed binary": pa.array([b"abcd", b"\xff\xfe\xfd\xfc"], pa.binary(4)),
        "decimal": pa.array([decimal.Decimal("1.25"), None], pa.decimal128(9, 2)),
        "decimal256": pa.array([decimal.Decimal("1.25"), None], pa.decimal256(60, 2)),
        "list of binary": pa.array([[b"\xff"], [b"a", None]]),
        "struct with binary": pa.array([{"bytes": b"\xff", "path": None}, None]),
        "list of structs with binary": pa.array([[{"bytes": b"\xff"}], []]),
        "dense union": union,
        "interval": pa.array([month, None], pa.month_day_nano_interval()),
        "run-end encoded": pa.RunEndEncodedArray.from_arrays([2], ["x"]),
        "string view": pa.array(["a", None], pa.string_view()),
        "binary view": pa.array([b"\xff", None], pa.binary_view()),
        "list view": pa.array([[1], [2, 3]], pa.list_view(pa.int64())),
        "fixed list": pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2)),
        "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
        "half float": pa.array([1.5, None], pa.float32()).cast(pa.float16()),
        "date": pa.array([day.date(), None]),
        "date64": pa.array([day.date(), None], pa.date64()),
        "time": pa.array([day.time(), None], pa.time64("ns")),
        "time32": pa.array([day.time(), None], pa.time32("s")),
        "duration": pa.array([datetime.timedelta(1), None], pa.duration("ms")),
        "timestamp": pa.array([day, None], pa.timestamp("ns")),
        "timestamp with a zone": pa.array([day, None], pa.timestamp("us", "Europe/Paris")),
        "timestamp with an odd zone": pa.array([1, None], pa.timestamp("us", "+05:30")),
        "timestamp with an unknown zone": pa.array([1, None], pa.timestamp("us", "Mars/Olympus")),
        "dictionary": pa.array(["a", "b"]).dictionary_encode(),
        "dictionary of numbers": pa.array([1.5, 2.5]).dictionary_encode(),
        "nulls": pa.nulls(n),
        "NaN": pa.array([float("nan"), 1.0]),
        "infinity": pa.array([float("inf"), 1.0]),
        "uint64": pa.array([2**64 - 1, 0], pa.uint64()),
        "struct without fields": pa.array([{}, {}], pa.struct([])),
        "list of nulls": pa.array([[None], []], pa.list_(pa.null())),
        "struct of lists of structs": pa.array([{"a": [{"b": [1]}]}, None]),
        "uuid": pa.ExtensionArray.from_storage(
            pa.uuid(), pa.array([b"0" * 16, None], pa.binary(16))
        ),
        "fixed tensor": pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(pa.int32(), [2]),
            pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)),
        ),
    }
    for name, column in unread.items():
        table = _table(n, meta=column)
        form, ending = (_parquet_bytes, "parquet")
        try:
            data = form(table)
        except (pa.ArrowException, NotImplementedError):
            data, ending = _arrow_bytes(table, stream=False), "arrow"
        yield Bad(g, f"unread {name}", _file(f"data.{ending}", data), 2, 2)
    texts = pa.array(["a", "b"])
    answers: dict[str, tuple[pa.Array, str | int, int]] = {
        "large string": (texts.cast(pa.large_string()), 2, 0),
        "string view": (texts.cast(pa.string_view()), 2, 0),
        "dictionary": (texts.dictionary_encode(), 2, 0),
        "run-end encoded": (pa.RunEndEncodedArray.from_arrays([2], ["x"]), 2, 0),
        "binary that is text": (texts.cast(pa.binary()), 2, 0),
        "binary that is no text": (pa.array([b"a", b"\xff"]), 1, 1),
        "numbers": (pa.array([1, 2]), ERROR, 0),
        "bools": (pa.array([True, False]), ERROR, 0),
        "nulls": (pa.nulls(2), ERROR, 0),
        "lists of numbers": (pa.array([[1], [2]]), ERROR, 0),
        "structs of other fields": (pa.array([{"x": 1}, {"x": 2}]), ERROR, 0),
        "one null": (pa.array(["a", None]), 1, 1),
        "invalid UTF-8": (
            pa.array([b"a", b"cut \xf0\x9f"]).view(pa.string()),
            2,
            0,
        ),
    }
    for name, (column, skip, rejected) in answers.items():
        table = _table(2).drop_columns("chosen").append_column("chosen", column)
        data, ending = _arrow_bytes(table, stream=False), "arrow"
        stop = ERROR if rejected or skip == ERROR else skip
        yield Bad(g, f"answers of {name}", _file(f"data.{ending}", data), stop, skip, rejected)
    message = pa.struct([("role", pa.string()), ("content", pa.binary())])
    binary = pa.array([[{"role": "assistant", "content": b"x"}]] * 2, pa.list_(message))
    table = _table(2).drop_columns("chosen").append_column("chosen", binary)
    yield Bad(g, "content as binary", _file("a.parquet", _parquet_bytes(table)), 2, 2)
    wrong = pa.array(
        [
            [{"role": "assistant", "content": b"x"}],
            [{"role": "assistant", "content": b"cut \xf0\x9f"}],
        ],
        pa.list_(message),
    )
    text = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    nested = pa.ListArray.from_arrays(
        wrong.offsets,
        pa.StructArray.from_arrays(
            [wrong.values.field(0), wrong.values.field(1).view(pa.string())], ["role", "content"]
        ),
        type=text,
    )
    table = _table(2).drop_columns("chosen").append_column("chosen", nested)
    yield Bad(g, "invalid UTF-8 in a message", _file("a.parquet", _parquet_bytes(table)), 2, 2)
    twice = pa.table(
        [*_table(2).columns, pa.array([1, 2]), pa.array([3, 4])],
        names=["prompt", "chosen", "rejected", "m", "m"],
    )
    yield Bad(g, "a name given twice", _file("a.parquet", _parquet_bytes(twice)), *_ER)
    twice = pa.table(
        [*_table(2).columns, pa.array(["x", "y"])],
        ["prompt", "chosen", "rejected"] * 1 + ["chosen"],
    )
    yield Bad(g, "an answer's name given twice", _file("a.parquet", _parquet_bytes(twice)), *_ER)
    null_content = pa.array(
        [[{"role": "assistant", "content": "x"}], [{"role": "assistant", "content": None}]]
    )
    table = _table(2).drop_columns("chosen").append_column("chosen", null_content)
    yield Bad(
        g, "a message with content null", _file("a.parquet", _parquet_bytes(table)), ERROR, 1, 1
    )


# ---- places ---------------------------------------------------------------------------------


def places() -> Iterator[Bad]:
    """Paths and folders."""
    g, good = "places", lines(rows(3))

    def make(*files: tuple[str, bytes], give: str = "") -> Write:
        def write(folder: Path) -> Path:
            for name, data in files:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
            return folder / give if give else folder

        return write

    other = lines(rows(5, 10))
    glob = make(("data[1].jsonl", good), ("data1.jsonl", other), give="data[1].jsonl")
    yield Bad(g, "a name with brackets", glob, 3, 3)
    star = make(("a*.jsonl", good), ("ab.jsonl", other), give="a*.jsonl")
    yield Bad(g, "a name with a star", star, 3, 3)
    question = make(("a?.jsonl", good), ("ab.jsonl", other), give="a?.jsonl")
    yield Bad(g, "a name with a question mark", question, 3, 3)
    bracket = make(("d[x]/a.jsonl", good), give="d[x]")
    yield Bad(g, "a folder with brackets", bracket, 3, 3)
    percent = make(("a%20b #1.jsonl", good), give="a%20b #1.jsonl")
    yield Bad(g, "a name with percent and hash", percent, 3, 3)
    yield Bad(g, "a name with colons", make(("a:b::c.jsonl", good), give="a:b::c.jsonl"), 3, 3)
    yield Bad(g, "a name with a newline", make(("a\nb.jsonl", good), give="a\nb.jsonl"), 3, 3)
    yield Bad(g, "a name of 200 characters", make(("a" * 200 + ".jsonl", good)), 3, 3)
    yield Bad(g, "an ending in capitals", make(("DATA.JSONL", good), give="DATA.JSONL"), 3, 3)
    yield Bad(g, "capitals in a folder", make(("A.JSONL", good), ("b.jsonl", other)), 8, 8)
    yield Bad(g, "a folder without files", make(("x/a.txt", b""), give="x"), *_ER)
    yield Bad(g, "no such file", make(give="nothing.jsonl"), *_ER)
    yield Bad(g, "no such folder", make(give="a/b/c"), *_ER)
    yield Bad(g, "an unknown ending", make(("a.xlsx", good), give="a.xlsx"), *_ER)
    yield Bad(g, "no ending", make(("data", good), give="data"), *_ER)
    yield Bad(
        g,
        "another file beside",
        make(("a.jsonl", good), ("notes.xlsx", b"x")),
        3,
        3,
        says="notes.xlsx",
    )
    yield Bad(g, "a README beside", make(("a.jsonl", good), ("README.md", b"x")), 3, 3)
    yield Bad(g, "hidden files beside", make(("a.jsonl", good), (".b.jsonl", other)), 3, 3)
    yield Bad(
        g,
        "data in a sub-folder too",
        make(("a.jsonl", good), ("more/b.jsonl", other)),
        *_ER,
        says="more",
    )
    yield Bad(g, "data in sub-folders alone", make(("a/a.jsonl", good), ("b/b.jsonl", other)), *_ER)
    yield Bad(g, "an empty file among others", make(("a.jsonl", good), ("b.jsonl", b"")), *_ER)
    two = make(("a.jsonl", good), ("b.jsonl", b'{"x": 1}\n'))
    yield Bad(g, "a file of another format", two, ERROR, 3, 1)

    def dead_link(folder: Path) -> Path:
        (folder / "a.jsonl").symlink_to(folder / "gone.jsonl")
        return folder / "a.jsonl"

    def dead_link_among(folder: Path) -> Path:
        (folder / "b.jsonl").write_bytes(good)
        (folder / "a.jsonl").symlink_to(folder / "gone.jsonl")
        return folder

    def circle(folder: Path) -> Path:
        (folder / "a.jsonl").symlink_to(folder / "a.jsonl")
        return folder / "a.jsonl"

    def fifo(folder: Path) -> Path:
        import os

        os.mkfifo(folder / "a.jsonl")
        return folder / "a.jsonl"

    def fifo_among(folder: Path) -> Path:
        (folder / "b.jsonl").write_bytes(good)
        fifo(folder)
        return folder

    def no_utf8(folder: Path) -> str:
        import os

        path = os.fsencode(folder) + b"/d\xff.jsonl"
        with open(path, "wb") as file:  # noqa: PTH123 (the name is no text)
            file.write(good)
        return os.fsdecode(path)

    def no_utf8_among(folder: Path) -> Path:
        no_utf8(folder)
        return folder

    def folder_named_as_file(folder: Path) -> Path:
        (folder / "a.jsonl").mkdir()
        (folder / "a.jsonl" / "b.jsonl").write_bytes(good)
        return folder / "a.jsonl"

    def folder_among(folder: Path) -> Path:
        (folder / "b.jsonl").write_bytes(good)
        (folder / "a.jsonl").mkdir()
        return folder

    def link_to_folder(folder: Path) -> Path:
        (folder / "d").mkdir()
        (folder / "d" / "a.jsonl").write_bytes(good)
        (folder / "l").symlink_to(folder / "d")
        return folder / "l"

    yield Bad(g, "a broken link", dead_link, *_ER)
    yield Bad(g, "a broken link in a folder", dead_link_among, *_ER)
    yield Bad(g, "a link to itself", circle, *_ER)
    yield Bad(g, "a FIFO", fifo, *_ER, says="regular")
    yield Bad(g, "a FIFO in a folder", fifo_among, *_ER, says="regular")
    yield Bad(g, "a name that is no UTF-8", no_utf8, 3, 3)
    yield Bad(g, "such a name in a folder", no_utf8_among, 3, 3)
    yield Bad(g, "a folder named as a file", folder_named_as_file, 3, 3)
    yield Bad(g, "a folder among the files", folder_among, 3, 3)
    yield Bad(g, "a link to a folder", link_to_folder, 3, 3)
    yield Bad(g, "a device", lambda _: "/dev/null", *_ER)
    yield Bad(g, "an endless device", lambda _: "/dev/zero", *_ER)
    for name, path in {
        "an unknown scheme": "foo://bar/data.jsonl",
        "a scheme whose package is missing": "oss://bucket/data.jsonl",
        "a host that is not there": "http://127.0.0.1:9/data.jsonl",
        "an empty path": "",
        "a path of a NUL byte": "a\x00b.jsonl",
        "a path too long": "a" * 5000 + ".jsonl",
        "a glob that matches nothing": "nothing-*.jsonl",
        "a glob with an open bracket": "nothing-[.jsonl",
    }.items():
        yield Bad(g, name, lambda _, path=path: path, *_ER)  # type: ignore[misc]


def all_bad() -> list[Bad]:
    """Every kind."""
    groups = (
        json_lines,
        surrogates,
        json_arrays,
        separated,
        compressed,
        columnar,
        odd_columns,
        places,
    )
    return [bad for group in groups for bad in group()]
