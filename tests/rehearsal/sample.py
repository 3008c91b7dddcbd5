"""A tiny market day, made up by hand: two BM units, every kind of file, and what is odd about real
data (a step at a join, an acceptance over midnight, two in one minute, decimals that are whole).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

DAY = date(2024, 2, 29)
ACCEPTANCES = 5
SEGMENTS = 8
REDECLARATIONS = 5

_FILES = {
    "boalf.csv": """
bmUnit,nationalGridBmUnit,settlementDate,settlementPeriod,acceptanceNumber,acceptanceTime,timeFrom,timeTo,levelFrom,levelTo,deemedBoFlag,soFlag,storFlag,rrFlag
T_SMPL-1,SMPL-1,2024-02-29,21,100,2024-02-29T09:58:00Z,2024-02-29T10:00:00Z,2024-02-29T10:05:00Z,50,20,F,F,F,F
T_SMPL-1,SMPL-1,2024-02-29,21,100,2024-02-29T09:58:00Z,2024-02-29T10:05:00Z,2024-02-29T10:25:00Z,20,20,F,F,F,F
T_SMPL-1,SMPL-1,2024-02-29,21,100,2024-02-29T09:58:00Z,2024-02-29T10:25:00Z,2024-02-29T10:30:00Z,25,50,F,F,F,F
T_SMPL-1,SMPL-1,2024-02-29,21,101,2024-02-29T10:10:00Z,2024-02-29T10:12:00Z,2024-02-29T10:40:00Z,10,10,F,T,F,F
T_SMPL-2,SMPL-2,2024-02-29,21,7,2024-02-29T10:10:00Z,2024-02-29T10:10:00Z,2024-02-29T10:45:00Z,-30,-30,F,F,T,F
T_SMPL-2,SMPL-2,2024-02-29,22,9,2024-02-29T10:10:00Z,2024-02-29T10:45:00Z,2024-02-29T10:50:00Z,-30,0,F,F,F,T
T_SMPL-1,SMPL-1,2024-03-01,1,102,2024-02-29T23:50:00Z,2024-03-01T00:00:00Z,2024-03-01T00:10:00Z,0,30,F,F,F,F
T_SMPL-1,SMPL-1,2024-02-29,48,102,2024-02-29T23:50:00Z,2024-02-29T23:55:00Z,2024-03-01T00:00:00Z,0,0,F,F,F,F
T_SMPL-2,SMPL-2,2024-02-29,30,10,2024-02-29T14:30:00Z,2024-02-29T14:35:00Z,2024-02-29T14:40:00Z,0,0,T,F,F,F
T_SMPL-2,SMPL-2,2024-03-01,4,11,2024-03-01T01:00:00Z,2024-03-01T01:05:00Z,2024-03-01T01:40:00Z,0,9,F,F,F,F
""",
    "mel.csv": """
bmUnit,nationalGridBmUnit,settlementDate,settlementPeriod,timeFrom,timeTo,levelFrom,levelTo
T_SMPL-1,SMPL-1,2024-02-29,21,2024-02-29T10:00:00Z,2024-02-29T10:20:00Z,60,60
T_SMPL-1,SMPL-1,2024-02-29,21,2024-02-29T10:20:00Z,2024-02-29T10:30:00Z,45,45
""",
    "mil.csv": """
bmUnit,nationalGridBmUnit,settlementDate,settlementPeriod,timeFrom,timeTo,levelFrom,levelTo
T_SMPL-2,SMPL-2,2024-02-28,21,2024-02-28T10:00:00Z,2024-02-28T10:30:00Z,-40,-35
""",
    "dynamic.csv": """
dataset,settlementDate,settlementPeriod,time,rate1,elbow2,rate2,elbow3,rate3,nationalGridBmUnit,bmUnit
RDRI,2025-01-09,24,2025-01-09T11:48:00Z,999.0,-1.0,0.2,-2.0,0.2,SMPL-2,T_SMPL-2
RDRI,2025-01-09,23,2025-01-09T11:17:00Z,49.0,,,,,SMPL-2,T_SMPL-2
RDRI,2025-01-10,23,2025-01-10T11:17:00Z,12.5,-10,3.0,,,SMPL-1,T_SMPL-1
""",
    "pn.csv": """
bmUnit,nationalGridBmUnit,settlementDate,settlementPeriod,timeFrom,timeTo,levelFrom,levelTo
T_SMPL-1,SMPL-1,2024-02-29,21,2024-02-29T10:00:00Z,2024-02-29T10:10:00Z,50,50
T_SMPL-1,SMPL-1,2024-02-29,21,2024-02-29T10:10:00Z,2024-02-29T10:30:00Z,55,50
""",
    "bod.csv": """
bmUnit,nationalGridBmUnit,settlementDate,settlementPeriod,pairId,timeFrom,timeTo,levelFrom,levelTo,bid,offer
T_SMPL-1,SMPL-1,2024-02-29,21,-1,2024-02-29T10:00:00Z,2024-02-29T10:30:00Z,-51,-51,-158.0,90.0
T_SMPL-1,SMPL-1,2024-02-29,21,1,2024-02-29T10:00:00Z,2024-02-29T10:30:00Z,51,51,-150.0,9999.0
""",
}


def write_sample(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _FILES.items():
        (folder / name).write_text(text.lstrip())
    return folder


def change(folder: Path, name: str, old: str, new: str) -> None:
    """Puts something else in a file of the sample, once."""
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
