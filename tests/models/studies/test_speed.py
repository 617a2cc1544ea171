import json

from rich.console import Console

from sojourn.models import cli
from sojourn.models.studies import speed as timings


def test_rows_hold_each_thing_against_another(monkeypatch, capsys):
    """Small sizes: what is measured is the command's business, that it is measured is ours."""
    monkeypatch.setattr(timings, "REPEATS", 2)
    monkeypatch.setattr(timings, "WORST", 3)
    rows = timings.speed(reference_servers=2000, model_servers=20)
    assert [r.against for r in rows] == ["np.sort of as many"] * 2 + ["reference"] * 2 + ["grid of 1,000 loads each", "reference"]
    assert all(r.seconds > 0 and r.ratio > 0 for r in rows)
    console = Console(width=120)
    console.print(timings.table(rows))
    assert "2,000 servers" in capsys.readouterr().out


def test_command(monkeypatch, capsys):
    row = timings.Row("reference optimum", 0.5, "np.sort of as many", 1.25)
    monkeypatch.setattr(timings, "speed", lambda: [row])
    cli.bench(as_json=True)
    assert json.loads(capsys.readouterr().out) == [vars(row)]
