"""The process in which a student's file runs and is examined: command.py starts it and waits.

It writes what it's about to do, and in the end the report's data, to the file that it's given.
"""
import json
import os
import sys


def main(request, path_of_answer):
    """request: JSON of {"path", "class", "require", "seconds", "only_definitions"}."""
    from fastgrad.grading.check import examine
    from fastgrad.grading.guard import Guard, quiet
    from fastgrad.grading.loading import Loaded, NothingToExamine
    request = json.loads(request)

    def say(**answer):
        with open(path_of_answer + ".new", "w", encoding="utf-8") as file:
            json.dump(answer, file)
        os.replace(path_of_answer + ".new", path_of_answer)

    path = request["path"]
    sys.argv = [path]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    say(stage="running")
    try:
        with quiet(), Guard() as guard:
            loaded = Loaded(path, guard, request["seconds"], request["only_definitions"])
        cls = loaded.choose(request["class"])
        say(stage="examining", doing=cls.__name__)
        data = examine(cls, loaded.namespace if cls.__module__ == loaded.name else None, os.path.basename(path),
                       request["require"], lambda method: say(stage="examining", doing=method))
        data["loading"] = loaded.told
        say(stage="done", data=data)
    except NothingToExamine as error:
        say(stage="done", error=str(error))
    except OSError as error:
        say(stage="done", error=f"it can't be read: {error}")
    os._exit(0)         # whatever threads and exit functions the student's file has left
