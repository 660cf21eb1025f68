"""Every planted bug still fits the code it was made for, and only that."""

import pytest

from tests.faultlab.faults import all_faults
from tests.faultlab.figures import Red
from tests.faultlab.planted import FOLDER, Bug, bugs, copy_checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return copy_checkout(tmp_path_factory.mktemp("planted") / "checkout")


@pytest.mark.parametrize("bug", bugs(), ids=lambda bug: bug.name)
def test_bug_fits_and_is_found_by_a_fault_there_is(bug, checkout):
    names = [line[6:] for line in bug.patch.splitlines() if line.startswith("--- a/")]
    before = {name: (checkout / name).read_text() for name in names}

    bug.plant(checkout)

    after = {name: (checkout / name).read_text() for name in names}
    for name, text in after.items():
        compile(text, name, "exec")
        (checkout / name).write_text(before[name])
    assert all(before[name] != after[name] for name in names)
    assert bug.fault in all_faults()


def test_a_bug_that_no_longer_fits_is_red(checkout):
    bug = Bug.read(FOLDER / "02-version-not-compared.patch")
    changed = Bug(bug.name, bug.fault, bug.breaks, bug.why, bug.patch.replace("folder", "file"))
    before = (checkout / "cases/services/moves/__init__.py").read_text()

    with pytest.raises(Red, match="no longer fits"):
        changed.plant(checkout)

    assert (checkout / "cases/services/moves/__init__.py").read_text() == before


def test_there_are_enough_of_them():
    assert len(bugs()) >= 12
