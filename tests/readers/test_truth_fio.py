"""What real ``.fio`` files hold, written down by hand from their lines, is what the reader finds."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from catalog_builder.readers import Surroundings
from catalog_builder.readers.fio import READER
from catalog_builder.records import Json, ScanState
from catalog_builder.signals import Reading, Roi

FOLDER = os.environ.get("CATBUILD_REAL_DATA", "")
NAN = float("nan")

pytestmark = pytest.mark.skipif(not FOLDER, reason="CATBUILD_REAL_DATA names no folder with real instrument files")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What one file says."""

    command: str
    numbers: int
    """``name = value`` lines of ``%p`` with a number."""
    others: int
    """Other ``name = value`` lines, those of ``%c`` too, and STRING columns."""
    columns: tuple[str, ...]
    rows: int
    first: tuple[float, ...]
    last: tuple[float, ...]
    started: datetime
    ended: datetime | None
    state: ScanState = "complete"
    values: dict[str, Json] = field(default_factory=dict)
    """Some numbers and others."""
    units: dict[str, str] = field(default_factory=dict)
    rois: dict[str, tuple[Roi, ...]] = field(default_factory=dict)
    comments: tuple[str, ...] = ()
    title: str | None = None
    sample: str | None = None
    flag: str | None = None
    user: str | None = None
    signal: str | None = None
    axes: tuple[str, ...] = ()
    spectra: int = 0
    problems: tuple[str, ...] = ()


def utc(*when: int) -> datetime:
    return datetime(*when[:6], tzinfo=UTC)  # type: ignore[arg-type, misc]


