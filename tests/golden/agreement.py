"""Rules that decide whether an output agrees with the recorded one, field by field.

A number is compared to 1e-11. What is not determined to that accuracy has a rule of its own, by the
name of its field; each rule states its reason. Keys that the record does not have are allowed.
"""

import re
from collections import ChainMap
from typing import Any, NamedTuple

NUMBER = 1e-11  # relative; the absolute tolerance, in the unit of the output, where the record is 0
ROUNDING = 1e-15  # relative; a bound and its value are two sums of rounded terms
FLOOR = 1e-13  # some 450 roundings: smaller gaps and smaller parts of a load are rounding alone
WORSE = 10  # how many times larger a gap may be
SURE = 1e-6  # a larger gap is that of a split that was given, no rounding: a number like others
AT_KINK = 1e-9  # relative distance from a threshold at which a derivative has two values

MASKED = "any number"
EFFORT = {"build", "compile", "solve", "finish", "seconds", "polished", "evaluations"}
RESIDUALS = ("gap", "certificate", "difference", "balance", "violation", "deviation_gain", "saving")
BOUNDS = ("_bound", "_lower", "_upper")
PARTS_OF_LOAD = ("flow", "leader")
PARTS_OF_ONE = ("share", "least_flow")
DERIVATIVES = ("_per_rate", "_per_delay")
# what `lower_bound` is of: the first that is there
BOUNDED = ("poa", "optimum_delay", "mean_delay", "delay", "reference")


Path = tuple[str | int, ...]


class Difference(NamedTuple):
    """A difference of two outputs: the path of the field and the reason."""

    path: Path
    problem: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.problem}"


class Field(NamedTuple):
    """A value, its name, and the records around it: recorded and fresh."""

    path: Path
    name: str
    kept: ChainMap[str, Any]
    fresh: ChainMap[str, Any]

    @property
    def quantity(self) -> str:
        """Quantity of the check that the value is in; "" outside `verify`."""
        return str(self.kept.get("quantity", ""))


def masked(value: Any, name: str = "") -> Any:
    """Return an output without what differs from run to run: times and counts of steps."""
    if isinstance(value, dict):
        return {key: masked(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, name) for item in value]
    return MASKED if name in EFFORT and _is_number(value) else value


def differences(kept: Any, fresh: Any) -> list[Difference]:
    """Return every difference between two masked outputs."""
    return _compare(kept, fresh, Field((), "", ChainMap(), ChainMap()))


def merged(kept: Any, fresh: Any, changed: set[Path], path: Path = ()) -> Any:
    """Return the fresh output, with the recorded digits wherever the two agree."""
    if path in changed or type(kept) is not type(fresh):
        return fresh
    if isinstance(fresh, dict):
        known = {key: kept.get(key, value) for key, value in fresh.items()}
        return {key: merged(known[key], fresh[key], changed, (*path, key)) for key in fresh}
    if isinstance(fresh, list):
        return [merged(*pair, changed, (*path, i)) for i, pair in enumerate(_pairs(kept, fresh))]
    return kept


def _pairs(kept: list[Any], fresh: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(kept, fresh, strict=True))


def _compare(kept: Any, fresh: Any, field: Field) -> list[Difference]:
    path = field.path
    if isinstance(kept, dict) and isinstance(fresh, dict):
        around = field.kept.new_child(kept), field.fresh.new_child(fresh)
        found = [Difference((*path, key), "is missing") for key in kept if key not in fresh]
        for key in kept.keys() & fresh.keys():
            found += _compare(kept[key], fresh[key], Field((*path, key), key, *around))
        return found
    if isinstance(kept, list) and isinstance(fresh, list):
        if len(kept) != len(fresh):
            return [Difference(path, f"has {len(fresh)} items, recorded {len(kept)}")]
        found = []
        for i, pair in enumerate(_pairs(kept, fresh)):
            found += _compare(*pair, field._replace(path=(*path, i)))
        return found
    compare = _number if _is_number(kept) and _is_number(fresh) else _text
    problem = compare(kept, fresh, field)
    return [Difference(path, problem)] if problem else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(kept: Any, fresh: Any, field: Field) -> str:
    if field.name == "quantity" and _is_flow(field.quantity):
        # the check names the server or group of the largest difference, which rounding decides
        kept, fresh = kept.partition("(")[0], str(fresh).partition("(")[0]
    # True == 1 in Python
    return "" if type(kept) is type(fresh) and kept == fresh else f"is {fresh!r}, recorded {kept!r}"


def _number(kept: float, fresh: float, field: Field) -> str:
    name, quantity = field.name, field.quantity
    if not abs(fresh) < float("inf"):
        return f"is {fresh!r}"
    if name.endswith(RESIDUALS) and abs(kept) <= SURE:
        return _residual(kept, fresh)
    if name.endswith(BOUNDS) or (name == "model" and quantity == "lower bound"):
        return _bound(kept, fresh, field)
    if name in ("model", "reference") and quantity != field.fresh.get("quantity", ""):
        return ""  # the flow of another server; both are compared with each other, in `difference`
    if name.endswith(DERIVATIVES) and _at_kink(field):
        return ""
    tolerance = NUMBER * abs(kept) if kept else NUMBER
    # a flow is known to the rounding of the load, however little of it a nearly idle server gets
    if name in PARTS_OF_ONE:
        tolerance = max(NUMBER * abs(kept), FLOOR)
    elif name.endswith(PARTS_OF_LOAD) or _is_flow(quantity):
        tolerance = max(NUMBER * abs(kept), FLOOR * field.kept["load"])
    if abs(fresh - kept) <= tolerance:
        return ""
    return f"is {fresh!r}, recorded {kept!r}: more than {tolerance:.2g} apart"


def _residual(kept: float, fresh: float) -> str:
    """A residual is rounding, so its digits mean nothing: only its size is compared."""
    most = WORSE * max(abs(kept), FLOOR)
    if fresh < 0 <= kept or abs(fresh) > most:
        return f"is {fresh!r}, recorded {kept!r}: at least 0 and at most {most:.2g} are allowed"
    return ""


def _bound(kept: float, fresh: float, field: Field) -> str:
    """A bound has to hold and not to be looser; its digits depend on the solver."""
    stem = field.name.rpartition("_")[0]
    value = next(name for name in (stem, *BOUNDED) if name in field.kept)
    before, now = field.kept[value], field.fresh.get(value)
    if not (_is_number(before) and _is_number(now)):
        return ""  # no value to bound, which is found where the value is compared
    side = -1 if "upper" in field.name else 1
    distance, most = side * (now - fresh), WORSE * max(side * (before - kept), FLOOR * abs(now))
    if distance < -ROUNDING * abs(now):
        return f"is {fresh!r}, and excludes the value {now!r}"
    return "" if distance <= most else f"is {distance:.2g} from the value, at most {most:.2g}"


def _is_flow(quantity: str) -> bool:
    return bool(re.match(r"\w+ (?:flow|delay) \(", quantity))


def _at_kink(field: Field) -> bool:
    """Whether a server just starts at the load, where the derivative jumps."""
    load, goal = field.kept["load"], field.name.partition("_")[0]
    return any(abs(load - start) <= AT_KINK * load for start in field.kept["thresholds"][goal])
