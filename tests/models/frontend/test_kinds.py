"""A kind of another package has scenario files, a report, a picture, checks and studies."""

import json
from dataclasses import replace
from textwrap import dedent

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from sojourn.models import (
    InputError,
    ParallelServers,
    SystemKind,
    TunableMode,
    register_system,
    study,
    verify,
)
from sojourn.models.frontend import kinds
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import parse

QUEUE = dedent('''
    """One M/M/1 queue, in closed form."""

    from dataclasses import dataclass

    import numpy as np
    import xarray as xr

    from sojourn.models import SystemKind
    from sojourn.models.core.curve import CurveInterruptedError
    from sojourn.models.core.system import System
    from sojourn.models.frontend.fields import at_place, read_number, read_subtable
    from sojourn.models.frontend.scenario import Described
    from sojourn.models.frontend.verification import compare


    @dataclass(frozen=True)
    class Answer:
        mean_delay: float
        busy: float
        times = ("mean_delay",)


    class Queue(System):
        def __init__(self, rate, time_unit="s"):
            self.rate, self.time_unit = rate, time_unit

        @property
        def max_load(self):
            return self.rate

        def optimum(self, load, solver=None):
            return Answer(1 / (self.rate - self.check_load(load)), load / self.rate)

        def curve(self, loads, refine=False, solver=None):
            points = self.check_loads(loads)
            delay, attrs = 1 / (self.rate - points), {"units": self.time_unit, "role": "delay"}
            parts = np.stack([points, self.rate - points], axis=1) / self.rate
            variables = {
                "delay": ("load", delay, attrs),
                "gap": ("load", 0 * points, {"role": "gap"}),
                "certified": ("load", points > 0, {"role": "certified"}),
                "part": (("load", "whose"), parts),
            }
            units = {"units": f"1/{self.time_unit}"}
            coords = {"load": ("load", points, units), "whose": ["jobs", "nobody"]}
            data = xr.Dataset(variables, coords, {"time_unit": self.time_unit})
            if points.max() > 0.97 * self.rate:
                raise CurveInterruptedError(data.isel(load=points < 0.97 * self.rate))
            return data


    def read(given, folder, units):
        rate = read_subtable(given, "queue").get("rate")
        with at_place("queue"):
            return Described(Queue(read_number(rate, "queue.rate", above=True), units.time))


    def checks(system, loads, options):
        for load in loads:
            model = system.optimum(load, **options).mean_delay
            yield compare("delay", load, model, 1 / (system.rate - load), None, "time")


    KIND = SystemKind("queue", Queue, read, questions=("optimum",), verify=checks)
''')
OWN = (
    'title = "A [queue]"\n[units]\nrate = "1/s"\ndelay = "ms"\n[loads]\nat = "50%"\n'
    'curve = ["20%", "95%"]\n[queue]\nrate = 4\n'
)


@pytest.fixture
def queue(package):
    """Install a package with a kind; return a function that loads the kind."""
    package("sojourn.systems", QUEUE, "queue = other_package:KIND\n")
    return lambda: kinds.kind_named("queue")


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


@pytest.mark.usefixtures("queue")
def test_scenario_file_describes_a_system_of_another_package():
    scenario = parse(OWN, "own")
    assert (scenario.kind.name, scenario.system.rate, scenario.load) == ("queue", 4, 2.0)
    assert scenario.loads == pytest.approx([0.8, 3.8])
    assert scenario.load_of("25%", "--load") == 1.0
    with pytest.raises(ScenarioError, match=r"^queue\.rate = -4\.0: is out of range"):
        parse(OWN.replace("= 4", "= -4"), "own")
    with pytest.raises(ScenarioError, match=r"^loads\.at = 4: not below the maximum 4"):
        parse(OWN.replace('"50%"', "4"), "own")
    with pytest.raises(
        ScenarioError, match=r"^file = 'own': says two systems, queue and servers; keep one$"
    ):
        parse(OWN + "[[servers]]\nrate = 1\n", "own")
    with pytest.raises(
        ScenarioError,
        match=(
            r"^variants = \{.*\}: is not a known key; the keys here are title, source, units, "
            r"loads, queue$"
        ),
    ):
        parse(OWN + "[variants.a]\ncv = 1\n", "own")


