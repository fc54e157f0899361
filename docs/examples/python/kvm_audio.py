#!/usr/bin/python3
"""A client of kvm-audio in one file: Python 3 and Debian's python3-msgpack. See docs/protocol.md.

kvm_audio.py record FILE [SECONDS]   what the device hears, into FILE: Ogg where its name ends in
                                     .opus or .ogg, else packets, each behind its length (u16)
kvm_audio.py play FILE [--takeover]  packets from such a file (no Ogg) to the device's output
"""
import os
import socket
import struct
import sys
import time

import msgpack

FRAME_TENTH_MS = [100, 200, 400, 600] * 3 + [100, 200] * 2 + [25, 50, 100, 200] * 4  # RFC 6716, 3.1


class Connection:
    def __init__(self, name, role, **more):
        xdg = os.getuid() and os.environ.get("XDG_RUNTIME_DIR")
        folder = os.environ.get("KVM_AUDIO_RUNTIME_DIR") or os.path.join(xdg or "/run", "kvm-audio")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(3)
        self.socket.connect(os.path.join(folder, name))
        self.file = self.socket.makefile("rb")
        self.send([0, 1, "hello", {"protocol": 1, "role": role, "client": "python", **more}])
        self.welcome = next(body for body in self if body[:2] == [1, 1])[3]
        self.socket.settimeout(None)

    def send(self, body):
        data = msgpack.packb(body)
        try:
            self.socket.sendall(struct.pack(">I", len(data)) + data)
        except ConnectionError:
            list(self)  # the reason lies there to be read

    def __iter__(self):
        while len(length := self.file.read(4)) == 4:
            body = msgpack.unpackb(self.file.read(struct.unpack(">I", length)[0]))
            if (body[0] == 1 or body[:2] == [2, "error"]) and body[2] is not None:
                raise ConnectionError("{code}: {message} (retry: {retryable})".format(**body[2]))
            yield body
        raise ConnectionError("the server has closed the connection")


def samples(payload):
    """Length of an Opus packet in 48 kHz samples, from its first bytes."""
    count = [1, 2, 2, payload[1] & 63 if len(payload) > 1 else 0][payload[0] & 3]
    return FRAME_TENTH_MS[payload[0] >> 3] * count * 48 // 10


def ogg_page(kind, position, number, payload):
    lacing, crc = bytes([255] * (len(payload) // 255) + [len(payload) % 255]), 0
    head = struct.pack("<4sBBqIII", b"OggS", 0, kind, position, 1, number, 0) + bytes([len(lacing)])
    for byte in head + lacing + payload:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ 0x104C11DB7 if crc & 0x80000000 else crc << 1
    return head[:22] + struct.pack("<I", crc) + head[26:] + lacing + payload


def record(path, seconds="5"):
    connection = Connection("input.sock", "sink")
    stream, done = connection.welcome["stream"], 0
    with open(path, "wb") as file:
        if ogg := path.endswith((".opus", ".ogg")):
            shape = 1, stream["channels"], stream["lookaheadSamples"], 48000, 0, 0
            head = struct.pack("<8sBBHIhB", b"OpusHead", *shape)
            file.write(ogg_page(2, 0, 0, head) + ogg_page(0, 0, 1, b"OpusTags" + bytes(8)))
        for number, payload in enumerate((body[5] for body in connection if body[0] == 3), 2):
            last = (done := done + samples(payload)) >= float(seconds) * 48000
            plain = struct.pack(">H", len(payload)) + payload
            file.write(ogg_page(4 * last, done, number, payload) if ogg else plain)
            if last:
                return print(f"{number - 1} packets, {done / 48000:.2f} s in {path}")


def play(path, takeover=""):
    with open(path, "rb") as file:
        if not 0 < int.from_bytes(file.peek(2)[:2], "big") <= 4096:  # as long as a packet is
            sys.exit(f"kvm_audio.py: {path}: play wants packets, each behind its length, no Ogg")
        connection = Connection("output.sock", "source", takeover=takeover == "--takeover")
        begin, media_time, seq = time.monotonic(), 0, 0
        while len(length := file.read(2)) == 2:
            payload = file.read(struct.unpack(">H", length)[0])
            time.sleep(max(0, begin + media_time / 48000 - time.monotonic()))
            connection.send([3, seq & 0xFFFFFFFF, media_time, None, int(seq == 0), payload])
            seq, media_time = seq + 1, media_time + samples(payload)
    print(f"{seq} packets, {media_time / 48000:.2f} s played")


if __name__ == "__main__":
    try:
        {"record": record, "play": play}[sys.argv[1]](*sys.argv[2:])
    except (IndexError, KeyError, TypeError):
        sys.exit(__doc__)
    except OSError as error:
        sys.exit(f"kvm_audio.py: {error}")
