"""Extension list of omniroute: every ``_speedups/*_c.pyx`` is compiled, nothing else happens here."""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup

TRACE = os.environ.get("OMNIROUTE_CYTHON_TRACE") == "1"
ANNOTATE = os.environ.get("OMNIROUTE_CYTHON_ANNOTATE") == "1"

Options.warning_errors = True

extensions = [
    Extension(
        f"omniroute._speedups.{source.stem}",
        [str(source)],
        extra_compile_args=["-O3", "-fno-strict-aliasing"],
        define_macros=[("CYTHON_TRACE_NOGIL", "1")] if TRACE else [],
        # epoll and the C11 atomics are Linux's: elsewhere the plain-Python twins run, and a failure is no failure.
        optional=sys.platform != "linux",
    )
    for source in sorted(Path("omniroute/_speedups").glob("*_c.pyx"))
]

setup(
    ext_modules=cythonize(
        extensions,
        language_level=3,
        annotate=ANNOTATE,
        compiler_directives={"linetrace": TRACE, "binding": False, "embedsignature": False},
    )
)
