"""The stations of the demo beamline and the samples that are put there.

Knows where positioners usually stand and what samples are made of; does not know scans.
"""

from catalog_builder.demo.physics import Layer
from catalog_builder.demo.plans import Sample, Setup

_OPTICS: tuple[tuple[str, float], ...] = (
    ("abs", 0.0), ("atten", 0.0), ("bpm1", 21.0), ("bpm2", 43.0), ("bpm3", 40.5), ("dcm_bragg", 6.3038),
    ("dcm_perp", 10.61), ("dcm_pitch", 0.0793), ("dcm_roll", 0.1641), ("dummymot", 0.0), ("energyfmb", 18000.0),
    ("fabs01", 4.6), ("gap", 11.871), ("lens_1d", 0.0), ("lens_oh", 31.0), ("monislit", 180.0), ("mytr", 90.1),
    ("psl1v", 0.0), ("psl1vc", -0.012), ("psl2l", 0.6), ("psl2r", 1.1), ("psl2v", 0.7), ("shx", 0.0),
    ("sl1h", 0.8), ("sl1hc", 0.061), ("sl1v", 0.2), ("sl1vc", -0.0448), ("sl2h", 0.2), ("sl2hc", -0.318),
    ("sl2v", 0.6), ("sl2vc", 0.5102), ("sl3h", 0.6), ("sl3hc", -0.002), ("sl3v", 0.15), ("sl3vc", 1.5497),
    ("sl4h", 4.0), ("sl4hc", -6.5513), ("sl4v", 4.0), ("sl4vc", 6.1071), ("tavc", -0.38), ("tavl", -5.09),
    ("tavr", -4.1425),
)  # fmt: skip

SIX_CIRCLE = Setup(
    name="Kohzu 6-circle",
    detector="p100k",
    energy=18000.0,
    positioners=(
        *_OPTICS, ("chi", 0.118), ("chic", 0.0), ("chis", -0.1), ("om", 0.0), ("om_real", 0.0231), ("oma", 0.0),
        ("phic", 0.0), ("phis", 12.5), ("samx", 0.35), ("samy", -0.12), ("samz", 1.482), ("tt", 0.0), ("tta", 0.0),
        ("xs", 0.0), ("ys", 1.5), ("zs", 1.063), ("zt1", -1.2038), ("zt2", -1.2057), ("zt3", -0.0002), ("yt", 1.098),
    ),
)  # fmt: skip

LISA = Setup(
    name="Liquid diffractometer (LISA)",
    detector="lambda",
    energy=25000.0,
    positioners=(
        *_OPTICS, ("alpha", 0.05), ("beta", 0.05), ("lom1lat", 52.606), ("lom1pitch", 14.053), ("lom2lat", 52.206),
        ("lom2pitch", 13.987), ("lomfoil", 101.0), ("lomrtclhgt", 20.1), ("om", 0.0), ("tt", 0.0), ("qz", 0.02),
        ("samx", 27.0), ("samz", -0.0377), ("gid_det_tth", 0.0), ("gid_det_z", -0.1), ("gid_soller_yaw", -0.1226),
        ("tbvc", 8.599), ("tbvl", 8.535), ("tbvr", 8.583), ("tby", 395.0),
    ),
)  # fmt: skip

TROUGH = Setup(
    name="Langmuir trough GID setup",
    detector="eiger4m",
    energy=15000.0,
    trough=True,
    positioners=(
        *_OPTICS, ("chi", -90.0), ("bsx", 0.0), ("bsz", 0.0), ("frot", 0.0), ("ftilt", -1.5698), ("fzs", 3.4184),
        ("gid_det_tth", 0.0), ("gid_det_z", -0.1), ("gid_soller_yaw", -0.1226), ("laser_x", -9.0), ("laser_z", 5.13),
        ("om", -0.035), ("qz", 0.02), ("samx", 27.0), ("samz", -0.0377), ("trough_a", 20632.0), ("trough_p", 0.0),
        ("trough_phz", 0.0), ("troughz", 6.2), ("tt", 27.0),
    ),
)  # fmt: skip

