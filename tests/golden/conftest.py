"""The option `--record`: write the outputs that differ from the recorded ones."""


def pytest_addoption(parser):
    parser.addoption("--record", action="store_true", help="record outputs that have changed")
