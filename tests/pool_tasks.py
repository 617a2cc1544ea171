"""Tasks of workers in tests; a module that workers can import."""

import ctypes
import os
import time
from pathlib import Path

from sojourn.models.benchmarks.solvers.run.pool import THREADS


def double(limited):
    return 2 * limited(lambda: 21)


def slow_outside(limited):
    limited(int)
    time.sleep(30)


def raises(limited):
    raise KeyError("judge")


def environment(limited):
    return os.getpid(), {name: os.environ[name] for name in THREADS}


def starts_a_process(limited):
    import subprocess
    import sys

    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(os.environ["TMPDIR"], "child").write_text(str(child.pid))
    limited(lambda: time.sleep(60))


def segfaults(limited):
    limited(lambda: ctypes.string_at(0), "read")
