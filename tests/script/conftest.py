"""What the tests of `python -m fastgrad` share: a folder for scripts."""
import pytest
from launcher import Folder


@pytest.fixture
def folder(tmp_path):
    """A folder to write scripts in: folder.write(name, text), folder.report(text)."""
    return Folder(tmp_path)
