"""Registered components and the files they come in."""

import csv
import io

from cases.models import Component
from cases.services.components import load_components

HEADINGS = ["标识码", "名称", "经度", "纬度", "状态", "主管部门", "权属单位", "养护单位"]
COVER = {
    "标识码": "4312020103000901",
    "名称": "迎丰中路雨水井盖",
    "经度": "109.9765",  # 城中街道, in the built-up area of 鹤城区
    "纬度": "27.5505",
    "状态": "完好",
    "主管部门": "hecheng-housing",
    "权属单位": "怀化市排水管理处",
    "养护单位": "怀化市排水管理处",
}


def register(*rows, headings=HEADINGS, encoding="utf-8"):
    """Return a file of rows, each given by what differs from COVER."""
    out = io.StringIO()
    writer = csv.DictWriter(out, headings, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({**COVER, **row} for row in rows)
    return out.getvalue().encode(encoding)


def component(**row):
    """Register one component and return it."""
    code = row.get("标识码", COVER["标识码"])
    plan = load_components(register(row))
    assert plan.faults == []
    return Component.objects.get(code=code)
