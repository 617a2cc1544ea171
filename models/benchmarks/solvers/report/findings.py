"""Registry of the main findings: sentences computed from the rows.

A finding is one function of `FINDINGS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from .....reference.plural import counted
from ..row import ACCURATE, Row
from .choices import Choice, choices, comparable, fastest_right, most_accurate
from .measures import breaks_claim, outcome
from .results import Entrant, Results
from .statistics import ACCURATE_TEXT, error_text, part, percent_text, residual, time_text, values


def cells_and_answers(results: Results) -> Iterator[str]:
    """Yield how many cells there were, and how they ended."""
    ends = Counter(map(outcome, results.rows))
    asked = len(results.asked)
    instances = len({row.key for row in results.rows})
    yield (
        f"{counted(len(results.solvers), 'solver')} under {_settings(results)} got {asked} cells "
        f"of {counted(instances, 'instance')}; {ends['skipped']} more were skipped."
    )
    right = sum(row.right for row in results.asked)
    yield (
        f"{right} answers are right ({percent_text(part(right, asked))} of the cells); "
        f"{ends['time']} cells ended at the limit of time, {ends['memory']} at that of memory, "
        f"and {ends['crash']} by a crash."
    )


def residuals(results: Results) -> Iterator[str]:
    """Yield under each settings how many answers called optimal with small residuals are wrong."""
    for settings in results.settings:
        asked = [row for row in results.under(settings) if not row.skipped]
        kept = [row for row in asked if row.claimed and residual(row) <= ACCURATE]
        wrong = [row for row in kept if not row.right]
        if not kept:
            continue
        worst = f" (worst relative error {_worst('error', wrong)})" if wrong else ""
        yield (
            f"Under the settings {settings}, of {counted(len(kept), 'answer')} called optimal with "
            f"residuals of at most {ACCURATE_TEXT}, {len(wrong)} "
            f"({percent_text(part(len(wrong), len(kept)))}) are not right to "
            f"{ACCURATE_TEXT}{worst}."
        )


def broken_claims(results: Results) -> Iterator[str]:
    """Yield how many answers called optimal do not have the residuals that were asked for."""
    counts = []
    for settings in results.tolerances:
        claimed = [row for row in results.under(settings) if not row.skipped and row.claimed]
        broken = sum(map(breaks_claim, claimed))
        counts.append(f"{broken} of {len(claimed)} under {settings}")
    if counts:
        yield (
            "Answers called optimal whose largest residual is above ten times the tolerance that "
            f"was asked for: {', '.join(counts)}."
        )


def ladder(results: Results) -> Iterator[str]:
    """Yield what a tighter tolerance gives, on cells that ran under each tolerance."""
    of_settings = {
        name: {(row.key, row.solver): row for row in results.under(name) if not row.skipped}
        for name in results.tolerances
    }
    cells = set.intersection(*(set(found) for found in of_settings.values())) if of_settings else ()
    if len(of_settings) < 2 or not cells:
        return
    rungs = {name: [found[cell] for cell in cells] for name, found in of_settings.items()}
    texts = [
        f"{sum(row.right for row in rows)} right and {sum(row.false_claim for row in rows)} called "
        f"optimal but not right under {name} (tolerance {error_text(results.tolerances[name])})"
        for name, rows in rungs.items()
    ]
    yield f"Of the {len(cells)} cells that ran under each tolerance: {'; '.join(texts)}."
    yield from _fewer_right(rungs)


def _fewer_right(rungs: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Yield the solvers that are right less often under the tightest settings than before."""
    counts = {
        name: Counter(row.solver for row in rows if row.right) for name, rows in rungs.items()
    }
    tightest = list(counts)[-1]
    losing = []
    for solver in sorted({row.solver for row in rungs[tightest]}):
        best = max(counts, key=lambda name: counts[name][solver])
        before, after = counts[best][solver], counts[tightest][solver]
        if after < before:
            losing.append(f"{solver} ({after}, {before} under {best})")
    if losing:
        named = ", ".join(losing)
        yield f"Right less often under {tightest} than with a looser tolerance: {named}."


