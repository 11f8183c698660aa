"""What every process that uses a store does once, done before it is forked from another."""

from importlib.metadata import version

import optuna.storages._rdb.models  # noqa: F401  whose classes are mapped to tables
import sqlalchemy.orm

sqlalchemy.orm.configure_mappers()
version("optuna")  # the folders of packages are read