def test_unknown_table_raises_with_the_known_kinds(queue):
    with pytest.raises(
        ScenarioError,
        match=(
            r"^routes = \{.*\}: is not a known key; the keys here are .*loads, servers, stations, "
            r"network, dual_mode, tunable_mode, stages, queue"
        ),
    ):
        parse(OWN.replace("[queue]", "[routes]"), "own")
    with pytest.raises(
        ScenarioError,
        match=(
            r"^queues = .*; did you mean queue, or a kind of system whose module is imported "
            r"\(--import .*\)\?$"
        ),
    ):
        parse(OWN.replace("[queue]", "[queues]"), "own")


@pytest.mark.usefixtures("queue")
def test_run_has_a_report_files_and_a_picture(sojourn, own, tmp_path):
    status, out, err = sojourn("run", own, "--out", tmp_path / "o")
    assert (status, err) == (0, "")
    assert out.startswith(
        "A [queue]\n\nload 2 jobs/s = 0.5 of the largest load 4\n\noptimum, delays in ms\n"
        "Answer(mean_delay=500.0, busy=0.5)\n"
    )
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [
        "curve.csv",
        "curve.nc",
        "curve.png",
        "result.json",
    ]
    result = json.loads((tmp_path / "o" / "result.json").read_text())
    assert result == json.loads(sojourn("run", own, "--json")[1])
    assert result == {
        "scenario": "own",
        "title": "A [queue]",
        "source": "",
        "units": {"rate": "1/s", "delay": "ms"},
        "max_load": 4,
        "load": 2.0,
        "optimum": {"mean_delay": 500.0, "busy": 0.5},
        "notes": [],
    }
    with xr.open_dataset(tmp_path / "o" / "curve.nc", engine="scipy") as data:
        np.testing.assert_allclose(data["delay"], [312.5, 5000.0])
        assert data["delay"].attrs["units"] == "ms"
    head, first, _ = (tmp_path / "o" / "curve.csv").read_text().splitlines()
    assert head == "load (1/s),delay (ms),gap,certified,part[jobs],part[nobody]"
    assert [float(cell) for cell in first.replace("True", "1").split(",")] == pytest.approx(
        [0.8, 312.5, 0, 1, 0.2, 0.8]
    )
    assert imread(tmp_path / "o" / "curve.png").shape[0] > 500


