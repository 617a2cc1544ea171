"""Damaged scenario files and sample files for Hypothesis: keys, values, types, text, bytes."""

import copy
import datetime
import math
import tomllib

from hypothesis import strategies as st

from sojourn.models.frontend.listing import built_in

UNITS = {"rate": "1/s", "delay": "ms"}
SAMPLES = "load,latency,host\n" + "".join(f"{x},{1 / (10 - x):.6f},a\n" for x in range(9))
TABLE = (
    "name,family,rate,service_time,delay,cv,servers,replicas\n"
    "web,,10,,5,,,2\ndesk,M/G/1,,50,2,1.5,,\nhall,M/M/c,20,,,,2,\n"
)

SERVERS = (
    {"name": "a", "rate": 10, "delay": 5},
    {"rate": 10, "cv": 2.5},
    {"family": "M/D/1", "rate": 4.5, "delay": 1},
    {"service_time": 50, "replicas": 2},
    {"family": "M/M/c", "rate": 5, "servers": 3},
    {"family": "G/G/1", "rate": 8, "arrival_cv": 1.5, "cv": 2},
    {"family": "G/G/1-KLB", "rate": 8, "arrival_cv": 0.5, "cv": 2},
    {"family": "M/G/1-PS", "rate": 5},
    {"family": "M/M/1-vacations", "rate": 5, "vacation": 20, "vacation_cv": 0.5},
    {"family": "M/M/1-setup", "rate": 5, "setup": 20},
    {"family": "M/M/1-percentile", "rate": 5, "p": 0.9},
    {
        "family": "tandem",
        "first": {"rate": 10},
        "second": {"family": "M/M/c", "rate": 5, "servers": 2},
    },
    {"family": "polynomial", "coefficients": [10, 1, 0.1]},
    {"family": "constant", "delay": 50},
    {"family": "BPR", "free_flow": 10, "capacity": 4, "power": 2},
    {"family": "measured", "load": [0, 1, 2, 3, 4], "latency": [9, 10, 12, 15, 21], "pieces": 2},
    {"family": "measured", "samples": "db.csv", "columns": {"load": "load", "latency": "latency"}},
)
LIMITS = (
    {"kind": "MinShare", "share": 0.1},
    {"kind": "MaxShare", "share": [0.9, 0.8]},
    {"kind": "MaxUtilisation", "utilisation": 0.95},
    {"kind": "ServerPercentile", "p": 0.9, "within": 900},
    {"kind": "Budget", "price": [1, 2], "at_most": 100},
    {"kind": "GroupShare", "servers": ["a"], "at_most": 0.9, "name": "edge"},
    {"kind": "LateShare", "within": 900, "at_most": 0.9},
    {"kind": "LinearLimit", "matrix": [[1, 0]], "bound": [50]},
)
VARIANTS = ({"delay": 0}, {"delay": "mean", "pay": "true", "title": "x"}, {"cv": 2})
STATIONS = (
    {"name": "a", "rate": 20, "delay": 5},
    {"name": "b", "rate": 10, "cv": 2.5},
    {"name": "c", "family": "constant", "delay": 50},
    {"name": "d", "family": "M/M/c", "rate": 5, "servers": 3},
    {"name": "e", "family": "polynomial", "coefficients": [10, 1, 0.1]},
)
GROUPS = (
    {"name": "g", "load": 2, "delay": 3},
    {"load": 1.5, "routes": [["a"], ["a", "b"], {"b": 0.5}], "delay": [1, 2, 0]},
    {"load": 0.5, "delay": {"a": 5, "b": 7}},
    {"name": "h", "load": 1, "routes": [["b", "a"]]},
)
LINKS = (
    {"from": "u", "to": "v", "rate": 20},
    {"from": "v", "to": 3, "rate": 10, "delay": 5},
    {"from": "u", "to": 3, "family": "BPR", "free_flow": 100, "capacity": 4},
    {"name": "back", "from": 3, "to": "u", "family": "constant", "delay": 5},
    {"from": "v", "to": 3, "rate": 8},
)
DEMANDS = ({"from": "u", "to": 3, "load": 3}, {"from": "v", "to": 3, "load": 1})
NETWORKS = ({}, {"closed": ["v"]}, {"positions": {"u": [0, 0], "v": [1, 1], "3": [2, 0]}})
SPEEDS = ({"name": "d", "speed": 80}, {"name": "e", "speed": 50})
WORKS = (
    {"name": "x", "work": {"d": 6, "e": 1}},
    {"work": [1, 7], "delay": 5},
    {"name": "z", "work": {"d": 0, "e": 9}},
    {"work": {"d": 9}, "delay": 20},
)
TIMES = ({"time": [75, 20]}, {"time": {"e": 110}, "delay": 2})
MODES = "name,d,e,delay,layer\nx,6,1,0,1\ny,1,7,5,2\nz,0,9,0,3\n"
SHARED = {"discipline": "processor-sharing"}
LOADS = {"at": 4, "curve": [1, "2/s", "90/min"]}

