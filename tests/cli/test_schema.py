from __future__ import annotations

import json

from trainctl.cli.main import main
from trainctl.config.json_schema import config_schema


def test_it_goes_to_stdout(workspace, capfd):
    assert main(["schema"]) == 0
    out, err = capfd.readouterr()
    assert (json.loads(out), err) == (config_schema(), "")


def test_or_to_a_file_with_a_word_on_its_use(workspace, capfd):
    assert main(["schema", "--output", "out/s.json"]) == 0
    assert capfd.readouterr() == (
        "",
        "out/s.json: written; put `# yaml-language-server: $schema=out/s.json` on a config's first line\n",
    )
    assert json.loads((workspace / "out" / "s.json").read_text()) == config_schema()


def test_quietly(workspace, capfd):
    assert main(["schema", "-o", "s.json", "-q"]) == 0
    assert capfd.readouterr() == ("", "")
