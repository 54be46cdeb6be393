"""Copy the folders that a script runs in, so that what one run writes doesn't change the next run.

A copy lies below a temporary folder under its full path. What is beside the folder, or beside a folder above it, is
linked there, so that paths such as `../data` work from within the copy too.
"""
import os
import shutil

LINKED = {".git", ".hg", ".svn", "node_modules", "site-packages", ".tox", ".nox"}
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
LARGE = 16 << 20            # bytes; a larger file is linked, not copied
MOST_BYTES = 256 << 20      # of all files that are copied of one folder
MOST_FILES = 10_000


class TooLarge(Exception):
    """A folder holds too much to be copied."""


class Folders:
    """The folders of a run, without those that lie below another one. Raises TooLarge."""

    def __init__(self, folders):
        folders = {os.path.realpath(folder) for folder in folders}
        self.roots = sorted(x for x in folders if not any(is_below(x, y) for y in folders if x != y))
        self.made, self.copied, self.linked = [], [], []
        for root in self.roots:
            self.list(root)

    def list(self, root):
        """Note which folders to make and which files to copy or link, for one folder. Raises TooLarge."""
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
        """Copy the folders to below the folder `top`."""
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
            except OSError:         # it can't be read, or was removed meanwhile
                continue
        for path in self.linked:
            target = os.path.realpath(path)
            link(image(target, top) if self.holds(target) and target != path else target, image(path, top))

    def holds(self, path):
        """Whether a path lies in one of the folders."""
        return any(is_below(path, root) for root in self.roots)

    def there(self, path, top):
        """The path in the copy of what an absolute path in the folders names. Any other path is returned as it is."""
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
    except OSError:         # on Windows links need a privilege
        pass
