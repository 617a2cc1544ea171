"""Shells complete the command's words."""

import pytest


@pytest.mark.parametrize(
    ("words", "expected"),
    [("sojourn ve", "verify"), ("sojourn run --weights", "--weights-in"), ("sojourn nope", "")],
)
def test_words_are_completed(sojourn, monkeypatch, words, expected):
    monkeypatch.setenv("_SOJOURN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    code, printed, errors = sojourn()
    assert (code, printed.strip(), errors) == (0, expected, "")


def test_the_script_of_a_shell_is_shown(sojourn, monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    code, printed, _ = sojourn("--show-completion", "zsh")
    assert code == 0
    assert "compdef _sojourn_completion sojourn" in printed
