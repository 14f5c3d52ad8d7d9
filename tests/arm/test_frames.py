"""Frames: the documented bytes, both directions, and whatever else may come through a socket."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmocks.arm import frames
from callmocks.arm.frames import FrameError, decode_request, decode_response
from callmocks.contract.resources import fixture_path

ids = st.integers(0, 9999).map("{:04d}".format)
commands = st.from_regex(r"[!-Z\\^-~]{1,32}", fullmatch=True)
bodies = st.text(max_size=200).map(lambda text: f'["{text}"]'.encode("utf-8", "replace"))


def documented(name: str) -> bytes:
    return fixture_path(f"documented/arm/{name}.frame").read_bytes()


def compact(pretty: bytes) -> bytes:
    """The JSON of the vendor's page without the page's line breaks and indents."""
    return re.sub(rb"\n *|(?<=:) ", b"", pretty)


@pytest.mark.proves("arm.frame-command")
def test_the_documented_request_declares_the_length_of_its_padded_compact_form() -> None:
    request = decode_request(documented("request"))
    assert (request.id, request.command) == ("0012", "operator_call_history")
    again = frames.encode_request(request.id, request.command, compact(request.body))
    assert again[:12] == documented("request")[:12] == b"010000000159"
    assert len(again) == 159
    assert again[16:48] == b"operator_call_history           "


@pytest.mark.proves("arm.frame-header")
def test_the_documented_response_declares_the_length_of_its_compact_form() -> None:
    response = decode_response(documented("response"))
    assert (response.id, response.status) == ("0012", 200)
    again = frames.encode_response(response.id, response.status, compact(response.body))
    assert again[:19] == documented("response")[:19] == b"0100000058100012200"
    assert len(again) == 5810


@pytest.mark.proves("arm.frame-as-printed")
def test_the_frame_as_printed_is_understood_and_its_two_deviations_are_told() -> None:
    printed = decode_request(documented("request"))
    assert [deviation.where for deviation in printed.deviations] == [
        "bytes 3-12 (length)",
        "bytes 17-48 (command)",
    ]
    assert printed.deviations[0].got == "159"
    assert printed.deviations[0].expected.startswith("173")


@pytest.mark.proves("arm.frame-command")
def test_two_documented_commands_of_other_lengths_have_equal_frames() -> None:
    body = b"[" + b" " * 80 + b"]"
    lengths = {len(frames.encode_request("0001", "a" * size, body)) for size in (14, 16)}
    assert lengths == {130}


@pytest.mark.proves("arm.frame-length")
def test_the_length_counts_bytes_not_characters() -> None:
    frame = frames.encode_response("0001", 200, '["Оператор 1"]'.encode())
    assert int(frame[2:12]) == len(frame) == len(frame.decode()) + 8
    counted = frames.encode_response("0001", 200, '["Оператор 1"]'.encode(), unit="characters")
    assert int(counted[2:12]) == len(counted.decode())
    assert decode_response(counted, unit="characters").deviations == ()


@pytest.mark.proves("arm.frame-pad")
@pytest.mark.parametrize("pad", [b" ", b"\0"])
def test_spaces_and_nuls_around_the_command_are_stripped(pad: bytes) -> None:
    frame = frames.encode_request("0007", "login", b"[]", pad=pad)
    assert frame[21:48] == pad * 27
    assert decode_request(frame) == ("0007", "login", b"[]", ())


@given(ids, commands, bodies)
def test_a_request_comes_back_as_it_was(id: str, command: str, body: bytes) -> None:
    frame = frames.encode_request(id, command, body)
    assert decode_request(frame) == (id, command, body, ())
    version, length, got_id, name, json = (
        frame[:2], frame[2:12], frame[12:16], frame[16:48], frame[48:],
    )  # fmt: skip
    assert (version, int(length), got_id.decode()) == (b"01", len(frame), id)
    assert (name.rstrip(), json) == (command.encode(), body)


@pytest.mark.proves("arm.frame-header")
@given(ids, st.integers(100, 999), st.binary(max_size=300))
def test_a_response_comes_back_as_it_was(id: str, status: int, body: bytes) -> None:
    frame = frames.encode_response(id, status, body)
    assert decode_response(frame) == (id, status, body, ())
    assert frame == b"01" + str(len(frame)).zfill(10).encode() + id.encode() + b"%d" % status + body


@settings(max_examples=300)
@given(st.binary(max_size=120) | st.from_regex(rb"01[0-9]{10}[0-9]{4}[ -~\x00\n]{0,60}"))
def test_any_bytes_are_read_or_refused_with_a_place(message: bytes) -> None:
    for decode in (decode_request, decode_response):
        try:
            frame = decode(message)
        except FrameError as error:
            assert error.where
            assert re.fullmatch(r"\d{4}", error.id)
        else:
            assert message.endswith(frame.body)
            assert message[12:16].decode() == frame.id


@pytest.mark.proves("arm.unreadable-header")
@pytest.mark.parametrize(
    ("message", "where", "id"),
    [
        (b"", "version", "0000"),
        (b"0", "version", "0000"),
        (b"02000000004800120000" + b" " * 40, "version", "0012"),
        (b"01 00000048" + b"0012", "length", "0000"),
        (b"01000000000x0012" + b"operator_call_history".ljust(32), "length", "0012"),
        ("01٠٠٠٠٠٠٠٠٤٨0012".encode(), "length", "0000"),
        (b"010000000048001", "id", "0000"),
        (b"010000000048-012" + b"x" * 32, "id", "0000"),
        (b"0100000000480012", "header", "0012"),
        (b"0100000000480012operator_call", "header", "0012"),
        (b"0100000000480012" + b" " * 32, "command", "0012"),
        (b"0100000000480012[]", "command", "0012"),
        (b"0100000000480012two words".ljust(48), "command", "0012"),
        ("0100000000480012команда".ljust(48).encode(), "command", "0012"),
    ],
)
def test_a_damaged_header_is_refused_where_it_is_damaged(
    message: bytes, where: str, id: str
) -> None:
    with pytest.raises(FrameError) as refused:
        decode_request(message)
    assert where in refused.value.where
    assert refused.value.id == id


@pytest.mark.parametrize(
    ("id", "command", "status"),
    [("12", "login", 200), ("00x2", "login", 200), ("0001", "", 200), ("0001", "a" * 33, 200),
     ("0001", "a b", 200), ("0001", "имя", 200), ("0001", "login", 7), ("0001", "login", 1000)],
)  # fmt: skip
def test_what_does_not_fit_its_field_is_not_framed(id: str, command: str, status: int) -> None:
    with pytest.raises(FrameError):
        frames.encode_request(id, command, b"[]")
        frames.encode_response(id, status, b"[]")
