"""The form bodies vendors want their files in: right, repeatable, and never in memory as a whole."""

from __future__ import annotations

import io
from email import message_from_bytes
from email.message import Message
from hashlib import sha256
from typing import BinaryIO

import pytest

from batchdrop.multipart import File, multipart


def file(data: bytes, name: str = "file", filename: str = "a.json", size: int | None = None) -> File:
    return (name, filename, "application/json", len(data) if size is None else size, lambda: io.BytesIO(data))


def parts(kind: str, body: bytes) -> list[Message]:
    payload = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body).get_payload()
    assert isinstance(payload, list)
    return [part for part in payload if isinstance(part, Message)]


def test_fields_and_files_arrive_in_order_with_their_names_and_types() -> None:
    kind, length, body = multipart([("comment", "grüße"), ("batch", "b-1")], [file(b"{}\r\n"), file(b"", "file2", "b")])
    data = body.read()

    assert len(data) == length
    read = parts(kind, data)
    assert [part.get_param("name", header="content-disposition") for part in read] == [
        "comment",
        "batch",
        "file",
        "file2",
    ]
    assert [part.get_filename() for part in read] == [None, None, "a.json", "b"]
    assert [part.get_payload(decode=True) for part in read] == ["grüße".encode(), b"b-1", b"{}\r\n", b""]
    assert read[2].get_content_type() == "application/json"


def test_a_form_without_files_or_fields_is_still_a_form() -> None:
    kind, length, body = multipart([], [])

    assert body.read() == f"--{kind.split('boundary=')[1]}--\r\n".encode()
    assert length > 0


@pytest.mark.acceptance("C1")
def test_the_same_form_is_the_same_bytes_and_can_be_made_again() -> None:
    digests = {sha256(multipart([("a", "b")], [file(b"data")], seed="d1")[2].read()).digest() for _ in range(3)}

    assert len(digests) == 1


def test_the_boundary_depends_on_the_payload_s_digest_so_nobody_can_write_it_into_the_payload() -> None:
    assert multipart([], [file(b"data")], seed="d1")[0] != multipart([], [file(b"data")], seed="d2")[0]


def test_a_name_cannot_break_out_of_its_header() -> None:
    kind, _, body = multipart([], [file(b"x", filename='a"\r\nX-Evil: 1\r\n.json')])
    read = parts(kind, body.read())

    assert len(read) == 1
    assert "X-Evil" not in read[0]
    assert read[0].get_filename() == "a%22%0D%0AX-Evil: 1%0D%0A.json"


@pytest.mark.parametrize(("size", "complaint"), [(3, "longer"), (5, "shorter")])
def test_a_file_that_changed_its_size_is_an_error(size: int, complaint: str) -> None:
    with pytest.raises(OSError, match=complaint):
        multipart([], [file(b"data", size=size)])[2].read()


def test_files_are_opened_one_at_a_time_and_closed() -> None:
    opened: list[BinaryIO] = []

    def opener() -> BinaryIO:
        assert all(stream.closed for stream in opened)
        opened.append(io.BytesIO(b"data"))
        return opened[-1]

    multipart([], [("f", "a", "text/plain", 4, opener), ("f", "b", "text/plain", 4, opener)])[2].read()

    assert len(opened) == 2
    assert all(stream.closed for stream in opened)