_STO = Layer(1.41, 0.0, 1.8, 0.022)
_WATER = Layer(0.334, 0.0, 2.6, 0.0012)
_MGO = Layer(1.07, 0.0, 1.5, 0.008)


def _film(density: float, thickness: float, roughness: float) -> tuple[Layer, ...]:
    return Layer(density * 0.93, 7.0, roughness), Layer(density, thickness, 1.4, 0.025), _STO


LSMO_THIN = Sample(
    name="LSMO 12 nm on STO(001)",
    formula="La0.7Sr0.3MnO3 / SrTiO3",
    description="12 nm manganite grown by pulsed laser deposition, 10 x 10 mm, miscut 0.1 deg",
    layers=_film(1.72, 118.0, 3.1),
)
LSMO_THICK = Sample(
    name="LSMO 24 nm on STO(001)",
    formula="La0.7Sr0.3MnO3 / SrTiO3",
    description="24 nm manganite, same batch, partly relaxed",
    layers=_film(1.72, 236.0, 3.6),
)
STO_BARE = Sample(
    name="STO(001) substrate",
    formula="SrTiO3",
    description="TiO2-terminated, etched and annealed at 950 degC",
    layers=(_STO,),
)
SRO_FILM = Sample(
    name="SRO 8 nm on STO(001)",
    formula="SrRuO3 / SrTiO3",
    description="sputtered at 620 degC, step-flow growth",
    layers=_film(1.755, 80.0, 2.4),
)
NIO_FILM = Sample(
    name="NiO 15 nm on MgO(001)",
    formula="NiO / MgO",
    description="reactive sputtering, capped",
    layers=(Layer(1.976, 150.0, 2.8), _MGO),
)
LAB6 = Sample(name="LaB6", formula="LaB6", description="powder standard in a 0.3 mm capillary")
GOLD_FILM = Sample(
    name="Au nanoparticles 8 nm on water",
    formula="Au / H2O",
    description="thiol-capped particles spread from toluene, monolayer at 12 mN/m",
    layers=(Layer(0.38, 18.0, 4.5, 0.002), Layer(0.86, 72.0, 5.5, 0.02), Layer(0.36, 14.0, 4.0, 0.002), _WATER),
)
IRON_OXIDE = Sample(
    name="Fe3O4 nanoparticles 11 nm on water",
    formula="Fe3O4 / H2O",
    description="oleic acid shell, spread from heptane",
    layers=(Layer(0.36, 20.0, 5.0, 0.002), Layer(0.71, 98.0, 7.0, 0.01), _WATER),
)
WATER = Sample(
    name="Water, bare surface",
    formula="H2O",
    description="ultrapure, 18.2 MOhm cm, helium atmosphere",
    layers=(_WATER,),
)
DSPC = Sample(
    name="DSPC monolayer on water",
    formula="C44H88NO8P / H2O",
    description="0.25 mM in chloroform, 300 uL spread, compressed to 30 mN/m",
    layers=(Layer(0.318, 19.2, 3.0, 0.001), Layer(0.462, 8.8, 3.2, 0.001), _WATER),
)
ARACHIDIC = Sample(
    name="Arachidic acid on CdCl2 subphase",
    formula="C20H40O2 / CdCl2 / H2O",
    description="0.5 mM CdCl2, 20 degC, compressed to 25 mN/m",
    layers=(Layer(0.324, 24.5, 2.8, 0.001), Layer(0.69, 5.2, 2.6, 0.006), _WATER),
)
PEPTIDE = Sample(
    name="DSPC with peptide, 5 mol %",
    formula="C44H88NO8P / peptide / H2O",
    description="co-spread with an amphipathic peptide, compressed to 30 mN/m",
    layers=(Layer(0.322, 17.6, 3.8, 0.001), Layer(0.438, 11.5, 4.2, 0.001), _WATER),
)