OFFSETS = "Counter readings are offset corrected, the offsets are:"
P02 = ("EH2B_VFC01", "EH2B_VFC02", "EH2B_VFC04", "IPETRA")
TRUTHS = {
    "hasylab_00127.fio": Truth(
        command="ascan PIN_Y_GP -1.0815 -1.2815 49 0.2",
        numbers=0,
        others=0,
        columns=("POS", "PIN_Y_GP", *P02),
        rows=50,
        first=(-1.2815, 2363, 2363, 2200, 2, 100.7013),
        last=(-1.0815, 2363, 2363, 2217, 2, 100.7501),
        started=utc(2013, 9, 26, 17, 35, 46),
        ended=utc(2013, 9, 26, 17, 36, 21),
        units={"IPETRA": "mA"},
        comments=(
            "PIN_Y_GP-Scan started at 26-Sep-2013 19:35:46, ended 19:36:21",
            "Name: hasylab_00127 from -1.0815 to -1.2815 by 0.00408163 sampling 0.2 s",
            OFFSETS,
            "EH2B_VFC01 0 EH2B_VFC02 0 EH2B_VFC04 0",
        ),
        signal="EH2B_VFC01",
        axes=("POS",),
    ),
    "hasylab_00128.fio": Truth(
        command="ascan CENY_GP 0.1997 -0.3003 49 0.2",
        numbers=0,
        others=0,
        columns=("POS", "CENY_GP", *P02),
        rows=50,
        first=(-0.3003, 2154, 2154, 1957, 1, 92.26402),
        last=(0.1997, 2169, 2169, 1935, 2, 92.30383),
        started=utc(2013, 9, 26, 19, 25, 0),
        ended=utc(2013, 9, 26, 19, 25, 35),
        units={"IPETRA": "mA"},
        comments=(
            "CENY_GP-Scan started at 26-Sep-2013 21:25:00, ended 21:25:35",
            "Name: hasylab_00128 from 0.1997 to -0.3003 by 0.0102041 sampling 0.2 s",
            OFFSETS,
            "EH2B_VFC01 0 EH2B_VFC02 0 EH2B_VFC04 0",
        ),
        signal="EH2B_VFC01",
        axes=("POS",),
    ),
    "hasylab_00136.fio": Truth(
        command="ascan C2PITCH -0.347936 -0.347436 49 0.2",
        numbers=0,
        others=0,
        columns=("POS", "C2PITCH", *P02),
        rows=50,
        first=(-0.3479358, 170, 170, 6, 1, 99.37317),
        last=(-0.3474368, 1786, 1786, 197, 1, 99.3404),
        started=utc(2013, 9, 26, 22, 34, 10),
        ended=utc(2013, 9, 26, 22, 34, 32),
        units={"IPETRA": "mA"},
        comments=(
            "C2PITCH-Scan started at 27-Sep-2013 00:34:10, ended 00:34:32",
            "Name: hasylab_00136 from -0.347936 to -0.347436 by 1.02046e-05 sampling 0.2 s",
            OFFSETS,
            "EH2B_VFC01 0 EH2B_VFC02 0 EH2B_VFC04 0",
        ),
        signal="EH2B_VFC01",
        axes=("POS",),
    ),
    "CX_slit_05x05_hasylab_00021.fio": Truth(
        command="ascan S2_CX 0.14 2.14 50 0.5",
        numbers=0,
        others=0,
        columns=("POS", "S2_CX", "EH1B_VFC02", "IPETRA"),
        rows=51,
        first=(0.14, 125.5, 125.5, 100.3514),
        last=(2.14, 114, 114, 100.1621),
        started=utc(2018, 6, 20, 21, 24, 50),
        ended=utc(2018, 6, 20, 21, 26, 10),
        units={"IPETRA": "mA"},
        comments=(
            "S2_CX-Scan started at 20-Jun-2018 23:24:50, ended 23:26:10",
            "Name: hasylab_00021 from 0.14 to 2.14 by 0.04 sampling 0.5 s",
            OFFSETS,
            "EH1B_VFC02",
        ),
        signal="EH1B_VFC02",
        axes=("POS",),
    ),
    "slit_05x05_00001.fio": Truth(
        command="ascan S2_CX 0.35 1.85 60 0.2",
        numbers=0,
        others=0,
        columns=("POS", "column 2", "column 3"),
        rows=61,
        first=(0.35, 378, 100.6568),
        last=(1.85, 379, 100.4777),
        started=utc(2018, 5, 30, 21, 58, 22),
        ended=utc(2018, 5, 30, 21, 59, 32),
        comments=(
            "S2_CX-Scan started at 30-May-2018 23:58:22, ended 23:59:32",
            "Name: slit_05x05_00001 from 0.35 to 1.85 by 0.025 sampling 0.2 s",
            OFFSETS,
            "EH1B_VFC01  EH1B_VFC02",
        ),
        axes=("POS",),
        problems=("there are 5 Col lines, but the rows have 3 values: which of them is which is unknown",),
    ),
    "dppc_22degc_00015.fio": Truth(
        command="dscan dummymot -1.0 1.0 1 15.0",
        numbers=183,
        others=10,
        columns=(
            *("dummymot", "counting_time", "eiger4m_max", "eiger4m_roi1", "eiger4m_roi2", "eiger4m_roi3"),
            *("eiger4m_index", "atten_position", "exp_vfc02", "petra_beamcurrent", "lom_foil", "bpm2_sum", "ion_bl"),
            *("abs_position", "cyber_cts", "trough_area", "trough_pressure", "beckhoff_temp1", "amptek_roi1"),
            *("epoch", "timestamp"),
        ),
        rows=2,
        first=(
            *(-1, 15, 493839, 28350, 215456, 26443, 0, 1, 3099534.5, 120.74456787109375, 2.066303406442915),
            *(492158.172991883, 1062491, 0, 1612455, 20632.001953125, 34.99565505981445, 21.5, 6795),
            *(1770304839.0756137, 5.000897645950317),
        ),
        last=(
            *(1, 15, 486115, 27882, 218945, 26658, 1, 1, 3096334.9999999995, 120.6633529663086, 2.0596893719996907),
            *(491819.14144968335, 1062152.5, 0, 1611566, 20631.27734375, 34.99867630004883, 21.5, 6806),
            *(1770304858.4895577, 23.194276809692383),
        ),
        started=datetime.fromtimestamp(1770304839.0756137, UTC),
        ended=datetime.fromtimestamp(1770304858.4895577, UTC),
        values={
            "chi": -89.9999,
            "monicam": 2.22045e-16,
            "collection_identifier": -1.0,
            "zt3": -0.0002,
            "energyfmb": 14995.4,
            "chemical_formula": "DPPC / H2O",
            "collection_description": "OFF",
            "hkl": [-0.5598533877216142, 0.559844437285407, -3.294879971633141],
            "ub_matrix": [
                [7.40356451e-01, -7.40357743e-01, -3.65479990e-06],
                [2.58433154e-06, -2.58433605e-06, 1.04702305e00],
                [-7.40357743e-01, -7.40356451e-01, 1.24074224e-16],
            ],
            "rois eiger4m": [
                *(2012.0, 2010.0, 2024.0, 2034.0),
                *(2033.0, 2010.0, 2040.0, 2034.0),
                *(2048.0, 2010.0, 2053.0, 2034.0),
            ],
        },
        units={
            **dict.fromkeys(("chi", "om", "om_real", "tt", "tth", "dcm_bragg"), "deg"),
            **dict.fromkeys(("counting_time", "epoch", "timestamp"), "s"),
            **dict.fromkeys(("trough_p", "trough_pressure"), "mN/m"),
            "energyfmb": "eV",
            "petra_beamcurrent": "mA",
            "beckhoff_temp1": "°C",
        },
        rois={
            "eiger4m": (
                Roi(left=2012, top=2010, right=2024, bottom=2034),
                Roi(left=2033, top=2010, right=2040, bottom=2034),
                Roi(left=2048, top=2010, right=2053, bottom=2034),
            )
        },
        title="DPPC on water / GIXS incl. GIXOS + GIWAXS in one shot",
        sample="DPPC monolayer on 22degC H2O subphase",
        flag="measurement",
        user="p08user",
        signal="eiger4m_roi2",
    ),
    "scan_mca_00001.fio": Truth(
        command="",
        numbers=101,
        others=3,
        columns=("EXP_MCA01",),
        rows=2048,
        first=(0,),
        last=(0,),
        started=utc(2012, 5, 12, 15, 22, 40),
        ended=None,
        values={
            "File_name": "scan_mca_00001",
            "Storage_time": "12-May-2012 18:33:49",
            "EXP_C09NFSP": 7086696285.0,
            "ENERGY": 14410.8,
            "DCM_Z": 1.2,
            "OH2_CRL_TH": -9.092727e-14,
            "SLT2VOFFS": 3.3236,
        },
        units={
            "ENERGY": "eV",
            "ENERGYFMB": "eV",
            "MNCHRMTR": "eV",
            "SAMPLE_TIME": "s",
            "DCM_BRAGG": "deg",
            "DORIS_CURRENT": "mA",
            "DORIS_CURRENT_DIGITAL": "mA",
        },
        comments=("Calibration EXP_MCA01: Channels (0, 1) mapped to (0, 1)",),
        spectra=1,
    ),
    "mymeta2_00011.fio": Truth(
        command="ascan exp_mot04 0.0 4.0 4 0.5",
        numbers=4,
        others=5,
        columns=("exp_mot04", "exp_c03", "exp_c02", "bpm1c", "exp_t01", "p09/motor/exp.08/Position", "timestamp"),
        rows=5,
        first=(0, 3.6754749142642638, 140.4539012230071, -1, 0.5, 1, 2.284174680709839),
        last=(4, 2.9541814712878325, 133.6535350066115, -1, 0.5, 1, 6.656368255615234),
        started=utc(2022, 12, 8, 16, 0, 43),
        ended=utc(2022, 12, 8, 16, 0, 50),
        values={
            "sdd": None,
            "signalcounter": "p100k_roi1",
            "hkl": [0.0031110747648095565, 0.0024437328201669176, 0.1910783136442638],
            "ubmatrix": [
                [0.82633922, -0.80961862, -0.01117831],
                [0.02460193, 0.0091408, 1.15661358],
                [-0.80932194, -0.82636427, 0.02374563],
            ],
            "abs": 1423.0,
            "atten": 9.97774e07,
        },
        units={"exp_t01": "s", "timestamp": "s"},
        rois={
            "p100k": (
                Roi(left=228, top=115, right=238, bottom=123),
                Roi(left=227, top=97, right=252, bottom=130),
                Roi(left=238, top=115, right=248, bottom=123),
            )
        },
        user="jkotan",
    ),
    "fioftext_00005.fio": Truth(
        command="ascan omega 180.0 180.5 3:10/1 4",
        numbers=1,
        others=3,
        columns=("omega(encoder)", "channel", "unix time", "enable", "time_s"),
        rows=11,
        first=(179.998418821, 3, 1576165741.20308, 1, 1.243),
        last=(NAN, NAN, NAN, NAN, NAN),
        started=utc(2021, 12, 12, 17, 0, 0),
        ended=None,
        state="running",
        values={
            "channel3_exposure": 1.0,
            "ScanName": "ascan",
            "filename": [f"{n:05}" for n in range(1, 11)] + [None],
            "type": ["exposure"] * 10 + [None],
        },
        units={"omega(encoder)": "deg", "unix time": "s", "time_s": "s"},
        comments=("sweep motor lag: 1.0e-03", "channel 3: Detector"),
        user="username",
    ),
}


