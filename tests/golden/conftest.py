"""`pytest tests/golden --record` writes anew what differs from the recorded outputs."""


def pytest_addoption(parser):
    parser.addoption("--record", action="store_true", help="record outputs that have changed")
