"""conf/ stands at the top of a checkout; an installed package carries it as ohlora/conf."""

from pathlib import Path
from shutil import copytree, rmtree

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConf(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            conf = Path(self.build_lib, "ohlora", "conf")
            rmtree(conf, ignore_errors=True)
            copytree("conf", conf)


setup(cmdclass={"build_py": BuildWithConf})
