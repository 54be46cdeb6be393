"""What mkdocs does to the pages in docs/ besides Markdown. It needs neither the network nor an installed fastgrad.

- A link to a source file, as `../csrc/arena.h` or `steps/core.c`, leads to a page of the site that shows this file. So
  links work in the repository and on the site.
- A snippet that begins with `# picture: name.svg` (or .html, for viz.play) is run, and what it leaves in `picture` is
  shown below it.
- The page of Value gets the docstrings of its methods, which stand in Cython, where mkdocstrings doesn't read.
- A page that would ask another machine for something, a font or a script, ends the build.
"""
import logging
import os
import posixpath
import re
import sys
from pathlib import Path

from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

ROOT = Path(__file__).resolve().parents[1]
LOG = logging.getLogger("mkdocs.hooks.fastgrad")        # in a strict build a warning is an error
LINK = re.compile(r"(\]\()([^()\s#]+)((?:#[^()\s]*)?\))")
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
LANGUAGES = {".c": "c", ".h": "c", ".py": "python", ".pyi": "python", ".pyx": "cython", ".pxi": "cython",
             ".pxd": "cython", ".sh": "bash", ".toml": "toml", ".md": "markdown", ".yml": "yaml"}
PICTURE = re.compile(r"^```python\n(?:# picture: (\w+\.(?:svg|html))\n)(.*?)^```$", re.M | re.S)
SHIM = '<script src="https://unpkg.com/iframe-worker/shim"></script>'     # the theme's; worker.js takes its place
ELSEWHERE = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)")
PLAYGROUND = "<!-- playground -->"


def links_of(markdown):
    """The targets of a text's links, code blocks aside."""
    return [match[2] for match in LINK.finditer(FENCE.sub("", markdown)) if "://" not in match[2]]


def source_of(folder, link):
    """What source file a link from a file in `folder` means: one outside of docs/, or a program in it; else None."""
    path = posixpath.normpath(posixpath.join(folder, link))
    if not (ROOT / path).exists() or (path.startswith("docs/") and Path(path).suffix not in (".py", ".c")):
        return None
    return posixpath.join(path, "README.md") if (ROOT / path).is_dir() else path


def page_of(source):
    """Where a source file's page is in the site."""
    return f"source/{source}" if source.endswith(".md") else f"source/{source}.md"


def redirected(markdown, folder, page):
    """The text with links as they have to be on a page of the site; folder: where the text is in the repository."""
    here = posixpath.dirname(page)

    def replace(match):
        link = match[2]
        if "://" in link:
            return match[0]
        source = source_of(folder, link)
        if source:
            target = page_of(source)
        else:
            path = posixpath.normpath(posixpath.join(folder, link))
            if not path.startswith("docs/"):
                return match[0]
            target = path.removeprefix("docs/")
        return match[1] + posixpath.relpath(target, here or ".") + match[3]

    parts, at = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [LINK.sub(replace, markdown[at:fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, LINK.sub(replace, markdown[at:])])


def on_files(files, config):
    waiting = [source for file in files.documentation_pages() for link in links_of(file.content_string)
               if (source := source_of(posixpath.join("docs", posixpath.dirname(file.src_uri)), link))]
    done = set()
    while waiting:
        source = waiting.pop()
        if source in done:
            continue
        done.add(source)
        text = (ROOT / source).read_text(encoding="utf-8")
        page = page_of(source)
        if source.endswith(".md"):
            folder = posixpath.dirname(source)
            waiting += [found for link in links_of(text) if (found := source_of(folder, link))]
            text = redirected(text, folder, page)
        else:
            language = LANGUAGES.get(Path(source).suffix, "text")
            text = f"# {source}\n\n````{language}\n{text}\n````\n"
        files.append(File.generated(config, page, content=f"---\nsearch:\n  exclude: true\nhide: [toc]\n---\n\n{text}"))
    for file in list(files.documentation_pages()):
        for name, code in PICTURE.findall(file.content_string):
            files.append(File.generated(config, posixpath.join(posixpath.dirname(file.src_uri), "pictures", name),
                                        content=drawn(name, code)))
    return files


def on_page_markdown(markdown, page, config, files):
    uri = page.file.src_uri
    if not uri.startswith("source/"):
        markdown = redirected(markdown, posixpath.join("docs", posixpath.dirname(uri)).rstrip("/"), uri)
    markdown = PICTURE.sub(shown, markdown)
    if PLAYGROUND in markdown:
        exists = (ROOT / "docs" / "playground" / "index.html").exists()
        link = "\n- [Playground](playground/index.html): change a snippet and run it in the browser, if the site is " \
               "on a web server and the playground was put into it." * exists
        markdown = markdown.replace("\n" + PLAYGROUND, link)
    return markdown.replace("<!-- methods of Value -->", "\n".join(methods_of_value())) \
        if "<!-- methods of Value -->" in markdown else markdown


def shown(match):
    """A snippet and the picture that it makes; a page, such as viz.play's, is in a frame."""
    name, code = match[1], match[2]
    picture = f'<iframe class="page" src="pictures/{name}" title="{name}"></iframe>' if name.endswith(".html") \
        else f"![{name}](pictures/{name})"
    return f"```python\n{code}```\n\n{picture}"


def methods_of_value():
    """The methods with a docstring, as Markdown, read from the text of the engine."""
    text = (ROOT / "fastgrad" / "engine" / "engine.pyx").read_text(encoding="utf-8")
    body = re.search(r"^cdef class Node:\n(.*?)^(?=\S)", text, re.M | re.S)[1]
    method = r'(?<!@property)\n    def ([a-z]\w*)\(self(?:, )?([^)]*)\):\n        """(.*?)"""'
    for name, arguments, doc in re.findall(method, body, re.S):
        yield f"\n## {name}\n\n```python\n{name}({arguments})\n```\n\n" + re.sub(r"^        ", "", doc, flags=re.M)


def drawn(name, code):
    """The text of what a snippet leaves in `picture`."""
    if not [*(ROOT / "fastgrad" / "engine").glob("engine.*.so"), *(ROOT / "fastgrad" / "engine").glob("engine.*.pyd")]:
        os.environ.setdefault("FASTGRAD_PURE", "1")
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    namespace = {"__name__": "__main__"}
    exec(compile(code, f"picture {name}", "exec"), namespace)
    return str(namespace["picture"])


def on_post_page(output, page, config):
    output = output.replace(SHIM, f'<script src="{get_relative_url("assets/worker.js", page.url)}"></script>')
    for what in ELSEWHERE.findall(output):
        LOG.warning("%s asks another machine for %s", page.file.src_uri, what)
    return output


def on_post_template(output, template_name, config):
    return output.replace(SHIM, "")