HOSTILE = (
    True, False, 0, -1, 1, 2, -0.0, 0.5, -3.5, 5e-324, 1e-300, 1e-9, 1e9, 1e300, 1.7e308, 2**31,
    2**63, -(2**64), 10**400,
    math.nan, -math.nan, math.inf, -math.inf,
    "", " ", "x", "mean", "own", "0", "1e400", "70%", "100%", "0.5/s", "-3 rps", "nan", "1 /  s",
    "½", "١٢", "9" * 5000,
    "1" + " " * 5000 + "!",
    "a\tb\r\n\x1b[31m\x07", "\u202eabc\u2066", "\ufeff", "\x85\u2028",
    "e\u0301\U0001f469\u200d\U0001f680", "=1+1", "$x^$",
    "[red]r[/b] :smile:",
    "a" * 3000, "../x", "/etc/passwd", "/dev/zero", "\x00", "db.csv", "servers.csv", "modes.csv",
    "work", "time", "processor-sharing", "M/M/1",
    "M/G/1", "tandem", "measured", "1/s", "ms",
    "%", "rps",
    [], {}, [[]], [{}], [1], ["a"], [1, "a", [2]], [[1, 2], [3]], {"rate": 1}, {"": 1},
    {"file": "servers.csv"}, {"from": 1, "to": 2,
    "points": 3},
    datetime.date(1979, 5, 27), datetime.time(7, 32),
    datetime.datetime(1979, 5, 27, 7, 32, tzinfo=datetime.UTC),
)  # fmt: skip
KEYS = (
    "rate", "delay", "cv", "family", "name", "title", "source", "units", "loads", "servers",
    "limits", "variants", "dual_mode", "stations", "groups", "routes", "network", "links",
    "demands", "from", "to", "load", "closed", "positions", "net", "trips", "stages", "modes",
    "work", "time", "speed", "values", "service_modes", "discipline", "tunable_mode", "at",
    "curve", "points", "columns", "samples", "file", "replicas", "service_time", "first", "p", "",
    "x", "a.b", "\x1b[31m", "\u202e",
    "ключ", "r" * 500,
)  # fmt: skip
PIECES = (
    "\x00", "\x1b", "\r", "\n", "\ufeff", "[", "]", "{", "}", '"', "'''", "=", ".", ",", "#", "\\u",
    "\\ud800", "_", "é", "[[",
    "[[servers]]\n", "a.b.c = 1\n", "a." * 3000 + "a = 1\n", "[" + "a." * 70 + "a]\n",
)  # fmt: skip

NESTED = tuple(
    text
    for deep in (3, 70, 400, 3000)
    for text in (
        "[" * deep + "]" * deep,
        "{first = " * deep + "1" + "}" * deep,
        "{a" + ".a" * deep + " = 1}",
    )
)


class Raw(str):
    """A text that is written to a TOML file unchanged."""


