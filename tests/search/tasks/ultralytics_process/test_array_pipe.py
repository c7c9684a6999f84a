"""Messages with arrays over a byte stream."""

import io

import numpy as np
import pytest

from paretune.search.tasks.ultralytics_process.array_pipe import PipeClosed, receive, send


def test_message_and_arrays_arrive_as_they_were_sent():
    arrays = {
        "images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        "flipped": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "empty": np.zeros((0, 5), np.float32),
        "scalar": np.array(3, np.int64),
    }
    stream = io.BytesIO()
    send(stream, {"call": "loss", "gradient": True}, arrays)
    send(stream, {"call": "end"}, {})
    stream.seek(0)

    message, received = receive(stream)
    assert message == {"call": "loss", "gradient": True}
    assert list(received) == list(arrays)
    for name, array in arrays.items():
        assert received[name].dtype == array.dtype
        np.testing.assert_array_equal(received[name], array)
    assert receive(stream) == ({"call": "end"}, {})


def test_closed_stream_is_reported():
    stream = io.BytesIO()
    send(stream, {}, {"x": np.zeros(4)})
    cut = io.BytesIO(stream.getvalue()[:-1])

    with pytest.raises(PipeClosed):
        receive(cut)
    with pytest.raises(PipeClosed):
        receive(io.BytesIO())
