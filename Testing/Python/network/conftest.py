"""What all tests of networks share."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tiny networks are slower on many threads, most of all where tests run side by side."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