def toml(value):
    """Return a value as TOML on one line."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        plain = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in plain) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)


def written(file):
    """Return a whole file, one key a line."""
    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in file.items())


@st.composite
def files(draw, families=None):
    """Draw a valid file as a dictionary: a built-in one, or one of any limit or kind of system."""
    kinds = (
        "built-in",
        "servers",
        "servers",
        "servers",
        "dual_mode",
        "rates",
        "tunable_mode",
        "table",
        "stations",
        "network",
        "stages",
        "times",
        "modes",
    )
    which = draw(st.sampled_from(kinds if families is None else kinds[:4]))
    if which == "built-in":
        return tomllib.loads(draw(st.sampled_from(sorted(built_in().values()))))
    file = {
        "title": "t",
        "source": "s",
        "units": copy.deepcopy(UNITS),
        "loads": copy.deepcopy(LOADS),
    }
    discipline = st.sampled_from(({}, SHARED)).map(dict)
    if which == "table":
        return file | {"servers": {"file": "servers.csv", "columns": {"rate": "rate"}}}
    if which == "dual_mode":
        return file | {"dual_mode": {"mu0": 1, "K": 4, "f": [0.1, 0.3]} | draw(discipline)}
    if which == "rates":
        return file | {"dual_mode": {"local": [10, 3.5], "cloud": [4.5, 5.5]}}
    if which == "tunable_mode":
        return file | {"tunable_mode": {"mu0": 3, "K": 2}}
    if which == "stations":
        # the first two stations are those that routes name
        count, groups = draw(st.integers(2, 5)), st.lists(st.sampled_from(GROUPS), min_size=1)
        own = {"stations": list(STATIONS[:count]), "groups": draw(groups.map(_unlike))}
        return copy.deepcopy(file | own)
    if which in ("stages", "times", "modes") and (shared := draw(discipline)):
        file = file | {"service_modes": shared}
    if which in ("stages", "times"):
        modes, stages = (WORKS, SPEEDS) if which == "stages" else (TIMES, ({}, {"name": "e"}))
        count = draw(st.integers(2, len(modes)))
        return copy.deepcopy(file | {"stages": list(stages), "modes": list(modes[:count])})
    if which == "modes":
        table = {"file": "modes.csv", "values": "work", "columns": {"layer": False}}
        return copy.deepcopy(file | {"stages": list(SPEEDS), "modes": table})
    if which == "network":
        own = {"network": draw(st.sampled_from(NETWORKS)), "links": list(LINKS)}
        return copy.deepcopy(file | own | {"demands": list(DEMANDS)})
    file["servers"] = draw(
        st.lists(st.sampled_from(SERVERS[:families]).map(copy.deepcopy), min_size=1, max_size=3)
    )
    if draw(st.booleans()):
        file["limits"] = draw(st.lists(st.sampled_from(LIMITS).map(copy.deepcopy), max_size=2))
    if draw(st.booleans()):
        file["variants"] = {"v": dict(draw(st.sampled_from(VARIANTS)))}
    return file


def _unlike(records):
    """Return records without repetitions."""
    return [record for i, record in enumerate(records) if record not in records[:i]]


def places(value, path=()):
    """Return the paths of all entries of a file."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in inside:
        yield (*path, key)
        yield from places(item, (*path, key))


ANY = ("value", "value", "value", "delete", "key", "wrap", "nest", "swap", "scale", "add")


@st.composite
def damaged(draw, good, ways=ANY):
    """Draw a valid file and damage one to three of its places."""
    file = draw(good)
    for _ in range(draw(st.integers(1, 3))):
        paths = list(places(file))
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        inside = file
        for key in path[:-1]:
            inside = inside[key]
        at, old, options = path[-1], inside[path[-1]], draw(st.sampled_from(ways))
        if options == "value":
            inside[at] = copy.deepcopy(draw(st.sampled_from(HOSTILE)))
        elif options == "delete":
            del inside[at]
        elif options == "key" and isinstance(inside, dict):
            inside[draw(st.sampled_from(KEYS))] = inside.pop(at)
        elif options == "wrap":
            inside[at] = draw(st.sampled_from(([old], {"a": old}, [old, old], str(old))))
        elif options == "nest":
            inside[at] = Raw(draw(st.sampled_from(NESTED)))
        elif options == "swap":
            other = file
            for key in draw(st.sampled_from(paths)):
                other = other[key]
            inside[at] = copy.deepcopy(other)
        elif options == "scale":
            if isinstance(old, int | float) and at not in ("replicas", "points"):
                inside[at] = float(min(old, 1e308)) * 10.0 ** draw(
                    st.one_of(st.integers(-9, 9), st.integers(-320, 300))
                )
        elif isinstance(inside, dict):
            inside[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(HOSTILE)))
        else:
            inside.append(copy.deepcopy(old))
    return file


@st.composite
def texts(draw, good):
    """Draw the bytes of a file for a text: unchanged, cut, with insertions, in other encodings."""
    text = draw(good)
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        at, end = (draw(st.integers(0, len(text))) for _ in range(2))
        options = draw(st.sampled_from(("cut", "piece", "slice", "line", "cell")))
        if options == "cut":
            text = text[:at]
        elif options == "piece":
            text = text[:at] + draw(st.sampled_from(PIECES)) + text[at:]
        elif options == "slice":
            text = text[: min(at, end)] + text[max(at, end) :]
        elif options == "line":
            lines = text.splitlines(keepends=True)
            text += draw(st.sampled_from(lines)) if lines else ""
        else:
            cells = text.split(",")
            cells[at % len(cells)] = draw(
                st.sampled_from(
                    [h for h in HOSTILE if isinstance(h, str)] + ["nan", "inf", "-1", "0", "1e400"]
                )
            )
            text = ",".join(cells)
    ends = draw(st.sampled_from(("\n", "\n", "\n", "\r\n", "\r")))
    encoding = draw(st.sampled_from(("utf-8",) * 6 + ("utf-8-sig", "utf-16", "latin-1")))
    return text.replace("\n", ends).encode(encoding, errors="replace")
