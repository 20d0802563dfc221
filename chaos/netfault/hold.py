"""Holds packets back for a time, as a long way between two networks does: a listener of the kernel's nfnetlink_queue.

Not netem, which does the same in the kernel: many kernels are built without it. If this process ends, packets go at
once.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import deque

QUEUE = 1
_NETLINK_NETFILTER, _REQUEST, _PACKET, _VERDICT, _CONFIG = 12, 1, 0x300, 0x301, 0x302
_CONFIG_COMMAND, _CONFIG_COPY, _CONFIG_LENGTH, _CONFIG_MASK, _CONFIG_FLAGS = 1, 2, 3, 4, 5
_BIND, _COPY_META, _ACCEPT, _PACKET_HEADER, _VERDICT_HEADER = 1, 1, 1, 1, 2
#: When the queue is full, packets go at once; segments of one large send are held as one.
_FAIL_OPEN, _WHOLE_SENDS = 1, 4
_LENGTH, _BUFFER_BYTES = 100_000, 4 << 20
#: The kernel lets packets go that do not fit in the buffer, and does not report it as an error to this process.
_SOL_NETLINK, _NO_ENOBUFS = 270, 5


def hold(milliseconds: float) -> None:
    """Let each packet of the queue go when its time has come, until this process is ended."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as kernel:
        kernel.bind((0, 0))
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        kernel.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)
        flags = struct.pack(">I", _FAIL_OPEN | _WHOLE_SENDS)
        kernel.send(_message(_CONFIG, _attribute(_CONFIG_COMMAND, struct.pack(">BxH", _BIND, socket.AF_INET))))
        kernel.send(_message(_CONFIG, _attribute(_CONFIG_COPY, struct.pack(">IB", 0, _COPY_META))))
        kernel.send(_message(_CONFIG, _attribute(_CONFIG_LENGTH, struct.pack(">I", _LENGTH))))
        kernel.send(_message(_CONFIG, _attribute(_CONFIG_FLAGS, flags) + _attribute(_CONFIG_MASK, flags)))
        _pass_on(kernel, milliseconds / 1000)


def _pass_on(kernel: socket.socket, seconds: float) -> None:
    held: deque[tuple[float, bytes]] = deque()
    while True:
        wait = max(0.0, held[0][0] - time.monotonic()) if held else None
        if select.select([kernel], [], [], wait)[0]:
            held += ((time.monotonic() + seconds, packet) for packet in packets(kernel.recv(1 << 16)))
        while held and held[0][0] <= time.monotonic():
            verdict = struct.pack(">I", _ACCEPT) + held.popleft()[1]
            kernel.send(_message(_VERDICT, _attribute(_VERDICT_HEADER, verdict)))


def packets(received: bytes) -> list[bytes]:
    """The numbers of the packets in what the kernel sent, as it wants them back."""
    found = []
    while len(received) >= 16:
        length, kind = struct.unpack_from("=IH", received)
        # After two headers comes the packet's own attribute, which begins with its number.
        if kind == _PACKET and struct.unpack_from("=HH", received, 20)[1] == _PACKET_HEADER:
            found.append(received[24:28])
        received = received[-(-length // 4) * 4 :]
    return found


def _message(kind: int, attributes: bytes) -> bytes:
    family = struct.pack(">BBH", socket.AF_UNSPEC, 0, QUEUE)
    return struct.pack("=IHHII", 20 + len(attributes), kind, _REQUEST, 0, 0) + family + attributes


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