def claims(results: Results) -> Iterator[str]:
    """Yield how often answers that each solver calls optimal are not right.

    Of the first settings that ask for that accuracy, or that name no tolerance: then it is what a
    user gets who trusts the status.
    """
    asking = [s for s in results.settings if results.tolerances.get(s, 0.0) <= ACCURATE]
    for settings in asking[:1]:
        right, wrong = [], []
        for entrant, rows in results.by_entrant_of(results.under(settings)).items():
            claimed = sum(row.claimed for row in rows if not row.skipped)
            false = sum(row.false_claim for row in rows if not row.skipped)
            if false:
                wrong.append(f"{entrant.solver} {false} of {claimed}")
            elif claimed:
                right.append(f"{entrant.solver} ({claimed})")
        start = f"Under the settings {settings}, answers called optimal"
        if wrong:
            yield f"{start} that are not right: {', '.join(wrong)}."
        if right:
            yield f"{start} are all right of {', '.join(right)}."


def doubts(results: Results) -> Iterator[str]:
    """Yield how many right answers are not called optimal, and how many statuses deny them."""
    doubted = sum(row.false_doubt for row in results.asked)
    ends = Counter(map(outcome, results.asked))
    if doubted:
        yield f"{counted(doubted, 'right answer')} came with another status than optimal."
    if denied := ends["denied"]:
        answers = counted(denied, "answer")
        yield f"{answers} denied that there is an optimum; every instance has one."
    if near := ends["at_edge"]:
        yield (
            f"{counted(near, 'further answer')} said infeasible where the load is nearer to the "
            "largest one than the tolerance that was asked for: right within that tolerance."
        )


FINDINGS: tuple[Callable[[Results], Iterator[str]], ...] = (
    cells_and_answers,
    residuals,
    broken_claims,
    ladder,
    claims,
    doubts,
)
"""Functions from results to sentences, in the order of the report."""


def findings(results: Results) -> list[str]:
    """Return the sentences of all findings."""
    return [sentence for finding in FINDINGS for sentence in finding(results)]


def problem_findings(results: Results, problem: str) -> Iterator[str]:
    """Yield the fastest right way and the most accurate way to answer a problem."""
    groups = comparable(results, problem)
    if len(groups) > 1:
        yield "The formulations have no system and load in common, and are not compared."
    for name, rows in groups.items():
        found = choices(results, rows)
        fastest, accurate = fastest_right(found), most_accurate(found)
        where = f"{name}: " if len(groups) > 1 else ""
        if fastest is None:
            asked = any(not row.skipped for row in rows)
            said = "no solver is right" if asked else "no solver got an instance"
            yield _sentence(f"{where}{said}", where)
            continue
        told = [
            f"{where}most right answers by {_way(results, fastest, where)}, {fastest.right} of "
            f"{counted(fastest.systems, 'system')}; mean time {time_text(fastest.seconds)} ms"
        ]
        if accurate is not None:
            way = _way(results, accurate, where)
            told.append(f"smallest true error by {way}, median {error_text(accurate.error)}")
        yield _sentence("; ".join(told), where)


def _sentence(text: str, where: str) -> str:
    """Return a text as a sentence; the name of a formulation keeps its case."""
    return f"{text if where else text[0].upper() + text[1:]}."


def _way(results: Results, choice: Choice, where: str) -> str:
    """Return a choice as text; its formulation may have been named before."""
    name = _name(results, choice.entrant)
    return name if where else f"{name} on {choice.formulation}"


def _worst(field: str, rows: Sequence[Row]) -> str:
    return error_text(max(values(rows, field)))


def _settings(results: Results) -> str:
    names = results.settings
    return f"the settings {', '.join(names)}" if len(names) > 1 else f"the settings {names[0]}"


def _name(results: Results, entrant: Entrant) -> str:
    one = len(results.settings) == 1
    return entrant.solver if one else f"{entrant.solver} ({entrant.settings})"
