"""What is plotted of a scan, and over what."""

import numpy as np
import pytest

from catalog_builder.records import Command, Range
from catalog_builder.signals import Choice, Column, GridMap, Reading, axis_of, choose, column_named


def columns(**values: list[float]) -> tuple[Column, ...]:
    return tuple(Column(name=name, values=np.array(numbers, dtype=np.float64)) for name, numbers in values.items())


def moving(macro: str, *moves: tuple[str, float, float], text: str = "", relative: bool = False) -> Command:
    ranges = tuple(Range(positioner=name, start=a, stop=b, intervals=2) for name, a, b in moves)
    return Command(text=text or macro, macro=macro, ranges=ranges, relative=relative)


ASCAN = moving("ascan", ("om", 0, 2))
OM = {"om": [0.0, 1.0, 2.0]}
NAN = float("nan")


def test_the_files_own_signal_comes_before_the_configuration() -> None:
    reading = Reading(columns=columns(**OM, apd=[1, 2, 3], diode=[1, 2, 3]), signal="diode")
    chosen = choose(reading, ASCAN, ("apd",))
    assert (chosen.signals, chosen.reason) == (("diode",), "named by the file")


def test_a_signal_the_file_names_but_does_not_hold_gives_way() -> None:
    reading = Reading(columns=columns(**OM, apd=[1, 2, 3]), signal="p100k_roi1")
    assert choose(reading, ASCAN, ()).signals == ("apd",)


def test_a_signal_without_any_number_gives_way_to_one_with_numbers() -> None:
    reading = Reading(columns=columns(**OM, apd=[1, 2, 3], diode=[NAN, NAN, NAN]), signal="diode")
    assert choose(reading, ASCAN, ()).signals == ("apd",)


def test_without_a_scanned_positioner_what_is_named_like_a_counter_is_guessed_first() -> None:
    zap = columns(Mon=[3, 2, 1], Det1=[0, 0, 0], Ion2=[5, 6, 7], TwoTheta=[1, 2, 4], ZapEnergy=[11, 12, 13])
    chosen = choose(Reading(columns=zap), Command(text="zapline mono 10 9 7 100", macro="zapline"), ())
    assert (chosen.signals, chosen.axes) == (("Ion2",), ("ZapEnergy",))


def test_times_and_settings_alone_are_no_signal() -> None:
    sweep = columns(**OM, channel=[3, 3, 3], enable=[1, 1, 1], **{"unix time": [1e9, 1e9 + 1, 1e9 + 2]})
    chosen = choose(Reading(columns=sweep), ASCAN, ())
    assert (chosen.signals, chosen.reason) == ((), "nothing but positions and times was recorded")


@pytest.mark.parametrize("preferred", [("APD",), ("nothing", "a*")])
def test_configured_channels_come_before_rois(preferred: tuple[str, ...]) -> None:
    reading = Reading(columns=columns(**OM, apd=[1, 2, 3], eiger_roi1=[1, 2, 3]))
    chosen = choose(reading, ASCAN, preferred)
    assert (chosen.signals, chosen.reason) == (("apd",), "preferred by the configuration")


def test_the_first_roi_brings_the_others_of_its_detector_along() -> None:
    reading = Reading(
        columns=columns(**OM, eiger4m_roi1=[1, 2, 3], p100k_roi1=[1, 2, 3], eiger4m_roi2=[3, 2, 1], last=[1, 2, 3])
    )
    chosen = choose(reading, ASCAN, ())
    assert (chosen.signals, chosen.reason) == (("eiger4m_roi1", "eiger4m_roi2"), "first ROI")


def test_a_roi_the_file_names_stands_before_its_neighbours() -> None:
    reading = Reading(columns=columns(**OM, e_roi1=[1, 2, 3], e_roi2=[1, 2, 3], e_roi3=[1, 2, 3]), signal="e_roi2")
    assert choose(reading, ASCAN, ()).signals == ("e_roi2", "e_roi1", "e_roi3")


def test_at_most_six_rois_are_plotted() -> None:
    rois = {f"e_roi{n}": [1.0, 2.0, 3.0] for n in range(9)}
    assert choose(Reading(columns=columns(**OM, **rois)), ASCAN, ()).signals == tuple(f"e_roi{n}" for n in range(6))


def test_else_it_is_the_last_channel_that_is_no_time_index_or_positioner() -> None:
    reading = Reading(
        columns=columns(
            **OM,
            apd=[5, 6, 7],
            chi=[1, 1, 1],
            atten_position=[1, 1, 1],
            petra_beamcurrent=[100, 100, 100],
            exp_t01=[1, 1, 1],
            eiger4m_index=[0, 1, 2],
            epoch=[1.7e9, 1.7e9 + 1, 1.7e9 + 2],
            timestamp=[0, 1, 2],
        ),
        positioners={"chi": 1.0},
    )
    chosen = choose(reading, ASCAN, ())
    assert (chosen.signals, chosen.reason) == (("apd",), "last channel")


def test_a_scan_without_channels_has_no_signal() -> None:
    assert choose(Reading(), ASCAN, ()) == Choice(signals=(), axes=(), reason="no channel was recorded")


def test_the_files_own_axes_come_first() -> None:
    reading = Reading(columns=columns(**OM, q=[1, 2, 3], apd=[1, 2, 3]), signal="apd", axes=("q",))
    assert choose(reading, ASCAN, ()).axes == ("q",)