@pytest.mark.usefixtures("queue")
def test_interrupted_run_writes_the_results_so_far(sojourn, own, tmp_path):
    own.write_text(OWN.replace("95%", "98%"))
    assert sojourn("run", own, "--out", tmp_path / "o")[0] == 130
    with xr.open_dataset(tmp_path / "o" / "curve.nc", engine="scipy") as data:
        assert data["load"].values.tolist() == [0.8]
    assert (tmp_path / "o" / "curve.png").exists()


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("run", "--load", "4"),
            (
                "error: --load = '4': not below the maximum 4: the queues grow without bound; "
                "lower the load or add capacity"
            ),
        ),
        (
            ("run", "--weights-in", "1,2"),
            (
                "error: --weights-in = '1,2': is a split over servers, which Queue has no "
                "report of; leave it out"
            ),
        ),
        (
            ("anarchy",),
            (
                "error: scenario = 'own': is a Queue, which has no report of what selfishness "
                "costs; use run, or give one of parallel"
            ),
        ),
    ],
)
def test_command_that_a_kind_does_not_offer_raises(sojourn, own, arguments, message):
    status, out, err = sojourn(arguments[0], own, *arguments[1:])
    assert (status, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.mark.usefixtures("queue")
def test_verify_by_command_and_function(sojourn, own):
    status, out, _ = sojourn("verify", own, "--json")
    assert status == 0
    checks = json.loads(out)["checks"]
    assert [c["load"] for c in checks] == pytest.approx([0.4, 2.0, 3.6, 3.996])
    assert checks[1]["model"] == 500.0
    system = parse(OWN, "own").system
    system.rate = np.float64(4)
    assert verify(system, 2.0).passed
    with pytest.raises(InputError, match=r"^loads\[1\] = 5\.0: not below the maximum 4"):
        verify(system, [2.0, 5.0])


def test_study_of_its_systems(queue):
    make = queue().system
    data = study({"slow": make(2.0), "fast": make(4.0)}, [0.5, 0.9], relative=True)
    np.testing.assert_allclose(data["load"], [[1.0, 1.8], [2.0, 3.6]])
    np.testing.assert_allclose(data["delay"], [[1.0, 5.0], [0.5, 2.5]])
    assert data["part"].dims == ("system", "point", "whose")
    with pytest.raises(
        TypeError,
        match=r"^study\(\) got an unexpected keyword argument 'solvr'; did you mean solver\?$",
    ):
        study([make(2.0)], [1.0], solvr="SCS")
    with pytest.raises(
        InputError, match=r"^systems\['system 2'\] = .*: is not a Queue like systems\['system 1'\]"
    ):
        study([make(2.0), TunableMode(1.0, 4.0)], [0.5])
    with pytest.raises(InputError, match=r"^systems = .*: is one system; give a list"):
        study(make(2.0), [1.0])


def test_subclass_belongs_to_the_kind_of_its_nearest_base(queue):
    class Mine(ParallelServers):
        """Servers of mine."""

    system = Mine(
        parse('[units]\nrate = "1/s"\ndelay = "s"\n[[servers]]\nrate = 2\n', "x").system.bank
    )
    assert kinds.kind_of(system).system is ParallelServers
    mine = register_system(SystemKind("mine", Mine, queue().read))
    assert kinds.kind_of(system) is mine
    with pytest.raises(
        InputError,
        match=(
            r"^system = ParallelServers\(1 .*: has nothing to be compared with; give its "
            r"SystemKind a verify$"
        ),
    ):
        verify(system, 1.0)


@pytest.mark.usefixtures("names")
def test_register_raises_on_a_wrong_type_and_on_a_taken_name():
    kind = kinds.kind_named("servers")
    with pytest.raises(
        InputError, match=r"^kind = <class .*: is not a kind of system; give a SystemKind$"
    ):
        register_system(ParallelServers)
    with pytest.raises(
        InputError,
        match=(
            r"^name = 'servers': is the name of "
            r"sojourn\.models\.systems\.parallel\.system\.ParallelServers; choose"
        ),
    ):
        register_system(replace(kind, system=TunableMode))
    # as after a second import of its module
    assert register_system(replace(kind)) is kinds.kind_named("servers")


def test_module_of_a_user_registers_a_kind(sojourn, own, tmp_path, names):
    module = tmp_path / "mine.py"
    module.write_text(QUEUE + "from sojourn.models import register_system\nregister_system(KIND)\n")
    assert (
        json.loads(sojourn("--import", module, "run", own, "--json")[1])["optimum"]["mean_delay"]
        == 500.0
    )


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (
            "raise ValueError('broken')\n",
            "which raised ValueError: broken; correct or uninstall that package",
        ),
        ("KIND = 3\n", "which is not a SystemKind of that name; correct or uninstall that package"),
    ],
)
def test_failing_entry_point_affects_only_its_own_files(package, code, problem):
    package("sojourn.systems", code, "queue = other_package:KIND\n")
    assert kinds.names()[-1] == "queue"
    with pytest.raises(
        InputError, match=f"^system = 'queue': is the entry point other_package:KIND, {problem}$"
    ):
        parse(OWN, "own")
    assert parse(OWN.replace("[queue]", "[[servers]]"), "own").kind.name == "servers"
    with pytest.warns(UserWarning, match=problem):
        assert verify(TunableMode(1.0, 4.0), 2.0).passed


