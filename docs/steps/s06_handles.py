"""Step 6: handles. Value is a class in C, so Python calls `a * b` as a slot and nothing is converted on the way.

Nodes now die like objects, one by one, when nothing refers to them; the next node gets the slot of the last that died.

    python docs/steps/s06_handles.py
"""
from compiling import extension

Value = extension("handles.c", "handles").Value

if __name__ == "__main__":
    import sys

    import workload
    workload.main(sys.modules["__main__"])
