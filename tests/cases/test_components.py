"""The component register: the file it comes in, and what the database refuses."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils.translation import override

from cases.models import Case, Component, Condition, Unit
from cases.services import components
from cases.services.components import Fault, load_components, plan_components
from tests.support.city import HUAIHUA
from tests.support.components import COVER, HEADINGS, component, register
from tests.support.spine import report, run_dispatch

pytestmark = [pytest.mark.django_db]
COUNTED = {"new": 0, "changed": 0, "unchanged": 0, "faults": 0}


def stored():
    return list(Component.objects.order_by("code").values())


@pytest.mark.usefixtures("huaihua")
class TestFile:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
    def test_is_read_in_what_spreadsheets_write(self, encoding):
        plan = load_components(register({}, encoding=encoding))

        assert plan.counts == COUNTED | {"new": 1}
        found = Component.objects.get()
        assert (found.name, found.minor_id, found.state) == (
            "迎丰中路雨水井盖",
            "component-0103",
            "intact",
        )
        assert (found.competent_id, found.owner_id, found.maintainer_id) == (
            "hecheng-housing",
            "city-drainage",
            "city-drainage",
        )

    def test_place_is_found_from_the_point(self):
        found = component()

        assert (found.district, found.county) == ("hecheng", "431202")
        assert found.grid_cell.startswith(found.community)
        assert found.community.startswith(found.street)
        assert len(found.grid_cell) == 15

    def test_a_point_in_another_datum_is_converted(self):
        headings = [*HEADINGS, "坐标系"]

        load_components(register({"坐标系": "gcj02"}, headings=headings))

        moved = Component.objects.get().point.distance(component(标识码="4312020103000902").point)
        assert 0.003 < moved < 0.008  # some 500 m

    def test_loading_again_changes_nothing(self):
        raw = register({}, {"标识码": "4312020103000902"})
        load_components(raw)
        before = stored()

        plan = load_components(raw)

        assert plan.counts == COUNTED | {"unchanged": 2}
        assert stored() == before

    def test_what_differs_is_told_before_and_after(self):
        component()

        with override("en"):
            plan = load_components(register({"状态": "破损", "养护单位": ""}))
            (change,) = plan.changed
            told = change.differences

        assert plan.counts == COUNTED | {"changed": 1}
        assert told == [
            ("state of the component", "intact", "damaged"),
            ("maintaining unit", "Huaihua Drainage Office", "–"),
        ]
        assert (Component.objects.get().state, Component.objects.get().maintainer) == (
            "damaged",
            None,
        )

    def test_a_column_left_out_keeps_what_is_registered(self):
        component(状态="破损")

        plan = load_components(register({"名称": "新名"}, headings=HEADINGS[:4]))

        assert [change.was for change in plan.changed] == [{"name": "迎丰中路雨水井盖"}]
        found = Component.objects.get()
        assert (found.name, found.state, found.owner_id) == ("新名", "damaged", "city-drainage")

    def test_a_column_left_out_is_not_written_back(self, monkeypatch):
        component()
        read = components._Reader._compare

        def compare_then_somebody_edits(reader, rows):
            read(reader, rows)
            Component.objects.update(state="missing")

        monkeypatch.setattr(components._Reader, "_compare", compare_then_somebody_edits)
        load_components(register({"名称": "新名"}, headings=HEADINGS[:4]))

        found = Component.objects.get()
        assert (found.name, found.state) == ("新名", "missing")

    def test_columns_nobody_reads_are_named(self):
        plan = plan_components(register({"备注": "x"}, headings=[*HEADINGS, "备注"]))

        assert (plan.ignored, plan.counts) == (["备注"], COUNTED | {"new": 1})

    def test_the_demo_register_is_right(self):
        plan = plan_components((HUAIHUA / "components.csv").read_bytes())

        assert plan.counts == COUNTED | {"new": 416}
        assert all(change.component.grid_cell for change in plan.new)
        assert {change.component.district for change in plan.new} == {
            *("hecheng", "zhongfang", "hightech", "landport")
        }


@pytest.mark.usefixtures("huaihua")
class TestFaults:
    @pytest.mark.parametrize(
        ("row", "column", "value", "problem"),
        [
            ({"标识码": "4.31202E+15"}, "标识码", "4.31202E+15", "A spreadsheet has rounded"),
            ({"标识码": "431202010300090"}, "标识码", "431202010300090", "is 16 digits"),
            ({"标识码": "431202010300090x"}, "标识码", "431202010300090x", "is 16 digits"),
            ({"标识码": "4312020999000001"}, "标识码", "4312020999000001", "0999, name no"),
            ({"标识码": "4312210103000001"}, "标识码", "4312210103000001", "in county 431202"),
            ({"标识码": COVER["标识码"]}, "标识码", COVER["标识码"], "stands in row 2"),
            ({"名称": ""}, "名称", "", "The name is missing"),
            ({"名称": "长" * 61}, "名称", "长" * 61, "longer than 60"),
            ({"经度": "东经109"}, "经度", "东经109", "not a number of degrees"),
            ({"经度": "27.5505", "纬度": "109.9765"}, "经度", "", "lon and lat look swapped"),
            ({"纬度": "nan"}, "经度", "", "is not a point on earth"),
            ({"经度": "111.5"}, "经度", "", "none of the city's districts"),
            ({"状态": "坏"}, "状态", "坏", "There is no such state"),
            ({"状态": ""}, "状态", "", "There is no such state"),
            ({"权属单位": "某公司"}, "权属单位", "某公司", "No unit in use"),
        ],
    )
    def test_name_row_and_column_and_write_nothing(self, row, column, value, problem):
        good = {"标识码": "4312020103000903"}
        component()
        before = stored()

        plan = load_components(register({}, {**good, **row}, {"标识码": "4312020103000904"}))

        assert [(f.row, f.column, f.value) for f in plan.faults] == [(3, column, value)]
        assert problem in plan.faults[0].problem
        assert stored() == before

    def test_all_of_a_file_are_told_at_once(self):
        plan = load_components(register({"状态": "坏", "主管部门": "谁"}, {"名称": ""}))

        assert [(f.row, f.column) for f in plan.faults] == [
            (2, "状态"),
            (2, "主管部门"),
            (3, "标识码"),
            (3, "名称"),
        ]
        assert stored() == []

    def test_a_unit_named_like_another_is_to_be_given_by_code(self):
        Unit.objects.filter(code="city-gas").update(name_zh="怀化市排水管理处")
        plan = plan_components(register({"主管部门": "怀化市排水管理处"}, headings=HEADINGS[:6]))

        assert [(f.row, f.column) for f in plan.faults] == [(2, "主管部门")]

    @pytest.mark.parametrize(
        ("raw", "row", "column"),
        [
            ("标识码,名称,经度,纬度\n1,2".encode(), 2, ""),
            ('标识码,名称,经度,纬度\n"1,2,3,4\n'.encode(), 2, ""),
            ("标识码,名称,经度\n".encode(), 1, "lat"),
            ("code,标识码,名称,经度,纬度\n".encode(), 1, "标识码"),
            ("标识码,名称".encode("utf-16"), 0, ""),
            (b"code,name,lon,lat\n\x00,,,", 0, ""),
            ("\ufeff标识码".encode() + b"\xff", 0, ""),
        ],
    )
    def test_of_the_file_itself(self, raw, row, column):
        plan = plan_components(raw)

        assert [(fault.row, fault.column) for fault in plan.faults] == [(row, column)]

    def test_read_as_sentences(self):
        assert str(Fault(3, "状态", "坏", "no")) == "row 3, column 状态: no (坏)"
        assert str(Fault(0, "", "", "no")) == "the file: no"


@pytest.mark.usefixtures("huaihua")
class TestCommand:
    def test_loads_and_tells(self, tmp_path, capsys):
        file = tmp_path / "register.csv"
        file.write_bytes(register({}))

        call_command("load_components", str(file), "--dry-run")
        assert stored() == []
        call_command("load_components", str(file))

        assert capsys.readouterr().out == "components: 1 new\n" * 2
        assert len(stored()) == 1

    def test_refuses_with_row_and_column(self, tmp_path, capsys):
        file = tmp_path / "register.csv"
        file.write_bytes(register({}, {"标识码": "1"}))

        with pytest.raises(CommandError) as refusal:
            call_command("load_components", str(file), "--json")

        told = json.loads(capsys.readouterr().out)
        assert refusal.value.returncode == 1
        assert [(fault["row"], fault["column"]) for fault in told["faults"]] == [(3, "标识码")]
        assert stored() == []

    def test_a_file_that_is_not_there_is_wrong_usage(self, tmp_path):
        with pytest.raises(CommandError) as refusal:
            call_command("load_components", str(tmp_path / "none.csv"))

        assert refusal.value.returncode == 2


@pytest.mark.usefixtures("huaihua")
class TestDatabase:
    @pytest.mark.parametrize(
        ("column", "value", "constraint"),
        [
            ("code", "431202010300090", "component_code_16_digits"),
            ("code", "43120201030009０1", "component_code_16_digits"),
            ("code", "4312210103000901", "component_code_has_county"),
            ("code", "4312020102000901", "component_code_has_class"),
            ("minor_id", "event-0103", "component_code_has_class"),
            ("state", "fine", "component_state_known"),
            ("district", "nowhere", "component_district_known"),
        ],
    )
    def test_refuses_what_no_import_would_write(self, column, value, constraint):
        component()
        before = stored()

        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            Component.objects.update(**{column: value})

        assert stored() == before


@pytest.mark.usefixtures("huaihua")
class TestDispatch:
    """A component belongs to its owner (domain.md §3): whom the register names, if it can act."""

    @pytest.mark.parametrize(
        ("maintainer", "owner", "unit", "rule"),
        [
            ("hecheng-municipal", "city-gas", "hecheng-municipal", "component-register"),
            ("", "city-gas", "city-gas", "component-register"),
            ("hecheng-urban-management-1", "", "hecheng-urban-management", "component-register"),
            ("zhongfang-municipal", "", "city-drainage", "component-0103-drainage"),
            ("", "", "city-drainage", "component-0103-drainage"),
        ],
    )
    def test_goes_to_whom_the_register_names(self, people, maintainer, owner, unit, rule):
        cover = component(养护单位=maintainer, 权属单位=owner)
        condition = Condition.objects.filter(minor=cover.minor_id).earliest("code")

        number = dispatched_about(cover, people, condition)

        case = Case.objects.get(number=number)
        assert (case.unit_id, case.rule) == (unit, rule)

    def test_a_unit_out_of_use_is_passed_over(self, people):
        cover = component(养护单位="hecheng-municipal", 权属单位="city-gas")
        Unit.objects.filter(code="hecheng-municipal").update(is_active=False)
        condition = Condition.objects.filter(minor=cover.minor_id).earliest("code")

        number = dispatched_about(cover, people, condition)

        assert Case.objects.get(number=number).unit_id == "city-gas"

    def test_a_rule_for_this_very_problem_goes_first(self, people):
        stop = component(标识码="4312020204000901", 养护单位="hecheng-municipal")
        dirty = Condition.objects.get(minor=stop.minor_id, problem_class="dirty")

        number = dispatched_about(stop, people, dirty)

        assert Case.objects.get(number=number).unit_id == "hecheng-sanitation"

    def test_the_case_page_says_so(self, people):
        cover = component()
        condition = Condition.objects.filter(minor=cover.minor_id).earliest("code")
        number = dispatched_about(cover, people, condition)
        client = Client()
        client.force_login(people.dispatcher)

        page = client.get(f"/cases/{number}/").content.decode()

        assert "The component register names this unit." in page


def dispatched_about(registered, people, condition):
    number = report(people, condition, component=registered.code)["number"]
    assert run_dispatch(number) == "dispatched"
    return number