def test_the_scanned_positioner_is_found_whatever_its_case() -> None:
    assert choose(Reading(columns=columns(Pt_No=[0, 1, 2], OM=[0, 1, 2], apd=[1, 2, 3])), ASCAN, ()).axes == ("OM",)


def test_of_positioners_that_move_together_the_first_that_moves_is_the_axis() -> None:
    reading = Reading(columns=columns(om=[1, 1, 1], tt=[1, 2, 3], apd=[1, 2, 3]))
    assert choose(reading, moving("a2scan", ("om", 1, 1), ("tt", 1, 3)), ()).axes == ("tt",)


def test_a_reciprocal_scan_runs_over_the_index_that_moves_most() -> None:
    reading = Reading(columns=columns(H=[1, 1.01, 1.02], K=[1, 1, 1], L=[2, 2.5, 3], apd=[1, 2, 3]))
    command = moving("hklscan", ("h", 1, 1.02), ("k", 1, 1), ("l", 2, 3))
    assert choose(reading, command, ()).axes == ("L",)


@pytest.mark.parametrize(
    "command",
    [
        moving("dscan", ("dummymot", -1, 1), text="dscan dummymot -1 1 1 15", relative=True),
        moving("dscan", ("exp_dmy01", 1, 1)),
        moving("timescan"),
        moving("loopscan"),
        moving("ct"),
    ],
)
def test_scans_that_move_nothing_run_over_time(command: Command) -> None:
    reading = Reading(columns=columns(dummymot=[-1, 0, 1], apd=[3, 2, 1], timestamp=[0.1, 15.2, 30.4]))
    assert choose(reading, command, ()).axes == ("timestamp",)


def test_a_counting_time_is_no_axis() -> None:
    reading = Reading(columns=columns(Time=[1, 1, 1], Epoch=[10, 12, 14], apd=[3, 2, 1]))
    assert choose(reading, moving("loopscan"), ()).axes == ("Epoch",)


def test_a_series_without_times_runs_over_the_points_number() -> None:
    assert choose(Reading(columns=columns(apd=[3, 2, 1])), moving("timescan"), ()).axes == ()


def test_old_fio_files_run_over_pos() -> None:
    reading = Reading(columns=columns(HASYLAB_00127_POS=[0, 1, 2], HASYLAB_00127_VFC01=[1, 2, 3]))
    assert choose(reading, Command(text="", macro=""), ()).axes == ("HASYLAB_00127_POS",)


def test_a_positioner_under_another_name_is_the_first_column() -> None:
    reading = Reading(columns=columns(Theta=[0, 1, 2], Epoch=[1, 2, 3], Detector=[1, 2, 3]))
    assert choose(reading, moving("ascan", ("th", 0, 2)), ()).axes == ("Theta",)


def test_a_first_column_that_cannot_be_the_positioner_is_no_axis() -> None:
    reading = Reading(columns=columns(monitor=[1000, 1010, 990], Detector=[1, 2, 3]))
    assert choose(reading, moving("ascan", ("th", 0, 2)), ()).axes == ()


def test_an_unknown_macro_names_its_positioner_first() -> None:
    reading = Reading(columns=columns(ar=[3, 2.5, 2.4], pd=[1, 2, 3]))
    assert choose(reading, Command(text="uascan ar 3 2.4 8 1e-05", macro="uascan"), ()).axes == ("ar",)


def test_a_mesh_has_two_axes_the_fast_one_first() -> None:
    reading = Reading(columns=columns(x=[0, 1, 0, 1], y=[0, 0, 1, 1], apd=[1, 2, 3, 4]))
    assert choose(reading, moving("mesh", ("x", 0, 1), ("y", 0, 1)), ()).axes == ("x", "y")


def test_the_files_own_map_is_what_is_plotted() -> None:
    grid = GridMap(
        signal="data",
        values=np.ones((2, 3)),
        x=Column(name="x", values=np.arange(3.0)),
        y=Column(name="y", values=np.arange(2.0)),
    )
    chosen = choose(Reading(map=grid), moving("mesh"), ())
    assert (chosen.signals, chosen.axes) == (("data",), ("x", "y"))


def test_time_since_1970_is_counted_from_the_first_point() -> None:
    reading = Reading(columns=columns(epoch=[1.7e9, 1.7e9 + 1.5], apd=[1, 2]))
    axis = axis_of(reading, Choice(signals=("apd",), axes=("epoch",), reason=""))
    assert (axis.name, axis.unit, axis.values.tolist()) == ("time", "s", [0.0, 1.5])


def test_the_exact_name_wins_over_one_in_another_case() -> None:
    found = column_named(columns(Time=[1.0], time=[2.0]), "time")
    assert found is not None
    assert found.values[0] == 2.0


def test_a_guessed_channel_that_is_constant_gives_way_to_one_that_varies() -> None:
    varying, constant, time = np.array([1.0, 5.0, 2.0]), np.zeros(3), np.array([1.0, 2.0, 3.0])
    columns = (
        Column(name="th", values=time),
        Column(name="monitor", values=varying),
        Column(name="spare", values=constant),
    )
    command = Command(text="ascan th 1 3 2 1", macro="ascan")
    assert choose(Reading(columns=columns, positioners={"th": 0.0}), command).signals == ("monitor",)
    assert choose(Reading(columns=columns, signal="spare"), command).signals == ("spare",)
    dark = (columns[0], Column(name="Epoch", values=time), columns[2])
    assert choose(Reading(columns=dark, positioners={"th": 0.0}), command).signals == ("spare",)
