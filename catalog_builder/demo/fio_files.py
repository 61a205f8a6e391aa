"""Scans written as Sardana ``.fio`` files, one a scan.

Knows the dialect P08 writes in 2026 (``%c``, ``%p``, ``%d`` and the end line); does not know what the numbers mean.
"""

from zoneinfo import ZoneInfo

from catalog_builder.demo.measured import Measured
from catalog_builder.demo.plans import Sample

ROIS = (201, 88, 221, 106, 196, 84, 226, 110, 230, 88, 250, 106)


def fio_text(scan: Measured, zone: ZoneInfo) -> str:
    """Give the whole file; times in it are local, without a zone, as Sardana writes them."""
    began, ended = (when.astimezone(zone).ctime() for when in (scan.started, scan.ended))
    text = head(scan.plan.command, began, scan.plan.sample, scan.plan.title) + body(scan) + end(ended)
    return _cut_in_a_row(text) if scan.plan.truncated else text


def head(command: str, began: str, sample: Sample, title: str) -> str:
    """Give the comment section and those parameters that differ from scan to scan."""
    return (
        f"!\n! Comments\n!\n%c\n{command}\nuser p08user Acquisition started at {began}\n!\n! Parameter\n!\n%p\n"
        f"chemical_formula = {sample.formula}\nsample_description = {sample.description}\n"
        f"sample_name = {sample.name}\ntitle = {title}\n"
    )


def body(scan: Measured, *, without: tuple[str, ...] = ()) -> str:
    """Give the other parameters, the positioners and the data, of all columns but those named."""
    plan = scan.plan
    lines = [
        "collection_description = OFF",
        "collection_identifier = -1",
        f"rois {plan.setup.detector}  = {list(ROIS)}",
        f"signalcounter = {scan.signal}",
        "ub_matrix = [[ 1.60892341e+00 -2.31000000e-06  1.00400000e-05]; [ 0.00000000e+00  1.60892333e+00 "
        " 4.12000000e-06]; [ 0.00000000e+00  0.00000000e+00  1.60901115e+00]]",
    ]
    if plan.scanmode is not None:
        lines.append(f"scanmode = {plan.scanmode}")
    lines += [f"{name} = {value:.9g}" for name, value in scan.positioners.items()]
    columns = {name: values for name, values in scan.columns.items() if name not in without}
    lines += ["!", "! Data", "!", "%d"]
    lines += [f" Col {number} {name} DOUBLE" for number, name in enumerate(columns, start=1)]
    table = zip(*(values.tolist() for values in columns.values()), strict=True)
    lines += [" " + " ".join(map(repr, row)) for row in table]
    return "\n".join(lines) + "\n"


def end(ended: str) -> str:
    """Give the line that says the scan is over."""
    return f"! Acquisition ended at {ended}\n"


def _cut_in_a_row(text: str) -> str:
    """End about two thirds through the data, in the middle of a number."""
    data = text.index("%d")
    place = data + 2 * (len(text) - data) // 3
    while not (text[place - 1].isdigit() and text[place].isdigit()):
        place += 1
    return text[:place]
