"""Benchmarks: what the catalogue costs beside what people use today, in one run, on the same files.

Knows that a comparison on one processor must stay on one; does not know what is compared.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # here, for numpy's libraries look only once, when they are loaded
