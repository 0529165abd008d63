"""Messages: what goes out comes back the same, and nothing else comes in."""

from __future__ import annotations

import itertools
import json
import re
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.core import errors
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.service import protocol
from ParetoSegLib.service.lines import LineCutter
from ParetoSegLib.service.protocol import (
    ERROR_CODES,
    LONGEST_REQUEST,
    NO_REQUEST,
    Answer,
    Cancel,
    DeviceInfo,
    Failure,
    Hello,
    Load,
    Options,
    Progress,
    ProtocolError,
    Refine,
    Segment,
    Shutdown,
    code_of,
)
from ParetoSegLib.service.wire import decode_event, decode_request, encode, id_of, is_word

ids = st.integers(1, 1 << 53)
floats = st.floats(-1e6, 1e6)
words = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True)
texts = st.text(max_size=60)
grids = st.builds(
    Grid,
    st.tuples(*[st.integers(1, 1000)] * 3),
    st.tuples(*[st.floats(0.01, 50)] * 3),
    st.tuples(*[floats] * 3),
    st.tuples(*[floats] * 9),
)
options = st.builds(Options, texts, st.none() | st.floats(0.0, 0.9), st.none() | st.booleans())
images = st.dictionaries(st.sampled_from(MODALITIES), grids, min_size=1)
requests = st.one_of(
    st.builds(Load, ids, texts),
    st.builds(Segment, ids, words, texts, texts, images, options),
    st.builds(Refine, ids, words, ids, options),
    st.builds(Cancel, ids),
    st.builds(Shutdown, ids),
)
devices = st.lists(st.builds(DeviceInfo, texts, texts), max_size=3).map(tuple)
results = st.dictionaries(texts, st.integers() | texts | st.none() | st.lists(floats))
events = st.one_of(
    st.builds(
        Hello,
        st.just(NO_REQUEST),
        st.integers(0, 9),
        texts,
        st.integers(1, 1 << 30),
        st.none() | devices,
    ),
    st.builds(Progress, ids, words, st.floats(0, 1), st.none() | st.floats(0, 1e6)),
    st.builds(Answer, ids, results),
    st.builds(Failure, ids, st.sampled_from(sorted(ERROR_CODES)), texts),
)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
FIELDS = ("id", "request", "event", "model", "folder", "images", "options", "of", "name", "pid")
NAMES = ("load", "segment", "refine", "cancel", "shutdown", "hello", "progress", "result", "error")


def _read(decode, line: bytes) -> object:
    """What a line says, or ``None``; no other exception than ``ProtocolError`` may come out."""
    try:
        return decode(line)
    except ProtocolError:
        return None


@given(requests)
def test_a_request_comes_back_the_same(request) -> None:
    line = encode(request)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert decode_request(line[:-1]) == request
    assert id_of(line) == request.id
    assert _read(decode_event, line) is None


@given(events)
def test_an_event_comes_back_the_same(event) -> None:
    line = encode(event)
    assert decode_event(line[:-1]) == event
    assert _read(decode_request, line) is None


@given(st.binary(max_size=200) | texts.map(str.encode))
def test_garbage_is_refused_with_a_sentence(line: bytes) -> None:
    for decode in (decode_request, decode_event):
        assert _read(decode, line) is None
    assert id_of(line) >= NO_REQUEST


@given(st.dictionaries(st.sampled_from(FIELDS), trees | st.sampled_from(NAMES)))
def test_messages_with_unfit_values_are_refused(tree: dict) -> None:
    line = json.dumps(tree).encode()
    for decode in (decode_request, decode_event):
        message = _read(decode, line)
        if message is not None:  # by chance it fits: then it says just that
            assert encode(message)
            assert message.id == tree["id"]


@given(requests, st.sampled_from(FIELDS), trees)
def test_a_request_with_one_wrong_value_never_passes_unseen(request, field: str, value) -> None:
    tree = json.loads(encode(request))
    tree[field] = value
    message = _read(decode_request, json.dumps(tree).encode())
    if message is not None and field in ("id", "of", "folder", "model"):
        assert getattr(message, field, value) == value


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": true, "request": "cancel"}',
        b'{"id": -1, "request": "cancel"}',
        b'{"id": 0, "request": "cancel"}',
        b'{"id": 1e3, "request": "cancel"}',
        b'{"id": 1, "request": "rm"}',
        b'{"id": 1, "request": ["cancel"]}',
        b'[{"id": 1, "request": "cancel"}]',
        b'{"id": 1, "request": "load", "model": "\xff"}',
        b'{"id": ' + b"9" * 5000 + b', "request": "cancel"}',
        b'{"id": 1, "request": "cancel"' + b" " * LONGEST_REQUEST + b"}",
        b"[" * 100_000,
        b'{"id": NaN, "request": "cancel"}',
    ],
)
def test_what_is_almost_a_request_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_request(line)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "C:", "a b", "ü", "x" * 65])
def test_names_that_could_lead_out_of_the_folder_are_no_words(name: str) -> None:
    assert not is_word(name)


def test_what_is_not_finite_is_not_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode(Progress(1, "segmenting", float("nan"), None))


@given(
    st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b""))),
    st.lists(st.integers(0, 200)),
)
def test_lines_do_not_depend_on_how_the_bytes_arrive(lines: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    edges = [0, *sorted(min(c, len(stream)) for c in cuts), len(stream)]
    cutter = LineCutter(limit=50)
    found = [x for a, b in itertools.pairwise(edges) for x in cutter.cut(stream[a:b])]
    assert found == [line for line in lines if line]


@given(st.integers(1, 30), st.lists(st.binary(min_size=1, max_size=40)))
def test_a_line_too_long_is_cut_and_the_next_one_is_whole(limit: int, pieces: list[bytes]) -> None:
    cutter = LineCutter(limit)
    for piece in pieces:
        assert all(len(line) <= limit + 1 for line in cutter.cut(piece.replace(b"\n", b"x")))
        assert len(cutter._begun) <= limit + 1
    *_, last = [*cutter.cut(b"\n"), *cutter.cut(b"!\n")]
    assert last == b"!"


def test_every_error_has_a_code_with_a_meaning() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type)]
    kinds = [k for k in kinds if issubclass(k, errors.ParetoSegError)]
    assert {code_of(kind("x")) for kind in [*kinds, ProtocolError]} <= set(ERROR_CODES)
    assert code_of(errors.GeometryError("x")) == "geometry"
    assert code_of(errors.ConfigError("x")) == "usage"
    written = {v for k, v in vars(protocol).items() if k.isupper() and isinstance(v, str)}
    assert written <= set(ERROR_CODES)


DOCS = Path(__file__).resolve().parents[2] / "docs" / "worker.md"


def test_the_documented_messages_are_the_messages() -> None:
    blocks = re.findall(r"```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    asked, told = (block.encode().splitlines() for block in blocks)
    kinds = {type(decode_request(line)) for line in asked}
    assert kinds == set(typing.get_args(protocol.Request))
    assert {type(decode_event(line)) for line in told} == set(typing.get_args(protocol.Event))
    for line in (*asked, *told):  # with no field too many
        decoded = decode_request(line) if line in asked else decode_event(line)
        assert set(json.loads(encode(decoded))) == set(json.loads(line))


def test_the_documented_codes_are_the_codes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(rows) == dict(ERROR_CODES)
