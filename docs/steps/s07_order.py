"""Step 7: the order of allocation. New nodes get slots in ascending runs, so a graph lies in memory as it was made.

Not a line of what runs in a walk is different from step 6, only where nodes are.

    python docs/steps/s07_order.py
"""
from compiling import extension

Value = extension("handles.c", "order", "-DORDERED=1").Value

if __name__ == "__main__":
    import sys

    import workload
    workload.main(sys.modules["__main__"])
