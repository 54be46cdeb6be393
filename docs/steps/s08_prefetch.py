"""Step 8: prefetch. The walk, the sweep and the release ask for the memory that they will need 64 nodes later.

    python docs/steps/s08_prefetch.py
"""
from compiling import extension

Value = extension("handles.c", "prefetch", "-DORDERED=1", "-DPREFETCH=1").Value

if __name__ == "__main__":
    import sys

    import workload
    workload.main(sys.modules["__main__"])