# ---- tunable mode, the built-in kind without a report of its own

TUNABLE = (
    '[units]\nrate = "1/s"\ndelay = "ms"\n[loads]\nat = "70%"\ncurve = ["20%", "90%"]\n'
    "[tunable_mode]\nmu0 = 1\nK = 4\n"
)


def test_tunable_mode_of_a_file(sojourn, tmp_path):
    path = tmp_path / "tuned.toml"
    path.write_text(TUNABLE)
    status, out, err = sojourn("run", path, "--out", tmp_path / "o")
    assert (status, err) == (0, "")
    assert "load 3.5 jobs/s = 0.7 of the largest load 5" in out
    assert "1142.857" in out  # Theorem 1 of Jeff and Modiano at this load, in ms
    result = json.loads((tmp_path / "o" / "result.json").read_text())
    assert result["optimum"]["mean_delay"] == pytest.approx(1142.857142857, rel=1e-10)
    assert sojourn("verify", path, "--load", "70%")[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("K = 4\n", "", r"^tunable_mode\.K = None: is missing; give mu0, K$"),
        ("K = 4", "k = 4", r"^tunable_mode\.k = 4: is not a known key; the keys here are mu0, K$"),
        (
            "mu0 = 1",
            "mu0 = 0",
            r"^tunable_mode\.mu0 = 0\.0: is out of range; give a finite number above 0$",
        ),
        ("70%", "5/s", r"^loads\.at = '5/s': not below the maximum 5"),
    ],
)
def test_wrong_value_in_a_tunable_mode_raises(old, new, message):
    with pytest.raises(ScenarioError, match=message):
        parse(TUNABLE.replace(old, new), "own")


def test_tunable_mode_behaves_as_all_systems():
    system = TunableMode(1.0, 4.0, "ms")
    assert (system.time_unit, system.max_load, system.check_load(2)) == ("ms", 5.0, 2.0)
    assert system.check_loads([1, 2]).tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match=r"^loads\[1\] = 5\.0: not below the maximum 5"):
        system.check_loads([1.0, 5.0])
    with pytest.raises(InputError, match=r"^formulation = 'nope': is not a formulation"):
        study([system], [0.5], relative=True, formulation="nope")


def test_load_next_to_the_largest_is_shown_with_its_difference():
    scenario = parse(
        (
            '[units]\nrate = "1/h"\ndelay = "min"\n[loads]\nat = 1\ncurve = [1]\n'
            "[tunable_mode]\nmu0 = 3\nK = 0.5\n"
        ),
        "own",
    )
    assert scenario.where(4.5 * (1 - 1e-7)) == "load 4.5 jobs/h = 1 - 1e-07 of the largest load 4.5"
    assert scenario.where(4.4) == "load 4.4 jobs/h = 0.9778 of the largest load 4.5"


def test_files_describe_a_kind_without_a_table_within_another_one():
    """The kind of a scenario is that of its system."""
    text = '[units]\nrate = "1/s"\ndelay = "s"\n[dual_mode]\nmu0 = 1\nK = 4\nf = [0.1, 0.3]\n'
    shared = parse(text + 'discipline = "processor-sharing"\n', "own")
    assert (parse(text, "own").kind.name, shared.kind.name) == ("dual_mode", "shared_modes")
    assert shared.kind is kinds.kind_of(shared.system)
    assert shared.kind.read is None
    assert "shared_modes" in kinds.names()
    assert "shared_modes" not in kinds.tables()
    with pytest.raises(ScenarioError, match=r"^shared_modes = .*: is not a known key"):
        parse(text.replace("dual_mode", "shared_modes"), "own")
