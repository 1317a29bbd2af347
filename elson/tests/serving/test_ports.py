from __future__ import annotations

import socket

import pytest

from elson.serving.ports import Refused, listening_socket, state_lock
from elson.tests.servers import free_port


def test_taken_port_is_refused_with_the_way_out():
    with socket.socket() as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()

        with pytest.raises(Refused, match=rf"^port {port} is taken; PORT=\d+ make run$") as refusal:
            listening_socket("127.0.0.1", port)

    offered = int(str(refusal.value).partition("PORT=")[2].split()[0])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", offered))


def test_port_is_free_again_after_the_listener_is_closed():
    port = free_port()
    listening_socket("127.0.0.1", port).close()

    with listening_socket("127.0.0.1", port) as second:
        assert second.getsockname()[1] == port


def test_address_of_another_machine_is_refused():
    with pytest.raises(Refused, match="cannot listen on"):
        listening_socket("192.0.2.1", 8000)


def test_state_folder_is_held_by_one_at_a_time(tmp_path):
    with (
        state_lock(tmp_path),
        pytest.raises(Refused, match=r"already running on .* \(process \d+\)"),
    ):
        state_lock(tmp_path)

    state_lock(tmp_path).close()
