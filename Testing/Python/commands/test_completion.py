"""acseg completion: what bash completes with the script."""

import shutil
import subprocess

import pytest

from ACSegLib.commands.main import main

pytest.importorskip("shtab")


def completions(script, line):
    """The words that bash offers at the end of a command line."""
    words = line.split(" ")
    commands = (
        f"source {script}; COMP_WORDS=({' '.join(w or repr('') for w in words)}); COMP_CWORD={len(words) - 1}; "
        "$(complete -p acseg | sed 's/.*-F \\([^ ]*\\).*/\\1/') acseg; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", commands], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_choices_and_files(tmp_path, monkeypatch, capsys):
    assert main(["completion", "bash", "--quiet"]) == 0
    (tmp_path / "acseg.sh").write_text(capsys.readouterr().out)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tomogram.mrc").touch()
    assert {"fill", "mesh", "measure"} <= set(completions("acseg.sh", "acseg "))
    assert "--uncertainty" in completions("acseg.sh", "acseg fill --unc")
    assert "scribbles" in completions("acseg.sh", "acseg fill --mode scr")
    assert "tomogram.mrc" in completions("acseg.sh", "acseg info tomo")


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_get_a_script(shell, capsys):
    assert main(["completion", shell, "--quiet"]) == 0
    assert "acseg" in capsys.readouterr().out
