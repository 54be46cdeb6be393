"""Copies of the folders that a script runs in, so that what one run writes doesn't change the next.

A copy lies below a temporary folder under its whole path, and what is beside it and above it is there as links. So
`../data` and the like are found from within it, too.
"""
import os
import shutil

LINKED = {".git", ".hg", ".svn", "node_modules", "site-packages", ".tox", ".nox"}
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
LARGE = 16 << 20            # bytes of a file that is linked, not copied
MOST_BYTES = 256 << 20      # of all files that are copied
MOST_FILES = 10_000


class TooLarge(Exception):
    """There's too much in a folder to copy it."""


class Folders:
    """The folders of a run. Raises TooLarge."""

    def __init__(self, folders):
        folders = {os.path.realpath(folder) for folder in folders}
        self.roots = sorted(x for x in folders if not any(is_below(x, y) for y in folders if x != y))
        self.made, self.copied, self.linked = [], [], []
        for root in self.roots:
            self.list(root)

    def list(self, root):
        """Note what to make, to copy and to link for one folder."""
        todo, n_bytes = [root], 0
        while todo:
            folder = todo.pop()
            self.made.append(folder)
            for entry in entries(folder):
                if entry.is_symlink() or entry.name in LINKED:
                    self.linked.append(entry.path)
                elif entry.is_dir():
                    if os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):      # a virtual environment
                        self.linked.append(entry.path)
                    elif entry.name not in LEFT_OUT:
                        todo.append(entry.path)
                elif entry.is_file():
                    size = entry.stat().st_size
                    if size > LARGE:
                        self.linked.append(entry.path)
                    else:
                        n_bytes += size
                        self.copied.append(entry.path)
                if n_bytes > MOST_BYTES or len(self.copied) + len(self.made) + len(self.linked) > MOST_FILES:
                    raise TooLarge(f"{root} holds more than {MOST_FILES:,} files or {MOST_BYTES >> 20} MB")

    def copy(self, top):
        """Make a copy of them below the folder `top`."""
        above = {folder for root in self.roots for folder in parents(root)} - set(self.roots)
        for folder in sorted(above):
            os.makedirs(image(folder, top), exist_ok=True)
            beside = [entry.path for entry in entries(folder)]
            for path in beside if len(beside) <= 1000 else ():
                if path not in above and path not in self.roots:
                    link(path, image(path, top))
        for folder in self.made:
            os.makedirs(image(folder, top), exist_ok=True)
        for path in self.copied:
            try:
                shutil.copy2(path, image(path, top))
            except OSError:         # it can't be read, or has gone
                continue
        for path in self.linked:
            target = os.path.realpath(path)
            link(image(target, top) if self.holds(target) and target != path else target, image(path, top))

    def holds(self, path):
        """Whether a file or folder is in one of them."""
        return any(is_below(path, root) for root in self.roots)

    def there(self, path, top):
        """The same file in the copy, if it's an absolute path of a file in the folders; else the path as it is."""
        return image(path, top) if os.path.isabs(path) and self.holds(os.path.realpath(path)) else path


def image(path, top):
    drive, rest = os.path.splitdrive(path)
    return os.path.join(top, drive.strip(":\\/"), rest.lstrip("\\/"))


def is_below(path, folder):
    return path == folder or path.startswith(os.path.join(folder, ""))


def parents(path):
    while os.path.dirname(path) != path:
        path = os.path.dirname(path)
        yield path


def entries(folder):
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def link(target, path):
    try:
        os.symlink(target, path)
    except OSError:         # Windows asks for a privilege
        pass