def found() -> list[Path]:
    return sorted(Path(FOLDER).rglob("*.fio")) if FOLDER else []


def read(path: Path) -> Reading:
    (reading,) = READER.read(path, Surroundings(boundary=path.parent, timezone=ZoneInfo("Europe/Berlin")))
    return reading


def test_every_file_found_is_written_down_here_and_the_other_way_round() -> None:
    assert {path.name for path in found()} == set(TRUTHS)


@pytest.mark.parametrize("path", found(), ids=lambda path: "/".join(path.parts[-2:]))
def test_a_file_says_what_its_lines_say(path: Path) -> None:
    scan, truth = read(path), TRUTHS[path.name]
    assert scan.command == truth.command
    assert (scan.title, scan.sample, scan.flag, scan.user) == (truth.title, truth.sample, truth.flag, truth.user)
    assert (scan.started, scan.ended, scan.state) == (truth.started, truth.ended, truth.state)
    assert (len(scan.positioners), len(scan.parameters)) == (truth.numbers, truth.others)
    everything = {**scan.parameters, **scan.positioners}
    assert {name: everything[name] for name in truth.values} == truth.values
    assert dict(scan.units) == truth.units
    assert {column.name: column.unit for column in scan.columns if column.unit}.items() <= truth.units.items()
    assert dict(scan.rois) == truth.rois
    assert scan.comments == truth.comments
    assert tuple(problem.what for problem in scan.problems) == truth.problems
    assert (scan.signal, scan.axes) == (truth.signal, truth.axes)


@pytest.mark.parametrize("path", found(), ids=lambda path: "/".join(path.parts[-2:]))
def test_a_file_has_the_columns_and_rows_that_stand_in_it(path: Path) -> None:
    scan, truth = read(path), TRUTHS[path.name]
    assert tuple(column.name for column in scan.columns) == truth.columns
    assert {len(column.values) for column in scan.columns} == {truth.rows}
    rows = np.array([column.values for column in scan.columns]).T
    assert np.array_equal(rows[0], truth.first, equal_nan=True)
    assert np.array_equal(rows[-1], truth.last, equal_nan=True)
    assert len(scan.spectra) == truth.spectra


def test_the_spectrum_of_the_file_of_one_column_is_not_calibrated_by_a_map_to_the_same_numbers() -> None:
    (path, *_) = (path for path in found() if path.name == "scan_mca_00001.fio")
    (spectra,) = read(path).spectra
    assert (spectra.detector, spectra.values.shape, spectra.energy) == ("EXP_MCA01", (1, 2048), None)
    assert float(spectra.values.sum()) == 68029
    assert spectra.values[0, 1825] == 10207
